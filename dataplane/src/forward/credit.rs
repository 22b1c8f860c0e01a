//! Admission by credit.

use std::sync::Arc;

use crate::report::CoreCounters;

/// Where an I/O role reads how many of its packets have left the chain.
pub trait Retirements {
    /// Packets that have left, on all cores; may be seen late.
    fn total(&self) -> u64;
}

/// What the cores count as retired for one I/O role.
pub struct CoreRetirements {
    io: usize,
    cores: Arc<[Arc<CoreCounters>]>,
}

impl Retirements for CoreRetirements {
    fn total(&self) -> u64 {
        self.cores.iter().map(|core| core.retired[self.io].get()).sum()
    }
}

/// How many packets one I/O role may still admit.
///
/// What it admitted less what all cores retired for it is in flight. Retired
/// counts may be seen late, so the credit errs on the low side only. Generic
/// over the counters: `tests/hand_off.rs` runs this very code under loom.
pub struct Credit<R = CoreRetirements> {
    limit: u64,
    admitted: u64,
    retirements: R,
}

impl Credit {
    /// Credit of I/O role `io` for `limit` packets in flight.
    #[must_use]
    pub fn new(io: usize, limit: u64, cores: Arc<[Arc<CoreCounters>]>) -> Self {
        Self::over(CoreRetirements { io, cores }, limit)
    }
}

impl<R: Retirements> Credit<R> {
    /// Credit for `limit` packets in flight by what `retirements` counts.
    #[must_use]
    pub fn over(retirements: R, limit: u64) -> Self {
        Self { limit, admitted: 0, retirements }
    }

    /// Packets that may be admitted now.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.limit.saturating_sub(self.in_flight())
    }

    /// Packets admitted and not yet retired, or a little more.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.admitted - self.retirements.total()
    }

    /// Takes credit for `packets`.
    pub fn admit(&mut self, packets: u64) {
        self.admitted += packets;
    }
}
