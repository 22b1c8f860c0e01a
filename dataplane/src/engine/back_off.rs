//! What a core does while there is nothing to do: pause, then yield, then
//! sleep. A yield on a CPU that others want, too, can cost a whole time slice
//! of theirs, while a thread that wakes from a short sleep runs at once. So a
//! yield that came back late makes the core sleep instead for a while.

use std::{thread, time::Duration};

/// Empty rounds after which a core lets others run instead of pausing.
const SHARE_AFTER: u32 = 16;
/// Empty rounds after which a core that waits for nothing sleeps long.
const SLEEP_AFTER: u32 = 1024;
/// The long sleep.
const LONG: Duration = Duration::from_micros(50);
/// The short sleep, on a CPU that others want.
const SHORT: Duration = Duration::from_micros(10);
/// A yield that takes longer has cost a time slice, microseconds.
const LATE_US: u64 = 500;
/// How long the CPU then counts as shared, microseconds.
const SHARED_US: u64 = 1_000_000;

/// A core's patience.
#[derive(Default)]
pub struct BackOff {
    /// Rounds without a packet.
    idle: u32,
    /// TSC until which the CPU counts as shared.
    shared_until: u64,
}

/// What to do in a round without packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Pause,
    Yield,
    Short,
    Long,
}

fn rest(idle: u32, busy: bool, shared: bool) -> Rest {
    match idle {
        ..SHARE_AFTER => Rest::Pause,
        SLEEP_AFTER.. if !busy => Rest::Long,
        _ if shared => Rest::Short,
        _ => Rest::Yield,
    }
}

impl BackOff {
    /// A packet came.
    pub fn reset(&mut self) {
        self.idle = 0;
    }

    /// Whether the next rest is the first long one: the time for what is
    /// better done while nothing happens.
    #[must_use]
    pub fn falls_asleep(&self) -> bool {
        self.idle == SLEEP_AFTER
    }

    /// Rests after a round without packets; `busy` where rows are out.
    pub fn rest(&mut self, busy: bool) {
        let start = dpdk::tsc();
        match rest(self.idle, busy, start < self.shared_until) {
            Rest::Pause => dpdk::pause(),
            Rest::Short => thread::sleep(SHORT),
            Rest::Long => thread::sleep(LONG),
            Rest::Yield => {
                thread::yield_now();
                let per_us = dpdk::tsc_hz() / 1_000_000;
                let end = dpdk::tsc();
                if end.saturating_sub(start) > LATE_US * per_us {
                    self.shared_until = end + SHARED_US * per_us;
                }
            }
        }
        self.idle = self.idle.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_then_shares_then_sleeps() {
        assert_eq!(rest(0, false, false), Rest::Pause);
        assert_eq!(rest(SHARE_AFTER, false, false), Rest::Yield);
        assert_eq!(rest(SHARE_AFTER, false, true), Rest::Short);
        assert_eq!(rest(SLEEP_AFTER, false, false), Rest::Long);
        assert_eq!(rest(SLEEP_AFTER, true, false), Rest::Yield, "rows are out: back soon");
        assert_eq!(rest(SLEEP_AFTER, true, true), Rest::Short);
    }
}
