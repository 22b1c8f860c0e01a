//! One core's half of the forwarding module.

use std::{collections::VecDeque, sync::Arc};

use hummingbird_crds::{
    DropReason,
    tables::{ClassId, Hop, NfId, PortId},
};

use hummingbird_packet::ETHERNET_HEADER;

use super::{
    CoreId, Decision, StationId, Verdict, decide,
    ring::{CoreRings, Lane},
};
use crate::{
    meta::PacketMeta,
    packet::Packet,
    report::CoreCounters,
    tables::{LiveTables, LiveView, View},
};

/// Which core each station lives on. Stations are added, never moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// By station.
    pub stations: Vec<CoreId>,
    /// The transmit station of each port.
    pub ports: Vec<StationId>,
}

/// Sends packets on from one core.
pub struct Forwarder {
    core: CoreId,
    wiring: Arc<Wiring>,
    rings: CoreRings,
    inboxes: Vec<VecDeque<Packet>>,
    capacity: usize,
    /// The generations that this core may meet.
    pub view: LiveView,
    /// This core's counters.
    pub counters: Arc<CoreCounters>,
    /// TSC of this loop iteration.
    pub now: u64,
    nanoseconds_per_tick: f64,
}

impl Forwarder {
    /// A forwarder whose inboxes hold `capacity` packets each.
    #[must_use]
    pub fn new(
        core: CoreId,
        rings: CoreRings,
        mut view: LiveView,
        counters: Arc<CoreCounters>,
        capacity: usize,
    ) -> Self {
        let wiring = Arc::clone(&view.take_up().wiring);
        let nanoseconds_per_tick = 1e9 / dpdk::tsc_hz() as f64;
        let mut forwarder = Self {
            core,
            wiring: Arc::clone(&wiring),
            rings,
            inboxes: Vec::new(),
            capacity,
            view,
            counters,
            now: dpdk::tsc(),
            nanoseconds_per_tick,
        };
        forwarder.settle(wiring);
        forwarder
    }

    /// Takes up the newest view. The caller acknowledges it.
    pub fn take_up(&mut self) -> Arc<View> {
        let view = self.view.take_up();
        self.settle(Arc::clone(&view.wiring));
        view
    }

    /// Makes inboxes for stations that are new.
    fn settle(&mut self, wiring: Arc<Wiring>) {
        for home in &wiring.stations[self.inboxes.len()..] {
            let capacity = if *home == self.core { self.capacity } else { 0 };
            self.inboxes.push(VecDeque::with_capacity(capacity));
        }
        self.wiring = wiring;
    }

    /// Takes in what other cores sent; returns how many packets that were.
    pub fn receive(&mut self) -> usize {
        let mut received = 0;
        for arrival in &mut self.rings.arrivals {
            let Ok(chunk) = arrival.read_chunk(arrival.slots()) else { continue };
            received += chunk.len();
            for mbuf in chunk {
                let station = mbuf.private().station;
                self.inboxes[station.index()].push_back(mbuf);
            }
        }
        received
    }

    /// The packets that wait at a station of this core.
    pub fn inbox(&mut self, station: StationId) -> &mut VecDeque<Packet> {
        &mut self.inboxes[station.index()]
    }

    /// Hands everything staged to the other cores.
    pub fn flush(&mut self) {
        self.rings.lanes.iter_mut().flatten().for_each(Lane::flush);
    }

    /// Sends a just classified packet to its first function.
    pub fn start(&mut self, tables: &LiveTables, mut packet: Packet, class: ClassId) {
        packet.private_mut().class = class;
        self.route(tables, packet, Hop::Rx, Verdict::Pass);
    }

    /// Sends a packet on from function `nf`, which said `verdict`.
    pub fn pass_on(&mut self, tables: &LiveTables, packet: Packet, nf: NfId, verdict: Verdict) {
        let passage = &self.counters.functions[tables.function_slot(nf)];
        let entered = packet.private().entered;
        passage.record(self.nanoseconds(self.now.saturating_sub(entered)));
        if let Verdict::Drop(reason) = verdict {
            passage.drops[reason.index()].add(1);
        }
        self.route(tables, packet, Hop::Nf(nf), verdict);
    }

    fn route(&mut self, tables: &LiveTables, mut packet: Packet, hop: Hop, verdict: Verdict) {
        let meta = packet.private_mut();
        match decide(&tables.tables, meta.class, hop, verdict, meta.in_port, meta.out_port) {
            Decision::Function(class, nf) => {
                meta.class = class;
                meta.nf = nf;
                meta.entered = self.now;
                match tables.steer(nf, &mut packet) {
                    Ok(station) => {
                        let len = packet.len();
                        self.counters.functions[tables.function_slot(nf)].traffic.count(len);
                        self.send(packet, station);
                    }
                    Err(reason) => self.drop(packet, reason),
                }
            }
            Decision::Transmit(port) => {
                if ipv4_len(packet.data()) > tables.tables.ports[port.index()].mtu {
                    self.drop(packet, DropReason::MtuExceeded);
                } else {
                    self.transmit(packet, port);
                }
            }
            Decision::Drop(reason) => self.drop(packet, reason),
        }
    }

    /// Sends a packet to a port's transmit side.
    pub fn transmit(&mut self, packet: Packet, port: PortId) {
        let station = self.wiring.ports[port.index()];
        self.send(packet, station);
    }

    fn send(&mut self, mut packet: Packet, station: StationId) {
        packet.private_mut().station = station;
        let core = self.wiring.stations[station.index()];
        if core == self.core {
            self.inboxes[station.index()].push_back(packet);
        } else if let Some(lane) = self.rings.lane(core) {
            lane.push(packet);
        }
    }

    /// Drops an admitted packet, counted.
    pub fn drop(&mut self, packet: Packet, reason: DropReason) {
        let meta = packet.private();
        self.counters.drops[reason.index()].add(1);
        if let Some(class) = self.counters.classes.get(usize::from(meta.origin)) {
            class.drops[reason.index()].add(1);
        }
        self.retire(meta);
    }

    /// Settles the account of a packet that leaves the chain.
    pub fn retire(&self, meta: &PacketMeta) {
        self.counters.retired[usize::from(meta.io)].add(1);
        self.counters.generations[meta.generation.index()].retired.add(1);
    }

    /// Drops, counted, what waits at this core's stations.
    pub fn abandon(&mut self) {
        for station in 0..self.inboxes.len() {
            while let Some(packet) = self.inboxes[station].pop_front() {
                self.drop(packet, DropReason::Draining);
            }
        }
    }

    /// TSC ticks as nanoseconds.
    #[must_use]
    pub fn nanoseconds(&self, ticks: u64) -> u64 {
        (ticks as f64 * self.nanoseconds_per_tick) as u64
    }
}

/// The total length of the IPv4 packet that a frame holds.
fn ipv4_len(frame: &[u8]) -> u16 {
    let at = ETHERNET_HEADER + 2;
    frame.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}
