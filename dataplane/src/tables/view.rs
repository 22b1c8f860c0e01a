//! Which generations a core may meet, and how a change reaches it.
//!
//! A change is published in steps, each a new [`View`] that every core takes
//! up between two rounds and acknowledges: first the new generation becomes
//! known, then current, and once its last packet has left the old one is
//! forgotten. So no packet ever carries a stamp that a core does not know, and
//! no core holds what is being freed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;

use super::{LiveTables, Roster};
use crate::forward::Wiring;

/// Generations that may be live at a time.
pub const SLOTS: usize = 8;

/// Where a live generation stands in every core's view; what a packet is stamped with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Slot(pub u8);

impl Slot {
    /// The slot as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What all cores see alike.
#[derive(Clone)]
pub struct View {
    /// Grows by one with every publication.
    pub epoch: u64,
    /// The generation that new packets are classified in.
    pub current: Slot,
    /// The live generations.
    pub tables: [Option<Arc<LiveTables>>; SLOTS],
    /// Where stations are.
    pub wiring: Arc<Wiring>,
    /// The names of counters.
    pub roster: Arc<Roster>,
}

impl View {
    /// The generation that new packets are classified in.
    #[must_use]
    pub fn current(&self) -> &Arc<LiveTables> {
        self.live(self.current)
    }

    /// The generation of a packet's stamp.
    #[must_use]
    pub fn live(&self, slot: Slot) -> &Arc<LiveTables> {
        match &self.tables[slot.index()] {
            Some(tables) => tables,
            None => unreachable!("a packet bears the stamp of a generation that is not live"),
        }
    }
}

/// The one place where views are published and acknowledged.
pub struct Publication {
    epoch: AtomicU64,
    view: ArcSwap<View>,
    /// By core: the epoch of the view that it has taken up.
    taken_up: Box<[AtomicU64]>,
}

impl Publication {
    /// Publishes the first view for `cores` cores, which hold it from the start.
    #[must_use]
    pub fn new(view: View, cores: usize) -> Self {
        let taken_up = (0..cores).map(|_| AtomicU64::new(view.epoch)).collect();
        Self { epoch: AtomicU64::new(view.epoch), view: ArcSwap::from_pointee(view), taken_up }
    }

    /// The newest view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Publishes a view under the next epoch. Only one thread at a time may.
    pub fn publish(&self, view: View) {
        let epoch = self.epoch.load(Ordering::Relaxed) + 1;
        self.view.store(Arc::new(View { epoch, ..view }));
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Whether every core has taken up the newest view.
    #[must_use]
    pub fn is_taken_up(&self) -> bool {
        let epoch = self.epoch.load(Ordering::Acquire);
        self.taken_up.iter().all(|core| core.load(Ordering::Acquire) == epoch)
    }
}

/// A core's view.
pub struct LiveView {
    publication: Arc<Publication>,
    core: usize,
    view: Arc<View>,
}

impl LiveView {
    /// The view of core number `core`.
    #[must_use]
    pub fn new(publication: Arc<Publication>, core: usize) -> Self {
        let view = publication.view();
        Self { publication, core, view }
    }

    /// Whether a newer view waits to be taken up: one load.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.publication.epoch.load(Ordering::Acquire) != self.view.epoch
    }

    /// Takes up the newest view. [`acknowledge`](Self::acknowledge) when all
    /// that hangs on it is done.
    pub fn take_up(&mut self) -> Arc<View> {
        self.view = self.publication.view();
        Arc::clone(&self.view)
    }

    /// Says that this core acts by its view.
    pub fn acknowledge(&self) {
        self.publication.taken_up[self.core].store(self.view.epoch, Ordering::Release);
    }

    /// The generation that new packets are classified in.
    #[must_use]
    pub fn current(&self) -> (Slot, Arc<LiveTables>) {
        (self.view.current, Arc::clone(self.view.current()))
    }

    /// The generation of a packet's stamp.
    #[must_use]
    pub fn get(&self, slot: Slot) -> &Arc<LiveTables> {
        self.view.live(slot)
    }
}

/// The generation of the packet before, kept so that a run of packets of one
/// generation counts one reference, not each.
#[derive(Default)]
pub struct Recent(Option<(Slot, Arc<LiveTables>)>);

impl Recent {
    /// The generation in `slot` of `view`.
    pub fn get(&mut self, view: &LiveView, slot: Slot) -> &Arc<LiveTables> {
        if self.0.as_ref().is_none_or(|(recent, _)| *recent != slot) {
            self.0 = None;
        }
        &self.0.get_or_insert_with(|| (slot, Arc::clone(view.get(slot)))).1
    }
}
