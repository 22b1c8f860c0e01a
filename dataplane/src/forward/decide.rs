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
