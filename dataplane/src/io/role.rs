//! The I/O role: the first and the last hop of every packet.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use hummingbird_crds::{
    DropReason,
    tables::{ClassId, NfId, PortId},
};
use hummingbird_gpu::SharedRegion;

use super::{Ingress, ingress};
use crate::{
    forward::{Credit, Forwarder, StationId},
    meta::{NO_CLASS, PacketMeta},
    packet::{BURST, Burst},
    ports::{CaptureError, Sink, Source},
    tables::{LiveTables, Slot},
};

/// How long a device may take nothing before what waits for it is dropped, milliseconds.
const TRANSMIT_PATIENCE_MS: u64 = 100;

/// A port as its I/O role holds it.
pub struct IoPort {
    /// Which port.
    pub id: PortId,
    /// Where packets to send wait.
    pub station: StationId,
    /// Receive side.
    pub source: Source,
    /// Transmit side.
    pub sink: Sink,
}

/// What others may know of an I/O role.
#[derive(Debug, Default)]
pub struct IoState {
    /// Packets that it admitted and that have not left.
    pub in_flight: AtomicU64,
    /// It has seen that nothing more is to be admitted.
    pub quiesced: AtomicBool,
    /// All its captures are through.
    pub exhausted: AtomicBool,
}

/// Receives, admits and classifies; transmits.
pub struct IoRole {
    io: u8,
    ports: Vec<IoPort>,
    /// The port that receives first in this round.
    turn: usize,
    credit: Credit,
    burst: Burst,
    shared: Arc<SharedRegion>,
    state: Arc<IoState>,
    patience: u64,
}

impl IoRole {
    /// The I/O role number `io` over some ports. `shared` is the memory that
    /// every packet must lie in.
    #[must_use]
    pub fn new(
        io: u8,
        ports: Vec<IoPort>,
        credit: Credit,
        shared: Arc<SharedRegion>,
        state: Arc<IoState>,
    ) -> Self {
        let patience = dpdk::tsc_hz() / 1000 * TRANSMIT_PATIENCE_MS;
        Self { io, ports, turn: 0, credit, burst: Burst::new(), shared, state, patience }
    }

    /// One round over all ports; returns how many packets moved.
    ///
    /// # Errors
    /// Where a capture cannot be read or written.
    pub fn poll(&mut self, forwarder: &mut Forwarder, admit: bool) -> Result<usize, CaptureError> {
        let mut moved = 0;
        if admit {
            moved += self.receive(forwarder)?;
        }
        for port in &mut self.ports {
            moved += transmit(port, forwarder, self.patience)?;
        }
        self.state.in_flight.store(self.credit.in_flight(), Ordering::Release);
        self.state.quiesced.store(!admit, Ordering::Release);
        Ok(moved)
    }

    /// Drops, counted, what devices have not taken.
    pub fn abandon(&mut self, forwarder: &mut Forwarder) {
        for port in &mut self.ports {
            port.sink.give_up(u64::MAX, |packet| forwarder.drop(packet, DropReason::Draining));
        }
    }

    /// Writes out what sinks hold back.
    ///
    /// # Errors
    /// Where a capture cannot be written.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        self.ports.iter_mut().try_for_each(|port| port.sink.flush())
    }

    fn receive(&mut self, forwarder: &mut Forwarder) -> Result<usize, CaptureError> {
        let (slot, tables) = forwarder.view.current();
        let mut moved = 0;
        // Every port is first in its turn, so that none takes all the credit.
        self.turn = (self.turn + 1) % self.ports.len();
        for step in 0..self.ports.len() {
            let at = (self.turn + step) % self.ports.len();
            let port = &mut self.ports[at];
            let credit = self.credit.available() as usize;
            let most = if port.source.is_live() { BURST } else { credit.min(BURST) };
            if most == 0 {
                continue;
            }
            let received = port.source.receive(forwarder.now, most, &mut self.burst)?;
            let counters = &forwarder.counters;
            let rx = &counters.rx[port.id.index()];
            rx.packets.add(received.oversize_packets);
            rx.bytes.add(received.oversize_bytes);
            counters.drops[DropReason::FrameTooLong.index()].add(received.oversize_packets);
            moved += received.oversize_packets as usize + self.burst.len();
            self.admit(forwarder, &tables, slot, at, credit);
        }
        let through = self.ports.iter().all(|port| !port.source.is_finite() || port.source.is_exhausted());
        self.state.exhausted.store(through, Ordering::Release);
        Ok(moved)
    }

    /// Sends what came in by the port at index `at` on its way, `credit` packets at most.
    fn admit(
        &mut self,
        forwarder: &mut Forwarder,
        tables: &LiveTables,
        generation: Slot,
        at: usize,
        mut credit: usize,
    ) {
        let port = self.ports[at].id;
        for mut packet in self.burst.drain() {
            let len = packet.len();
            forwarder.counters.rx[port.index()].count(len);
            if !self.shared.contains(packet.data_address() as *const u8, len) {
                forwarder.counters.outside.add(1);
            }
            if credit == 0 {
                forwarder.counters.drops[DropReason::EntryBackpressure.index()].add(1);
                continue;
            }
            credit -= 1;
            self.credit.admit(1);
            forwarder.counters.generations[generation.index()].admitted.add(1);
            *packet.private_mut() = PacketMeta {
                received: forwarder.now,
                entered: forwarder.now,
                scratch: 0,
                key: 0,
                station: StationId(0),
                nf: NfId(0),
                class: ClassId(0),
                origin: NO_CLASS,
                in_port: port,
                out_port: port,
                sa: 0,
                generation,
                io: self.io,
            };
            match ingress(&tables.tables, port, packet.data()) {
                Ingress::Class(class, key) => {
                    let meta = packet.private_mut();
                    meta.key = key;
                    meta.origin = tables.class_slot(class);
                    forwarder.counters.classes[usize::from(meta.origin)].traffic.count(len);
                    forwarder.start(tables, packet, class);
                }
                Ingress::Forward(port) => forwarder.transmit(packet, port),
                Ingress::Drop(reason) => forwarder.drop(packet, reason),
            }
        }
    }
}

/// Sends what waits at a port; returns how many packets left.
fn transmit(port: &mut IoPort, forwarder: &mut Forwarder, patience: u64) -> Result<usize, CaptureError> {
    if forwarder.inbox(port.station).is_empty() && port.sink.is_empty() {
        return Ok(0);
    }
    let mut waiting = std::mem::take(forwarder.inbox(port.station));
    let mut left = 0;
    let now = forwarder.now;
    let result = port.sink.send(&mut waiting, now, |sent| {
        left += 1;
        forwarder.counters.tx[port.id.index()].count(sent.len);
        if let Some(class) = forwarder.counters.classes.get(usize::from(sent.meta.origin)) {
            class.record(forwarder.nanoseconds(now.saturating_sub(sent.meta.received)));
        }
        forwarder.retire(&sent.meta);
    });
    *forwarder.inbox(port.station) = waiting;
    result?;
    port.sink.give_up(now.saturating_sub(patience), |mbuf| forwarder.drop(mbuf, DropReason::TxFailed));
    Ok(left)
}
