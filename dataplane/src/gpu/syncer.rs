//! The CPUSyncer role (paper, algorithm 2, repaired: see `kernels/README.md`).
//! Each owns a disjoint set of workgroups.

use std::sync::Arc;

use hummingbird_gpu::{LaunchError, Relauncher, RowQueue, SharedRegion};

use super::Served;
use crate::{
    forward::{Forwarder, StationId},
    nf::GpuFunction,
    packet::Packet,
    report::alerts::AlertSender,
    tables::{FUNCTIONS, LiveTables},
};

/// Fills rows for its workgroups and harvests them.
pub struct SyncerRole {
    station: StationId,
    queues: Vec<RowQueue>,
    served: Vec<Served>,
    /// By a function's place in the roster: its index in `served`.
    by_slot: [Option<u8>; FUNCTIONS],
    relauncher: Relauncher,
    region: Arc<SharedRegion>,
    /// Packets that may wait for one function.
    limit: usize,
    /// Longest wait of a packet for its row to fill, TSC ticks.
    patience: u64,
}

impl SyncerRole {
    /// A syncer of `queues`, which serves no function yet.
    #[must_use]
    pub fn new(
        station: StationId,
        queues: Vec<RowQueue>,
        relauncher: Relauncher,
        region: Arc<SharedRegion>,
        limit: usize,
    ) -> Self {
        Self {
            station,
            queues,
            served: Vec::new(),
            by_slot: [None; FUNCTIONS],
            relauncher,
            region,
            limit,
            patience: 0,
        }
    }

    /// Takes over the function at `slot` of the roster; rings are `depth` rows deep.
    pub fn serve(&mut self, slot: usize, function: Box<dyn GpuFunction>, depth: usize) {
        let items = usize::from(self.queues.first().map_or(0, RowQueue::items));
        self.by_slot[slot] = Some(self.served.len() as u8);
        self.served.push(Served::new(slot, function, self.queues.len(), depth, items, self.limit));
    }

    /// Assigns workgroups as `tables`, the current generation, say.
    pub fn repartition(&mut self, tables: &LiveTables) {
        self.patience = dpdk::tsc_hz() / 1_000_000 * u64::from(tables.tables.max_row_delay_us);
        for function in &tables.functions {
            let home = &function.home;
            let Some(served) = self.by_slot[home.slot] else { continue };
            let queues = self.queues.iter().enumerate();
            let mine = queues.filter(|(_, queue)| home.workgroups.contains(&queue.workgroup()));
            let mut mine = mine.map(|(index, _)| index).peekable();
            // A function that moved to another syncer keeps its queues here
            // for the packets that wait already.
            if mine.peek().is_some() {
                self.served[usize::from(served)].assign(mine);
            }
        }
    }

    /// One round; returns how many packets moved.
    ///
    /// # Errors
    /// The persistent launch is over, and the rows that are out with it.
    pub fn poll(
        &mut self,
        forwarder: &mut Forwarder,
        alerts: &mut AlertSender,
    ) -> Result<usize, LaunchError> {
        self.relauncher.turn()?;
        while let Some(packet) = forwarder.inbox(self.station).pop_front() {
            let slot = forwarder.view.get(packet.private().generation).function_slot(packet.private().nf);
            match self.by_slot[slot] {
                Some(served) => self.served[usize::from(served)].push(packet),
                None => unreachable!("a packet was steered to a syncer that does not serve its function"),
            }
        }
        let mut moved = 0;
        for served in &mut self.served {
            moved += served.harvest(&mut self.queues, forwarder, alerts);
            moved += served.fill(&mut self.queues, &self.region, self.patience, forwarder, alerts);
        }
        Ok(moved)
    }

    /// Whether rows are out or packets wait: the role must be polled soon.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.served.iter().any(|served| !served.is_idle())
    }

    /// Everything that it holds, once no kernel runs any more.
    pub fn abandon(&mut self) -> impl Iterator<Item = Packet> + '_ {
        self.served.iter_mut().flat_map(Served::abandon)
    }
}
