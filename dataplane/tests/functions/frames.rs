//! Frames for tests.

use std::net::Ipv4Addr;

use hummingbird_packet::checksum;

/// Destination, then source MAC address of every frame.
pub const MACS: [u8; 12] = [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2];

/// An Ethernet frame of an IPv4 packet.
pub fn ipv4(protocol: u8, ttl: u8, source: Ipv4Addr, destination: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + body.len() as u16).to_be_bytes());
    header.extend([0, 1, 0x40, 0, ttl, protocol, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    let sum = checksum::of(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&MACS[..], &[0x08, 0x00], &header, body].concat()
}

/// An Ethernet frame of a UDP datagram from 192.0.2.1 to 10.0.0.1, its checksum 0: not computed (RFC 768).
pub fn udp(source_port: u16, destination_port: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(source_port.to_be_bytes());
    body.extend(destination_port.to_be_bytes());
    body.extend((8 + payload.len() as u16).to_be_bytes());
    body.extend([0, 0]);
    body.extend(payload);
    ipv4(17, 64, Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(10, 0, 0, 1), &body)
}

/// Numbers that look random and are the same in every run (xorshift64*).
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % limit
    }

    /// That many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}
