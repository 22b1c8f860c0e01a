//! Which generations a core may meet.

use std::sync::Arc;

use super::LiveTables;

/// Where a live generation stands in every core's view; what a packet is stamped with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Slot(pub u8);

/// A core's view of the live generations.
#[derive(Clone)]
pub struct LiveView {
    current: Arc<LiveTables>,
}

impl LiveView {
    /// A view of one generation.
    #[must_use]
    pub fn new(current: Arc<LiveTables>) -> Self {
        Self { current }
    }

    /// The generation that new packets are classified in.
    #[must_use]
    pub fn current(&self) -> (Slot, Arc<LiveTables>) {
        (Slot(0), Arc::clone(&self.current))
    }

    /// The generation of a packet's stamp.
    #[must_use]
    pub fn get(&self, _slot: Slot) -> Arc<LiveTables> {
        Arc::clone(&self.current)
    }
}
