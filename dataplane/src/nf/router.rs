//! The Router: IPv4 longest-prefix match by DIR-24-8 (DPDK's `rte_fib`; the
//! paper's table II), TTL and header checksum, and the next hop's MAC address.
//! CPU only, as in the paper: look-ups are bound by memory, not arithmetic.

use dpdk::{Eal, Fib};
use hummingbird_crds::{
    DropReason,
    tables::{PortId, Route},
};
use hummingbird_packet::{ETHERNET_HEADER, checksum};

use super::{CpuFunction, Env, FunctionData, FunctionError};
use crate::{
    forward::Verdict,
    packet::{BURST, Packet},
};

/// The FIB's answer for an address that no prefix holds.
const NO_ROUTE: u64 = 0;

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct NextHop {
    port: PortId,
    /// Destination and source MAC address of the frame, as they stand in it.
    addresses: [u8; 12],
}

/// A Router's data in one generation.
pub struct RouterData {
    fib: Fib,
    /// By the FIB's answer less 1.
    next_hops: Box<[NextHop]>,
}

impl RouterData {
    /// Builds the FIB. `macs` are the ports' own addresses.
    ///
    /// # Errors
    /// Where DPDK has no memory for it.
    pub fn build(eal: &Eal, routes: &[Route], macs: &[[u8; 6]]) -> Result<Self, dpdk::Error> {
        let mut next_hops = Vec::new();
        let mut indices = std::collections::HashMap::new();
        let mut entries = Vec::with_capacity(routes.len());
        for route in routes {
            let mut addresses = [0; 12];
            addresses[..6].copy_from_slice(&route.next_hop);
            addresses[6..].copy_from_slice(&macs[route.port.index()]);
            let hop = NextHop { port: route.port, addresses };
            let index = *indices.entry(hop).or_insert_with(|| {
                next_hops.push(hop);
                next_hops.len() as u64
            });
            entries.push(dpdk::Route {
                prefix: route.prefix.address().into(),
                depth: route.prefix.len(),
                next_hop: index,
            });
        }
        Ok(Self { fib: Fib::build(eal, entries, NO_ROUTE)?, next_hops: next_hops.into() })
    }
}

impl FunctionData for RouterData {
    fn on_cpu(&self) -> Result<Box<dyn CpuFunction>, FunctionError> {
        Ok(Box::new(Router))
    }
}

/// A Router instance on a CPU core.
pub struct Router;

impl CpuFunction for Router {
    fn process(&mut self, env: &mut Env<'_>, packets: &mut [Packet], verdicts: &mut [Verdict]) {
        let Some(data) = env.data::<RouterData>() else { return };
        let mut destinations = [0; BURST];
        let mut answers = [NO_ROUTE; BURST];
        for (packets, verdicts) in packets.chunks_mut(BURST).zip(verdicts.chunks_mut(BURST)) {
            for (destination, packet) in destinations.iter_mut().zip(packets.iter()) {
                *destination = destination_of(packet.data());
            }
            let count = packets.len();
            data.fib.lookup_bulk(&destinations[..count], &mut answers[..count]);
            for ((packet, verdict), answer) in packets.iter_mut().zip(verdicts).zip(answers) {
                let next_hop = (answer as usize).checked_sub(1).and_then(|index| data.next_hops.get(index));
                *verdict = forward(packet, next_hop);
            }
        }
    }
}

fn destination_of(frame: &[u8]) -> u32 {
    let at = ETHERNET_HEADER + 16;
    frame.get(at..at + 4).map_or(0, |bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Takes one from the TTL and addresses the frame to the next hop.
fn forward(packet: &mut Packet, next_hop: Option<&NextHop>) -> Verdict {
    let Some(next_hop) = next_hop else { return Verdict::Drop(DropReason::NoRoute) };
    let frame = packet.data_mut();
    let Some(header) = frame.get_mut(ETHERNET_HEADER..ETHERNET_HEADER + 20) else {
        return Verdict::Drop(DropReason::TruncatedIpv4);
    };
    if header[8] <= 1 {
        return Verdict::Drop(DropReason::TtlExpired);
    }
    let old = u16::from_be_bytes([header[8], header[9]]);
    header[8] -= 1;
    let new = u16::from_be_bytes([header[8], header[9]]);
    let sum = checksum::update(u16::from_be_bytes([header[10], header[11]]), old, new);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    frame[..12].copy_from_slice(&next_hop.addresses);
    packet.private_mut().out_port = next_hop.port;
    Verdict::Pass
}
