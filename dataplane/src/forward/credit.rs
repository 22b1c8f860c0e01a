//! Admission by credit.

use std::sync::Arc;

use crate::report::CoreCounters;

/// How many packets one I/O role may still admit.
///
/// What it admitted less what all cores retired for it is in flight. Retired
/// counts may be seen late, so the credit errs on the low side only.
pub struct Credit {
    io: usize,
    limit: u64,
    admitted: u64,
    cores: Arc<[Arc<CoreCounters>]>,
}

impl Credit {
    /// Credit of I/O role `io` for `limit` packets in flight.
    #[must_use]
    pub fn new(io: usize, limit: u64, cores: Arc<[Arc<CoreCounters>]>) -> Self {
        Self { io, limit, admitted: 0, cores }
    }

    /// Packets that may be admitted now.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.limit.saturating_sub(self.in_flight())
    }

    /// Packets admitted and not yet retired, or a little more.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let retired: u64 = self.cores.iter().map(|core| core.retired[self.io].get()).sum();
        self.admitted - retired
    }

    /// Takes credit for `packets`.
    pub fn admit(&mut self, packets: u64) {
        self.admitted += packets;
    }
}
