//! One GPU function as a CPUSyncer serves it: packets waiting, the row that is
//! being filled, and the rows that are out.

use std::collections::VecDeque;

use hummingbird_crds::{DropReason, tables::NfId};
use hummingbird_gpu::{RowBuilder, RowNumber, RowQueue, SharedRegion};
use hummingbird_kernels::layout::Descriptor;

use crate::{
    forward::{Forwarder, Verdict},
    nf::{Env, GpuFunction},
    packet::Packet,
    report::{CoreCounters, alerts::AlertSender},
    tables::{LiveTables, Recent},
};

/// A row on its way: which of the syncer's queues it went to, and what is in it.
struct Row {
    queue: usize,
    number: RowNumber,
    packets: Vec<Packet>,
}

/// A function's state on one CPUSyncer.
pub struct Served {
    /// Its place among the process's counters.
    slot: usize,
    function: Box<dyn GpuFunction>,
    /// Indices of the syncer's queues that serve the function.
    queues: Vec<usize>,
    /// Which of them gets the next row.
    turn: usize,
    waiting: VecDeque<Packet>,
    /// The queue whose row is being filled.
    filling: Option<usize>,
    filled: Vec<Packet>,
    /// TSC when the first packet went into that row.
    since: u64,
    /// Published rows in the order of publication. Only the head is harvested,
    /// which keeps flows and SAs in order over any number of workgroups.
    rows: VecDeque<Row>,
    /// Emptied row lists, to be used again.
    spare: Vec<Vec<Packet>>,
}

impl Served {
    /// The function at `slot`, which may get any of the syncer's `queues`, each
    /// of `depth` rows of `items` packets; `limit` packets may wait.
    #[must_use]
    pub fn new(
        slot: usize,
        function: Box<dyn GpuFunction>,
        queues: usize,
        depth: usize,
        items: usize,
        limit: usize,
    ) -> Self {
        let rows = queues * depth;
        Self {
            slot,
            function,
            queues: Vec::with_capacity(queues),
            turn: 0,
            waiting: VecDeque::with_capacity(limit),
            filling: None,
            filled: Vec::with_capacity(items),
            since: 0,
            rows: VecDeque::with_capacity(rows),
            spare: (0..=rows).map(|_| Vec::with_capacity(items)).collect(),
        }
    }

    /// From now on the queues at `queues` serve the function; rows that are
    /// out or being filled stay where they are.
    pub fn assign(&mut self, queues: impl Iterator<Item = usize>) {
        self.queues.clear();
        self.queues.extend(queues);
    }

    /// Takes a packet in.
    pub fn push(&mut self, packet: Packet) {
        self.waiting.push_back(packet);
    }

    /// Passes finished rows on, from the head; returns how many packets.
    pub fn harvest(
        &mut self,
        queues: &mut [RowQueue],
        forwarder: &mut Forwarder,
        alerts: &mut AlertSender,
    ) -> usize {
        let mut harvested = 0;
        let mut recent = Recent::default();
        while let Some(head) = self.rows.front()
            && let Some(finished) = queues[head.queue].finished(head.number)
        {
            let Some(mut row) = self.rows.pop_front() else { break };
            forwarder.now = dpdk::tsc();
            for (mut packet, outcome) in row.packets.drain(..).zip(finished.outcomes()) {
                let meta = *packet.private();
                let tables = recent.get(&forwarder.view, meta.generation);
                let mut env = Env { tables, nf: meta.nf, alerts };
                let verdict = self.function.finish(&mut env, &mut packet, &outcome);
                forwarder.pass_on(tables, packet, meta.nf, verdict);
                harvested += 1;
            }
            finished.release();
            forwarder.counters.functions[self.slot].rows_harvested.add(1);
            self.spare.push(row.packets);
        }
        harvested
    }

    /// Moves waiting packets into rows and publishes rows that are full or
    /// have waited for `patience` ticks; returns how many packets moved.
    pub fn fill(
        &mut self,
        queues: &mut [RowQueue],
        region: &SharedRegion,
        patience: u64,
        forwarder: &mut Forwarder,
        alerts: &mut AlertSender,
    ) -> usize {
        let before = self.waiting.len();
        while !self.waiting.is_empty() {
            let Some(queue) = self.open_row(queues, forwarder.now) else { break };
            self.fill_row(&mut queues[queue], region, forwarder, alerts);
            if queues[queue].resume().is_some_and(|row| row.is_full()) {
                self.publish(queue, queues, &forwarder.counters);
            }
        }
        match self.filling {
            // Every packet for it was dropped: an open row would keep the
            // queue from other functions.
            Some(queue) if self.filled.is_empty() => {
                queues[queue].resume().into_iter().for_each(RowBuilder::abandon);
                self.filling = None;
            }
            Some(queue) if forwarder.now.saturating_sub(self.since) >= patience => {
                self.publish(queue, queues, &forwarder.counters);
            }
            _ => {}
        }
        before - self.waiting.len()
    }

    /// The queue whose row takes the next packet, begun if need be; `None`
    /// while every queue is full.
    fn open_row(&mut self, queues: &mut [RowQueue], now: u64) -> Option<usize> {
        if self.filling.is_none() {
            let count = self.queues.len();
            let free = (0..count)
                .map(|step| (self.turn + step) % count)
                .find(|index| queues[self.queues[*index]].has_room())?;
            self.turn = (free + 1) % count;
            let queue = self.queues[free];
            queues[queue].begin(self.function.kernel())?;
            self.filling = Some(queue);
            self.since = now;
        }
        self.filling
    }

    fn fill_row(
        &mut self,
        queue: &mut RowQueue,
        region: &SharedRegion,
        forwarder: &mut Forwarder,
        alerts: &mut AlertSender,
    ) {
        let Some(mut row) = queue.resume() else { return };
        let mut recent = Recent::default();
        while !row.is_full()
            && let Some(mut packet) = self.waiting.pop_front()
        {
            let meta = *packet.private();
            let tables = recent.get(&forwarder.view, meta.generation);
            let mut env = Env { tables, nf: meta.nf, alerts };
            match self.function.prepare(&mut env, &mut packet) {
                Ok(work) => {
                    let address = packet.data_address() + work.start;
                    let Some(data) = region.offset_of(address as *const u8) else {
                        forwarder.counters.outside.add(1);
                        refuse(forwarder, tables, packet, meta.nf, Verdict::Drop(DropReason::NoHeadroom));
                        continue;
                    };
                    let descriptor =
                        Descriptor { table: work.table, data, len: work.len, ..Descriptor::default() };
                    row.push(descriptor, work.side);
                    self.filled.push(packet);
                }
                Err(reason) => refuse(forwarder, tables, packet, meta.nf, Verdict::Drop(reason)),
            }
        }
    }

    fn publish(&mut self, queue: usize, queues: &mut [RowQueue], counters: &CoreCounters) {
        let Some(row) = queues[queue].resume() else { return };
        counters.functions[self.slot].rows_published.add(1);
        let number = row.publish();
        let empty = self.spare.pop().unwrap_or_default();
        let packets = std::mem::replace(&mut self.filled, empty);
        self.rows.push_back(Row { queue, number, packets });
        self.filling = None;
    }

    /// Whether nothing waits, is being filled or is out.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.filled.is_empty() && self.rows.is_empty()
    }

    /// Everything that it holds, once no kernel runs any more.
    pub fn abandon(&mut self) -> impl Iterator<Item = Packet> + '_ {
        let rows = self.rows.drain(..).flat_map(|row| row.packets);
        rows.chain(self.filled.drain(..)).chain(self.waiting.drain(..))
    }
}

#[cold]
fn refuse(forwarder: &mut Forwarder, tables: &LiveTables, packet: Packet, nf: NfId, verdict: Verdict) {
    forwarder.pass_on(tables, packet, nf, verdict);
}
