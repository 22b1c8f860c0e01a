//! What happens to a frame before any NF sees it: one pure function.

use hummingbird_crds::{
    DropReason,
    tables::{ClassId, NonIpv4, PortId, Tables, has_ports},
};
use hummingbird_packet::{Frame, Protocol, parse};

use crate::forward::opposite;

/// What becomes of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// Into a class, steered by a key.
    Class(ClassId, u32),
    /// Unchanged out of that port (`nonIPv4: Forward`).
    Forward(PortId),
    /// Dropped.
    Drop(DropReason),
}

/// Parses, checks and classifies a frame that came in by `port`.
#[must_use]
pub fn ingress(tables: &Tables, port: PortId, frame: &[u8]) -> Ingress {
    if frame.len() > tables.ports[port.index()].max_frame() {
        return Ingress::Drop(DropReason::FrameTooLong);
    }
    match parse(frame) {
        Err(malformed) => Ingress::Drop(malformed.into()),
        Ok(Frame::Other(_)) => match tables.non_ipv4 {
            NonIpv4::Drop => Ingress::Drop(DropReason::NonIpv4),
            NonIpv4::Forward => Ingress::Forward(opposite(port, tables.ports.len())),
        },
        Ok(Frame::Ipv4(header)) => {
            let has_ports = has_ports(&header);
            match tables.classifier.classify(port, &header.tuple, has_ports) {
                None => Ingress::Drop(DropReason::Unclassified),
                Some(class) if header.tuple.protocol == Protocol::ESP && !header.fragment.is_fragment() => {
                    Ingress::Class(class, spi_key(header.spi))
                }
                Some(class) => Ingress::Class(class, header.tuple.steering_key()),
            }
        }
    }
}

/// The steering key of everything under one SPI.
#[must_use]
pub fn spi_key(spi: u32) -> u32 {
    // Knuth's multiplicative hash, its high half: cores are chosen by a remainder.
    ((u64::from(spi).wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 32) as u32
}
