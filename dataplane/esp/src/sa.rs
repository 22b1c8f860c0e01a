//! What a manifest says of an SA, prepared for its packets.

use std::net::Ipv4Addr;

use hummingbird_packet::Protocol;

/// Bytes of the ESP header (RFC 4303, section 2).
pub const ESP_HEADER: usize = 8;
/// Bytes of the IV before the cipher text (RFC 3602).
pub const IV: usize = 16;
/// Bytes of the ICV after it (RFC 2404).
pub const ICV: usize = 12;
/// Bytes of the outer IPv4 header: it has no options.
pub(crate) const OUTER: usize = 20;

/// ESP's two modes (RFC 4303, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The payload of the packet's own IPv4 header is protected.
    Transport,
    /// The whole packet is protected behind a new IPv4 header.
    Tunnel {
        /// Source of the outer header.
        source: Ipv4Addr,
        /// Destination of the outer header.
        destination: Ipv4Addr,
    },
}

/// A security association without its keys and its counters.
#[derive(Clone, Debug)]
pub struct Sa {
    pub(crate) spi: u32,
    pub(crate) mode: Mode,
    /// The outer header with everything that is the same for all packets.
    pub(crate) template: [u8; OUTER],
}

impl Sa {
    /// An SA of that SPI and mode.
    #[must_use]
    pub fn new(spi: u32, mode: Mode) -> Self {
        let mut template = [0; OUTER];
        if let Mode::Tunnel { source, destination } = mode {
            template[0] = 0x45;
            template[8] = 64; // TTL
            template[9] = Protocol::ESP.0;
            template[12..16].copy_from_slice(&source.octets());
            template[16..20].copy_from_slice(&destination.octets());
        }
        Self { spi, mode, template }
    }

    /// The security parameters index.
    #[must_use]
    pub fn spi(&self) -> u32 {
        self.spi
    }

    /// Tunnel or transport.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

/// What the cipher, on whatever compute, must know of one packet. The ESP
/// header stands at `esp_offset`, then 16 bytes of IV, `cipher_len` bytes of
/// text, 12 bytes of ICV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EspJob {
    /// First byte of the ESP header, from the start of the frame.
    pub esp_offset: u32,
    /// Bytes of text, a positive multiple of 16.
    pub cipher_len: u32,
    /// The whole sequence number.
    pub sequence: u64,
    /// The half of an extended sequence number that is hashed but not sent;
    /// `None` for 32-bit numbers.
    pub seq_high: Option<u32>,
}

impl EspJob {
    /// The region that a cipher works on: from the ESP header to the ICV's end.
    #[must_use]
    pub fn region(&self) -> std::ops::Range<usize> {
        let start = self.esp_offset as usize;
        start..start + ESP_HEADER + IV + self.cipher_len as usize + ICV
    }
}
