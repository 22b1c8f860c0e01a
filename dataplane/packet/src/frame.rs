//! One received frame, parsed once.

use std::{net::Ipv4Addr, ops::Range};

use crate::{FiveTuple, Protocol, checksum};

/// Bytes of an Ethernet header without a VLAN tag.
pub const ETHERNET_HEADER: usize = 14;
/// The EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An IPv4 packet with a sound header.
    Ipv4(Ipv4Header),
    /// ARP, IPv6, VLAN-tagged and everything else: the EtherType.
    Other(u16),
}

/// Why a frame is dropped before any NF sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Shorter than an Ethernet header.
    #[error("shorter than an Ethernet header")]
    TruncatedEthernet,
    /// Shorter than its IPv4 header says, or than 20 bytes.
    #[error("shorter than its IPv4 header")]
    TruncatedIpv4,
    /// EtherType IPv4, but the version nibble is not 4.
    #[error("not IP version 4")]
    Version,
    /// IHL below 5.
    #[error("IPv4 header length below 20 bytes")]
    HeaderLength,
    /// Total length below the header's, or past the end of the frame.
    #[error("IPv4 total length below its header or past the frame")]
    TotalLength,
    /// The IPv4 header checksum is wrong.
    #[error("wrong IPv4 header checksum")]
    Checksum,
    /// No room for the ports of TCP or UDP, or for ESP's SPI.
    #[error("shorter than its layer-4 header")]
    TruncatedLayer4,
}

/// Where a packet stands in its datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Offset of this fragment's payload in the datagram's, bytes.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
    /// The IPv4 identification.
    pub id: u16,
}

impl Fragment {
    /// Whether the packet is one of several fragments, the first included.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.more || self.offset != 0
    }
}

/// The parsed headers of an IPv4 packet. All offsets are from the start of the
/// frame; the frame may be longer than `end()` (Ethernet padding).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// The flow.
    pub tuple: FiveTuple,
    /// Bytes of the IPv4 header, options included: 20 to 60.
    pub header_len: u8,
    /// IPv4 total length, bytes.
    pub total_len: u16,
    /// The DSCP and ECN byte.
    pub tos: u8,
    /// Time to live.
    pub ttl: u8,
    /// Don't Fragment.
    pub dont_fragment: bool,
    /// Fragmentation.
    pub fragment: Fragment,
    /// Bytes of the layer-4 header: TCP 20 to 60, UDP 8, ICMP 8; 0 for others
    /// and for every fragment but a whole first one.
    pub l4_header_len: u8,
    /// ESP's SPI (the packet is no fragment), else 0.
    pub spi: u32,
}

impl Ipv4Header {
    /// First byte of the IPv4 header.
    #[must_use]
    pub const fn start(&self) -> usize {
        ETHERNET_HEADER
    }

    /// First byte after the IPv4 header.
    #[must_use]
    pub fn l4_start(&self) -> usize {
        ETHERNET_HEADER + usize::from(self.header_len)
    }

    /// First byte after the packet; Ethernet padding follows, if any.
    #[must_use]
    pub fn end(&self) -> usize {
        ETHERNET_HEADER + usize::from(self.total_len)
    }

    /// What a content rule looks at: the bytes after the layer-4 header.
    #[must_use]
    pub fn payload(&self) -> Range<usize> {
        (self.l4_start() + usize::from(self.l4_header_len)).min(self.end())..self.end()
    }
}

/// Parses a frame up to its layer-4 ports.
///
/// # Errors
/// The first thing wrong with it. Layer-4 checksums are not judged.
#[inline]
pub fn parse(frame: &[u8]) -> Result<Frame, Malformed> {
    let (Some(ethertype), Some(packet)) = (frame.get(12..14), frame.get(ETHERNET_HEADER..)) else {
        return Err(Malformed::TruncatedEthernet);
    };
    let ethertype = u16::from_be_bytes([ethertype[0], ethertype[1]]);
    if ethertype == ETHERTYPE_IPV4 { ipv4(packet).map(Frame::Ipv4) } else { Ok(Frame::Other(ethertype)) }
}

/// Parses an IPv4 packet that starts at `packet[0]`; offsets of the result
/// are those of the frame that an Ethernet header before it would make.
#[inline]
fn ipv4(packet: &[u8]) -> Result<Ipv4Header, Malformed> {
    let fixed: &[u8; 20] = packet.first_chunk().ok_or(Malformed::TruncatedIpv4)?;
    if fixed[0] >> 4 != 4 {
        return Err(Malformed::Version);
    }
    let header_len = (fixed[0] & 0xf) * 4;
    if header_len < 20 {
        return Err(Malformed::HeaderLength);
    }
    let header = packet.get(..usize::from(header_len)).ok_or(Malformed::TruncatedIpv4)?;
    let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
    let total_len = half(2);
    if usize::from(total_len) < usize::from(header_len) || usize::from(total_len) > packet.len() {
        return Err(Malformed::TotalLength);
    }
    // Nearly every header is 20 bytes: then the sum's length is known here.
    let sum = if header_len == 20 { checksum::of(fixed) } else { checksum::of(header) };
    if sum != 0 {
        return Err(Malformed::Checksum);
    }
    let flags = half(6);
    let fragment = Fragment { offset: (flags & 0x1fff) << 3, more: flags & 0x2000 != 0, id: half(4) };
    let protocol = Protocol(fixed[9]);
    let l4 = &packet[usize::from(header_len)..usize::from(total_len)];
    let layer4 = if fragment.is_fragment() { Layer4::default() } else { layer4(protocol, l4)? };
    Ok(Ipv4Header {
        tuple: FiveTuple {
            source: address(12),
            destination: address(16),
            source_port: layer4.source_port,
            destination_port: layer4.destination_port,
            protocol,
        },
        header_len,
        total_len,
        tos: fixed[1],
        ttl: fixed[8],
        dont_fragment: flags & 0x4000 != 0,
        fragment,
        l4_header_len: layer4.header_len,
        spi: layer4.spi,
    })
}

#[derive(Default)]
struct Layer4 {
    source_port: u16,
    destination_port: u16,
    header_len: u8,
    spi: u32,
}

#[inline]
fn layer4(protocol: Protocol, l4: &[u8]) -> Result<Layer4, Malformed> {
    let word = |at: usize| {
        l4.get(at..at + 4)
            .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
            .ok_or(Malformed::TruncatedLayer4)
    };
    let ports = || word(0).map(|w| ((w >> 16) as u16, w as u16));
    let clamp = |len: usize| len.min(l4.len()) as u8;
    match protocol {
        Protocol::TCP => {
            let (source_port, destination_port) = ports()?;
            let data_offset = l4.get(12).map_or(20, |byte| usize::from(byte >> 4) * 4);
            Ok(Layer4 { source_port, destination_port, header_len: clamp(data_offset.max(20)), spi: 0 })
        }
        Protocol::UDP => {
            let (source_port, destination_port) = ports()?;
            Ok(Layer4 { source_port, destination_port, header_len: clamp(8), spi: 0 })
        }
        Protocol::ICMP => Ok(Layer4 { header_len: clamp(8), ..Layer4::default() }),
        Protocol::ESP => Ok(Layer4 { spi: word(0)?, ..Layer4::default() }),
        _ => Ok(Layer4::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x08, 0x00, 0x45, 0]);
        frame.extend((28 + payload.len() as u16).to_be_bytes());
        frame.extend([0, 7, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 10, 0, 0, 9, 0x0f, 0xa0, 0, 53]);
        frame.extend((8 + payload.len() as u16).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(payload);
        fix(&mut frame);
        frame
    }

    fn fix(frame: &mut [u8]) {
        frame[24..26].fill(0);
        let sum = checksum::of(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }

    fn header(frame: &[u8]) -> Ipv4Header {
        match parse(frame).unwrap() {
            Frame::Ipv4(header) => header,
            Frame::Other(ethertype) => panic!("ethertype {ethertype:#x}"),
        }
    }

    #[test]
    fn reads_a_datagram_and_leaves_padding_out() {
        let mut frame = udp(b"hello");
        frame.extend([0; 13]);
        let header = header(&frame);
        assert_eq!(header.tuple.source_port, 4000);
        assert_eq!(header.tuple.destination_port, 53);
        assert_eq!(&frame[header.payload()], b"hello");
        assert!(header.dont_fragment && !header.fragment.is_fragment());
    }

    #[test]
    fn a_fragment_has_no_ports() {
        let mut frame = udp(b"hello");
        frame[20] = 0x20;
        fix(&mut frame);
        let header = header(&frame);
        assert!(header.fragment.is_fragment());
        assert_eq!((header.tuple.source_port, header.tuple.destination_port), (0, 0));
        assert_eq!(header.payload().len(), 13);
    }

    #[test]
    fn names_what_is_wrong() {
        let good = udp(b"hello");
        let with = |at: usize, value: u8| {
            let mut frame = good.clone();
            frame[at] = value;
            fix(&mut frame);
            parse(&frame).unwrap_err()
        };
        assert_eq!(parse(&good[..13]).unwrap_err(), Malformed::TruncatedEthernet);
        assert_eq!(parse(&good[..33]).unwrap_err(), Malformed::TruncatedIpv4);
        assert_eq!(with(14, 0x65), Malformed::Version);
        assert_eq!(with(14, 0x44), Malformed::HeaderLength);
        assert_eq!(with(17, 19), Malformed::TotalLength);
        assert_eq!(with(17, 200), Malformed::TotalLength);
        assert_eq!(with(17, 22), Malformed::TruncatedLayer4);
        let mut wrong = good.clone();
        wrong[24] ^= 1;
        assert_eq!(parse(&wrong).unwrap_err(), Malformed::Checksum);
    }

    #[test]
    fn no_prefix_of_a_frame_panics() {
        let good = udp(b"hello");
        for len in 0..good.len() {
            assert!(parse(&good[..len]).is_err());
        }
    }
}
