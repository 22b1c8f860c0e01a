//! The CPUSyncer role (paper, algorithm 2, repaired: see `kernels/README.md`).
//! Each owns a disjoint set of workgroups.

use std::sync::Arc;

use hummingbird_gpu::{LaunchError, Relauncher, RowQueue, SharedRegion};

use super::Served;
use crate::{
    forward::{Forwarder, StationId},
    packet::Packet,
    report::alerts::AlertSender,
};

/// Fills rows for its workgroups and harvests them.
pub struct SyncerRole {
    station: StationId,
    queues: Vec<RowQueue>,
    /// By function slot; `None` for functions that it does not serve.
    served: Vec<Option<Served>>,
    relauncher: Relauncher,
    region: Arc<SharedRegion>,
    /// Longest wait of a packet for its row to fill, TSC ticks.
    patience: u64,
}

impl SyncerRole {
    /// A syncer of `queues` for the functions in `served`, by function slot.
    #[must_use]
    pub fn new(
        station: StationId,
        queues: Vec<RowQueue>,
        served: Vec<Option<Served>>,
        relauncher: Relauncher,
        region: Arc<SharedRegion>,
        max_row_delay_us: u32,
    ) -> Self {
        let patience = dpdk::tsc_hz() / 1_000_000 * u64::from(max_row_delay_us);
        Self { station, queues, served, relauncher, region, patience }
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
            match &mut self.served[slot] {
                Some(served) => served.push(packet),
                None => unreachable!("a packet was steered to a syncer that does not serve its function"),
            }
        }
        let mut moved = 0;
        for served in self.served.iter_mut().flatten() {
            moved += served.harvest(&mut self.queues, forwarder, alerts);
            moved += served.fill(&mut self.queues, &self.region, self.patience, forwarder, alerts);
        }
        Ok(moved)
    }

    /// Whether rows are out or packets wait: the role must be polled soon.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.served.iter().flatten().any(|served| !served.is_idle())
    }

    /// Everything that it holds, once no kernel runs any more.
    pub fn abandon(&mut self) -> impl Iterator<Item = Packet> + '_ {
        self.served.iter_mut().flatten().flat_map(Served::abandon)
    }
}
