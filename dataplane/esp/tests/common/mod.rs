//! Frames, and two ends of an SA.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod cipher;

use std::{net::Ipv4Addr, sync::Arc};

pub use cipher::Keys;
use hummingbird_esp::{
    Direction, EspDrop, InboundSa, Mode, OutboundSa, OwnedFrame, PacketBuffer, Sa, SaStates, encapsulate,
    finish_decrypt, open,
};
use hummingbird_packet::{FiveTuple, Frame, Ipv4Header, checksum, parse};

pub const KEYS: Keys = Keys { cipher: *b"sixteen byte key", integrity: *b"twenty bytes of keys" };
pub const SPI: u32 = 0x1000;
pub const TUNNEL: Mode =
    Mode::Tunnel { source: Ipv4Addr::new(192, 0, 2, 1), destination: Ipv4Addr::new(198, 51, 100, 1) };
pub const IV: [u8; 16] = *b"an initial value";
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// An IPv4 header's fields that tests vary, with a payload.
#[derive(Clone, Debug)]
pub struct Ip {
    pub tos: u8,
    pub id: u16,
    pub flags: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub source: [u8; 4],
    pub destination: [u8; 4],
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Ip {
    pub fn new(protocol: u8, payload: Vec<u8>) -> Self {
        let (source, destination) = ([172, 16, 0, 9], [10, 1, 2, 3]);
        let (tos, id, flags, ttl) = (0x28, 0x1234, 0x4000, 33);
        Self { tos, id, flags, ttl, protocol, source, destination, options: vec![], payload }
    }

    /// UDP with `len` bytes of data, 4000 to 53.
    pub fn udp(len: usize) -> Self {
        let mut payload = vec![0x0f, 0xa0, 0, 53];
        payload.extend((8 + len as u16).to_be_bytes());
        payload.extend([0, 0]);
        payload.extend((0..len).map(|at| (at * 7 + 3) as u8));
        Self::new(17, payload)
    }

    pub fn packet(&self) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let mut packet = vec![0x40 | (header_len / 4) as u8, self.tos];
        packet.extend(((header_len + self.payload.len()) as u16).to_be_bytes());
        packet.extend(self.id.to_be_bytes());
        packet.extend(self.flags.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.source);
        packet.extend(self.destination);
        packet.extend(&self.options);
        let sum = checksum::of(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(&self.payload);
        packet
    }

    pub fn frame(&self) -> Vec<u8> {
        ether(&self.packet())
    }
}

pub fn ether(packet: &[u8]) -> Vec<u8> {
    [&MACS[..], &[8, 0], packet].concat()
}

pub fn header(frame: &[u8]) -> Ipv4Header {
    match parse(frame).unwrap() {
        Frame::Ipv4(header) => header,
        Frame::Other(ethertype) => panic!("ethertype {ethertype:#x}"),
    }
}

pub fn identity(direction: Direction) -> hummingbird_esp::SaIdentity {
    KEYS.identity(direction, SPI, Some([198, 51, 100, 1].into()))
}

/// Both ends of one SA, volatile.
pub struct Ends {
    pub sa: Sa,
    pub outbound: Arc<OutboundSa>,
    pub inbound: Arc<InboundSa>,
}

impl Ends {
    pub fn new(mode: Mode, esn: bool) -> Self {
        let states = SaStates::volatile();
        Self {
            sa: Sa::new(SPI, mode),
            outbound: states.outbound(&identity(Direction::Outbound), esn).unwrap(),
            inbound: states.inbound(&identity(Direction::Inbound), esn, 64).unwrap(),
        }
    }

    /// A frame, encapsulated and sealed.
    pub fn send(&self, frame: &[u8]) -> Result<Vec<u8>, EspDrop> {
        let mut buf = OwnedFrame::new(frame);
        let job = encapsulate(&self.outbound, &self.sa, &mut buf, &header(frame), IV)?;
        assert_eq!(job.region().end, buf.bytes().len());
        KEYS.seal(buf.bytes_mut(), &job);
        Ok(buf.bytes().to_vec())
    }

    /// An ESP frame, opened and stripped.
    pub fn receive(&self, frame: &[u8]) -> Result<Vec<u8>, EspDrop> {
        self.receive_if(frame, |_, _| true)
    }

    pub fn receive_if(
        &self,
        frame: &[u8],
        selector: impl FnOnce(&FiveTuple, bool) -> bool,
    ) -> Result<Vec<u8>, EspDrop> {
        let mut buf = OwnedFrame::new(frame);
        let outer = header(frame);
        let job = open(&self.inbound, &self.sa, &mut buf, &outer)?;
        if !KEYS.unseal(buf.bytes_mut(), &job) {
            return Err(EspDrop::BadIcv);
        }
        let inner = finish_decrypt(&self.inbound, &self.sa, &mut buf, &outer, &job, selector)?;
        assert_eq!(inner, header(buf.bytes()), "the header that is returned is the frame's");
        Ok(buf.bytes().to_vec())
    }

    /// Sends `text` as it stands, trailer and all: what only a broken or
    /// hostile peer would. Its length is a multiple of 16.
    pub fn send_text(&self, sequence: u32, text: &[u8]) -> Vec<u8> {
        let esp = [&SPI.to_be_bytes()[..], &sequence.to_be_bytes(), &IV, text, &[0; 12]].concat();
        let mut ip = Ip::new(50, esp);
        (ip.source, ip.destination) = ([192, 0, 2, 1], [198, 51, 100, 1]);
        let mut frame = ip.frame();
        let job = hummingbird_esp::EspJob {
            esp_offset: 34,
            cipher_len: text.len() as u32,
            sequence: sequence.into(),
            seq_high: None,
        };
        KEYS.seal(&mut frame, &job);
        frame
    }

    /// [`send_text`](Self::send_text) of a payload with right padding.
    pub fn send_payload(&self, sequence: u32, payload: &[u8], next_header: u8) -> Vec<u8> {
        let pad = (16 - (payload.len() + 2) % 16) % 16;
        let mut text = payload.to_vec();
        text.extend((1..=pad as u8).chain([pad as u8, next_header]));
        self.send_text(sequence, &text)
    }
}
