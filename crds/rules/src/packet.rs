//! What a rule can ask of a packet.

use hummingbird_packet::{FiveTuple, Ipv4Header, Protocol};

/// A packet as the evaluator sees it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The flow.
    pub tuple: FiveTuple,
    /// Whether the packet is one of several IPv4 fragments. Rules that name
    /// ports, or that ask where in the payload something is, never match one.
    pub fragment: bool,
    /// The bytes after the layer-4 header; of a fragment, those after the
    /// IPv4 header.
    pub payload: &'a [u8],
    /// The IPv4 header.
    pub ip: IpFields<'a>,
    /// The layer-4 header; `None` for a fragment and for other protocols.
    pub layer4: Layer4,
}

/// Fields of the IPv4 header (RFC 791).
#[derive(Clone, Copy, Debug, Default)]
pub struct IpFields<'a> {
    /// Time to live.
    pub ttl: u8,
    /// The DSCP and ECN byte.
    pub tos: u8,
    /// Identification.
    pub id: u16,
    /// The three flags: 1 more fragments, 2 don't fragment, 4 reserved.
    pub flags: u8,
    /// Fragment offset, in units of 8 bytes as in the header.
    pub fragment_offset: u16,
    /// The options' bytes.
    pub options: &'a [u8],
}

/// Fields of the layer-4 header.
#[derive(Clone, Copy, Debug, Default)]
pub enum Layer4 {
    /// Another protocol, a fragment, or a header cut short.
    #[default]
    None,
    /// RFC 9293.
    Tcp {
        /// Sequence number.
        sequence: u32,
        /// Acknowledgment number.
        acknowledgment: u32,
        /// The flags byte, CWR and ECE included.
        flags: u8,
        /// Window, not scaled.
        window: u16,
    },
    /// RFC 792.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier, of the types that have one.
        id: u16,
        /// Sequence number, of the types that have one.
        sequence: u16,
    },
}

impl<'a> Packet<'a> {
    /// Reads the fields from a frame and its parsed header.
    ///
    /// Whatever `header` says, a field that the frame does not hold reads as
    /// zero, and nothing panics.
    #[must_use]
    pub fn new(frame: &'a [u8], header: &Ipv4Header) -> Self {
        let ip = frame.get(header.start()..header.end()).unwrap_or_default();
        let l4 = ip.get(usize::from(header.header_len)..).unwrap_or_default();
        let mut payload = frame.get(header.payload()).unwrap_or_default();
        let fragment = header.fragment.is_fragment();
        let layer4 = match (header.tuple.protocol, fragment) {
            (Protocol::TCP, false) => tcp(l4),
            (Protocol::ICMP, false) => icmp(l4),
            _ => Layer4::None,
        };
        if header.tuple.protocol == Protocol::UDP && !fragment {
            payload = udp_payload(l4, payload);
        }
        let options = ip.get(20..usize::from(header.header_len)).unwrap_or_default();
        Self {
            tuple: header.tuple,
            fragment,
            payload,
            ip: IpFields {
                ttl: header.ttl,
                tos: header.tos,
                id: header.fragment.id,
                flags: u8::from(header.fragment.more)
                    | u8::from(header.dont_fragment) << 1
                    | ip.get(6).map_or(0, |byte| byte >> 7) << 2,
                fragment_offset: header.fragment.offset / 8,
                options,
            },
            layer4,
        }
    }
}

fn tcp(l4: &[u8]) -> Layer4 {
    let Some(header) = l4.first_chunk::<20>() else { return Layer4::None };
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Layer4::Tcp {
        sequence: word(4),
        acknowledgment: word(8),
        flags: header[13],
        window: u16::from_be_bytes([header[14], header[15]]),
    }
}

fn icmp(l4: &[u8]) -> Layer4 {
    let Some(header) = l4.first_chunk::<8>() else { return Layer4::None };
    Layer4::Icmp {
        kind: header[0],
        code: header[1],
        id: u16::from_be_bytes([header[4], header[5]]),
        sequence: u16::from_be_bytes([header[6], header[7]]),
    }
}

/// A datagram's payload ends where its UDP length says (RFC 768), if that
/// lies within the packet.
fn udp_payload<'a>(l4: &[u8], payload: &'a [u8]) -> &'a [u8] {
    let Some(header) = l4.first_chunk::<8>() else { return payload };
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    len.checked_sub(8).and_then(|len| payload.get(..len)).unwrap_or(payload)
}
