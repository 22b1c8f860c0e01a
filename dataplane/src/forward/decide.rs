//! The route decider (paper, section IV-A2): one pure function.

use hummingbird_crds::{
    DropReason,
    tables::{ClassId, Egress, Hop, Next, PortId, Tables},
};

/// What an NF says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// A rule matched: a transition may apply.
    Match,
    /// Drop.
    Drop(DropReason),
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To that function, on the path of that class.
    Function(ClassId, hummingbird_crds::tables::NfId),
    /// Out of that port.
    Transmit(PortId),
    /// Out of the chain.
    Drop(DropReason),
}

/// Where a packet of `class` goes after `hop` said `verdict`. `routed` is the
/// port that a Router chose, `in_port` the one that the packet came in by.
#[must_use]
pub fn decide(
    tables: &Tables,
    class: ClassId,
    hop: Hop,
    verdict: Verdict,
    in_port: PortId,
    routed: PortId,
) -> Decision {
    let (class, hop) = match (verdict, hop) {
        (Verdict::Drop(reason), _) => return Decision::Drop(reason),
        (Verdict::Match, Hop::Nf(nf)) => {
            tables.route_table.transition(nf).map_or((class, hop), |class| (class, Hop::Rx))
        }
        _ => (class, hop),
    };
    match tables.route_table.next(class, hop) {
        Next::Nf(nf) => Decision::Function(class, nf),
        Next::Tx => Decision::Transmit(match tables.classes[class.index()].egress {
            Egress::Router => routed,
            Egress::Port(port) => port,
            Egress::Opposite => opposite(in_port, tables.ports.len()),
        }),
    }
}

/// The other port of two; the same of one.
#[must_use]
pub fn opposite(port: PortId, ports: usize) -> PortId {
    if ports == 2 { PortId(1 - port.0) } else { port }
}

#[cfg(test)]
mod tests {
    use hummingbird_crds::tables::{Compute, NfId, RouteTable};

    use super::*;
    use crate::testing;

    const CPU: Compute = Compute::Cpu { cores: 1 };
    const LAN: PortId = PortId(0);
    const WAN: PortId = PortId(1);

    /// Classes: 0 through functions 2, 0, 1 and a Router's port; 1 through 1 out
    /// of port 0; 2 with an empty path. A match in function 0 moves to class 1.
    fn tables() -> Tables {
        let classes: [(&[u16], Egress); 3] =
            [(&[2, 0, 1], Egress::Router), (&[1], Egress::Port(LAN)), (&[], Egress::Opposite)];
        let mut tables = testing::tables(2, &[CPU; 3], &classes);
        let paths: Vec<_> = tables.classes.iter().map(|class| class.path.clone()).collect();
        let paths: Vec<&[NfId]> = paths.iter().map(Vec::as_slice).collect();
        tables.route_table = RouteTable::new(3, &paths, &[(NfId(0), ClassId(1))]);
        tables
    }

    fn after(class: u16, hop: Hop, verdict: Verdict) -> Decision {
        decide(&tables(), ClassId(class), hop, verdict, LAN, WAN)
    }

    #[test]
    fn a_packet_walks_its_path_in_the_paths_order() {
        let mut hop = Hop::Rx;
        for nf in [2, 0, 1] {
            assert_eq!(after(0, hop, Verdict::Pass), Decision::Function(ClassId(0), NfId(nf)));
            hop = Hop::Nf(NfId(nf));
        }
        assert_eq!(after(0, hop, Verdict::Pass), Decision::Transmit(WAN), "the Router's port");
        assert_eq!(after(1, hop, Verdict::Pass), Decision::Transmit(LAN), "the class's port");
        assert_eq!(after(2, Hop::Rx, Verdict::Pass), Decision::Transmit(WAN), "the other port of two");
    }

    #[test]
    fn a_match_moves_to_the_start_of_the_transitions_class() {
        let moved = after(0, Hop::Nf(NfId(0)), Verdict::Match);
        assert_eq!(moved, Decision::Function(ClassId(1), NfId(1)));
        let here = after(0, Hop::Nf(NfId(2)), Verdict::Match);
        assert_eq!(here, Decision::Function(ClassId(0), NfId(0)), "without a transition it goes on");
    }

    #[test]
    fn a_drop_is_a_drop_wherever_it_is_said() {
        let reason = DropReason::NoRoute;
        for hop in [Hop::Rx, Hop::Nf(NfId(0)), Hop::Nf(NfId(1))] {
            assert_eq!(after(0, hop, Verdict::Drop(reason)), Decision::Drop(reason));
        }
    }

    #[test]
    fn the_other_port_is_there_only_where_there_are_two() {
        assert_eq!((opposite(LAN, 2), opposite(WAN, 2)), (WAN, LAN));
        assert_eq!((opposite(LAN, 1), opposite(PortId(2), 3)), (LAN, PortId(2)));
    }
}
