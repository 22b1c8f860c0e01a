//! A packet rate, kept by the TSC.

/// Lets packets through at a steady rate.
pub struct Pacer {
    ticks_per_packet: f64,
    started: Option<u64>,
    released: u64,
}

impl Pacer {
    /// A pacer of `rate` packets per second.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        Self { ticks_per_packet: dpdk::tsc_hz() as f64 / rate as f64, started: None, released: 0 }
    }

    /// How many packets are due at TSC `now`, `most` at most, and counts them as released.
    pub fn take(&mut self, now: u64, most: usize) -> usize {
        let started = *self.started.get_or_insert(now);
        let due = (now.saturating_sub(started) as f64 / self.ticks_per_packet) as u64 + 1;
        let packets = due.saturating_sub(self.released).min(most as u64);
        self.released += packets;
        packets as usize
    }
}
