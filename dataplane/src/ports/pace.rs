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
        Self::by(rate, dpdk::tsc_hz())
    }

    /// A pacer by a clock of `hz` ticks a second.
    fn by(rate: u64, hz: u64) -> Self {
        Self { ticks_per_packet: hz as f64 / rate as f64, started: None, released: 0 }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks of a 2.1 GHz clock.
    const SECOND: u64 = 2_100_000_000;

    #[test]
    fn a_second_holds_as_many_packets_as_the_rate_says() {
        for rate in [1, 7, 1000, 1_000_000, 40_000_000] {
            let mut pacer = Pacer::by(rate, SECOND);
            // The first look starts the clock, wherever the TSC stands.
            let start = u64::MAX / 2;
            let mut sent = pacer.take(start, usize::MAX) as u64;
            assert_eq!(sent, 1);
            for step in 1..=1000 {
                sent += pacer.take(start + SECOND / 1000 * step, usize::MAX) as u64;
            }
            assert!(sent.abs_diff(rate + 1) <= 1 + rate / 1000, "{sent} of {rate}");
        }
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        let mut pacer = Pacer::by(1, SECOND);
        assert_eq!(pacer.take(1000, 32), 1);
        assert_eq!(pacer.take(1000 + SECOND / 2, 32), 0);
        assert_eq!(pacer.take(500, 32), 0, "a clock that steps back releases nothing");
        assert_eq!(pacer.take(1000 + SECOND + 1, 32), 1);
    }

    #[test]
    fn what_one_look_cannot_take_is_due_at_the_next() {
        let mut pacer = Pacer::by(1000, SECOND);
        let later = SECOND / 10;
        assert_eq!(pacer.take(0, 32), 1);
        let sent: usize = (0..4).map(|_| pacer.take(later, 32)).sum();
        assert!((99..=101).contains(&sent), "{sent}");
        assert_eq!(pacer.take(later, 32), 0);
    }
}
