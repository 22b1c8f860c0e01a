//! CNF cores: a role for each instance of a CPU function (the paper's CNFs).

use std::sync::Arc;

use crate::{
    forward::{Forwarder, StationId, Verdict},
    meta::PacketMeta,
    nf::{CpuFunction, Env},
    packet::{BURST, Packet},
    report::alerts::AlertSender,
};

/// One instance of a CPU function.
pub struct CnfRole {
    station: StationId,
    function: Box<dyn CpuFunction>,
    packets: Vec<Packet>,
    verdicts: [Verdict; BURST],
}

impl CnfRole {
    /// A role that serves `station`.
    #[must_use]
    pub fn new(station: StationId, function: Box<dyn CpuFunction>) -> Self {
        Self { station, function, packets: Vec::with_capacity(BURST), verdicts: [Verdict::Pass; BURST] }
    }

    /// Processes one burst; returns how many packets that was.
    pub fn poll(&mut self, forwarder: &mut Forwarder, alerts: &mut AlertSender) -> usize {
        let inbox = forwarder.inbox(self.station);
        let Some(first) = inbox.front() else { return 0 };
        let PacketMeta { generation, nf, .. } = *first.private();
        let same = |packet: &Packet| {
            let meta = packet.private();
            meta.generation == generation && meta.nf == nf
        };
        let count = inbox.iter().take(BURST).take_while(|packet| same(packet)).count();
        self.packets.extend(inbox.drain(..count));
        let tables = Arc::clone(forwarder.view.get(generation));
        let verdicts = &mut self.verdicts[..count];
        let mut env = Env { tables: &tables, nf, alerts };
        self.function.process(&mut env, &mut self.packets, verdicts);
        forwarder.now = dpdk::tsc();
        for (packet, verdict) in self.packets.drain(..).zip(verdicts.iter()) {
            forwarder.pass_on(&tables, packet, nf, *verdict);
        }
        count
    }
}
