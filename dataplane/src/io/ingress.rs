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

#[cfg(test)]
mod tests {
    use hummingbird_crds::tables::{Egress, Match, PortRange};

    use super::*;
    use crate::testing::{self, frame};

    const LAN: PortId = PortId(0);
    const UDP: u8 = 17;
    const ESP: u8 = 50;
    const MORE: u16 = 0x2000;

    fn tables() -> Tables {
        testing::tables(2, &[], &[(&[], Egress::Opposite), (&[], Egress::Opposite)])
    }

    /// The key of a frame that is in class 0.
    fn key(frame: &[u8]) -> u32 {
        match ingress(&tables(), LAN, frame) {
            Ingress::Class(ClassId(0), key) => key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_malformed_frame_has_its_reason() {
        let good = frame(UDP, 0, 1, &[0; 8]);
        let with = |at: usize, byte: u8| {
            let mut frame = good.clone();
            frame[at] = byte;
            frame
        };
        let cases = [
            (vec![], DropReason::TruncatedEthernet),
            (good[..13].to_vec(), DropReason::TruncatedEthernet),
            (good[..33].to_vec(), DropReason::TruncatedIpv4),
            (with(14, 0x4f), DropReason::TruncatedIpv4),
            (with(14, 0x65), DropReason::BadIpVersion),
            (with(14, 0x44), DropReason::BadIpHeaderLength),
            (with(17, 19), DropReason::BadIpTotalLength),
            (with(17, 29), DropReason::BadIpTotalLength),
            (good[..40].to_vec(), DropReason::BadIpTotalLength),
            (with(24, good[24] ^ 1), DropReason::BadIpChecksum),
            (with(22, 63), DropReason::BadIpChecksum),
            (frame(UDP, 0, 1, &[0; 3]), DropReason::TruncatedL4),
            (frame(ESP, 0, 1, &[0; 3]), DropReason::TruncatedL4),
        ];
        for (frame, reason) in cases {
            assert_eq!(ingress(&tables(), LAN, &frame), Ingress::Drop(reason), "{frame:?}");
        }
        assert!(matches!(ingress(&tables(), LAN, &good), Ingress::Class(ClassId(0), _)));
    }

    #[test]
    fn what_is_no_ipv4_follows_the_policy() {
        let mut tables = tables();
        let arp = [&[2; 12][..], &[0x08, 0x06], &[0; 28]].concat();
        let vlan = [&[2; 12][..], &[0x81, 0x00], &[0; 1504]].concat();
        assert_eq!(ingress(&tables, LAN, &arp), Ingress::Drop(DropReason::NonIpv4));
        tables.non_ipv4 = NonIpv4::Forward;
        assert_eq!(ingress(&tables, LAN, &arp), Ingress::Forward(PortId(1)));
        assert_eq!(ingress(&tables, PortId(1), &vlan), Ingress::Forward(LAN), "a tag does not count");
        let long = [&vlan[..], &[0]].concat();
        assert_eq!(ingress(&tables, LAN, &long), Ingress::Drop(DropReason::FrameTooLong));
    }

    #[test]
    fn the_mtu_of_the_port_that_it_came_in_by_counts() {
        let mut tables = tables();
        tables.ports[1].mtu = 9000;
        let jumbo = frame(UDP, 0, 1, &[0; 5000]);
        assert_eq!(ingress(&tables, LAN, &jumbo), Ingress::Drop(DropReason::FrameTooLong));
        assert!(matches!(ingress(&tables, PortId(1), &jumbo), Ingress::Class(..)));
        assert!(matches!(ingress(&tables, LAN, &frame(UDP, 0, 1, &[0; 1480])), Ingress::Class(..)));
    }

    #[test]
    fn a_flow_has_one_key_and_flows_have_many() {
        let udp = |source, port: u8, rest: u8| frame(UDP, 0, source, &[0, port, 0, 53, rest, rest, 0, 0]);
        assert_eq!(key(&udp(1, 7, 0)), key(&udp(1, 7, 9)), "what is not the flow does not count");
        let padded = [udp(1, 7, 0), vec![0; 18]].concat();
        assert_eq!(key(&udp(1, 7, 0)), key(&padded));
        let keys: std::collections::HashSet<_> =
            (0..64).flat_map(|source| (0..64).map(move |port| key(&udp(source, port, 0)) % 4096)).collect();
        assert!(keys.len() > 2000, "{} of 4096 flows fall apart", keys.len());
    }

    #[test]
    fn fragments_of_a_datagram_stay_together_the_first_included() {
        let first = frame(UDP, MORE, 1, &[0, 7, 0, 53, 0, 0, 0, 0]);
        let middle = frame(UDP, MORE | 1, 1, &[1; 8]);
        let last = frame(UDP, 2, 1, &[2; 5]);
        assert_eq!(key(&first), key(&middle));
        assert_eq!(key(&first), key(&last));
        assert_ne!(key(&first), key(&frame(UDP, MORE, 2, &[0; 8])), "the source counts");
        assert_ne!(key(&first), key(&frame(6, MORE, 1, &[0; 8])), "the protocol counts");
    }

    #[test]
    fn esp_is_steered_by_its_spi_and_a_fragment_of_it_by_addresses() {
        let esp = |spi: u8, flags, source| frame(ESP, flags, source, &[0, 0, 1, spi, 0, 0, 0, 1]);
        assert_eq!(key(&esp(0, 0, 1)), spi_key(256));
        assert_eq!(key(&esp(0, 0, 1)), key(&esp(0, 0, 2)));
        assert_ne!(key(&esp(0, 0, 1)), key(&esp(1, 0, 1)));
        assert_eq!(key(&esp(0, MORE, 1)), key(&esp(1, MORE, 1)));
    }

    #[test]
    fn rules_are_asked_in_order_and_ports_only_of_whole_packets() {
        let mut tables = tables();
        let dns = PortRange { first: 53, last: 53 };
        let condition = Match { destination_ports: Some(dns), ..Match::default() };
        tables.classifier.rules = vec![(condition, ClassId(1))];
        let body = [0, 7, 0, 53, 0, 0, 0, 0];
        let class = |frame: &[u8]| match ingress(&tables, LAN, frame) {
            Ingress::Class(class, _) => class,
            other => panic!("{other:?}"),
        };
        assert_eq!(class(&frame(UDP, 0, 1, &body)), ClassId(1));
        assert_eq!(class(&frame(UDP, MORE, 1, &body)), ClassId(0), "a fragment has no ports");
        assert_eq!(class(&frame(1, 0, 1, &body)), ClassId(0), "ICMP has no ports");
        let mut nobody = tables.clone();
        nobody.classifier.default = None;
        let refused = ingress(&nobody, LAN, &frame(UDP, MORE, 1, &body));
        assert_eq!(refused, Ingress::Drop(DropReason::Unclassified));
    }
}
