//! The line between numbers that disk accounts for and those that it does not.

use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    thread::Thread,
};

/// How far an SA's numbers are safe to use: every number up to the mark counts
/// as used after a restart, so a number may be used once it lies below a
/// *durable* mark. The hot path compares two atomics; when three quarters of
/// what was reserved are left it asks for more, and the keeper's thread moves
/// the mark once the disk has it.
pub(crate) struct Mark {
    durable: AtomicU64,
    /// From this number on, more is asked for.
    low: AtomicU64,
    /// The highest number that asked since the mark last moved; 0 is none.
    asked: AtomicU64,
    keeper: Option<Thread>,
}

impl Mark {
    /// No mark: nothing outlives the process.
    pub(crate) fn volatile() -> Self {
        let all = || AtomicU64::new(u64::MAX);
        Self { durable: all(), low: all(), asked: AtomicU64::new(0), keeper: None }
    }

    /// A mark that the disk has, `reserved` numbers before it being fresh.
    pub(crate) fn durable(mark: u64, reserved: u64, keeper: Thread) -> Self {
        Self {
            durable: AtomicU64::new(mark),
            low: AtomicU64::new(low(mark, reserved)),
            asked: AtomicU64::new(0),
            keeper: Some(keeper),
        }
    }

    /// Whether `number` may be used; if not, more is asked for.
    pub(crate) fn covers(&self, number: u64) -> bool {
        let covered = number <= self.durable.load(Acquire);
        if !covered && self.asked.load(Relaxed) < number {
            self.ask(number);
        }
        covered
    }

    /// Tells that `number` was used, so that more is asked for in time.
    pub(crate) fn used(&self, number: u64) {
        if number >= self.low.load(Relaxed) && self.asked.load(Relaxed) == 0 {
            self.ask(number);
        }
    }

    #[cold]
    fn ask(&self, number: u64) {
        if self.asked.fetch_max(number, AcqRel) < number
            && let Some(keeper) = &self.keeper
        {
            keeper.unpark();
        }
    }

    /// Keeper: the highest number that asked and is not yet answered.
    pub(crate) fn asked(&self) -> Option<u64> {
        Some(self.asked.load(Acquire)).filter(|asked| *asked != 0)
    }

    /// Keeper: the disk has `mark` now, `reserved` numbers beyond what is used.
    /// Whoever asked for a number up to it is answered; a number beyond, asked
    /// for meanwhile, stays.
    pub(crate) fn moved(&self, mark: u64, reserved: u64) {
        self.low.store(low(mark, reserved), Relaxed);
        self.durable.store(mark, Release);
        let asked = self.asked.load(Acquire);
        if asked <= mark {
            // An exchange that fails met a higher number: the next round's.
            let _ = self.asked.compare_exchange(asked, 0, AcqRel, Relaxed);
        }
    }
}

/// Asking with three quarters left gives the disk that much time.
const fn low(mark: u64, reserved: u64) -> u64 {
    mark - reserved / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_once_in_time_and_never_lets_go_beyond() {
        let mark = Mark::durable(100, 100, std::thread::current());
        (1..25).for_each(|number| {
            assert!(mark.covers(number));
            mark.used(number);
        });
        assert_eq!(mark.asked(), None);
        mark.used(25);
        mark.used(26);
        assert_eq!(mark.asked(), Some(25));
        assert!(mark.covers(100) && !mark.covers(101));
        assert_eq!(mark.asked(), Some(101));
        mark.moved(201, 100);
        assert_eq!(mark.asked(), None);
        assert!(mark.covers(201) && !mark.covers(202));
    }

    #[test]
    fn at_the_end_of_the_space_nobody_asks_for_ever() {
        let mark = Mark::durable(100, 100, std::thread::current());
        (1..=100).for_each(|number| mark.used(number));
        assert!(mark.asked().is_some());
        mark.moved(100, 0);
        assert_eq!(mark.asked(), None, "there is no more to be had");
    }

    #[test]
    fn a_question_beyond_the_answer_stays() {
        let mark = Mark::durable(10, 10, std::thread::current());
        mark.used(9);
        assert!(!mark.covers(50));
        mark.moved(19, 10);
        assert_eq!(mark.asked(), Some(50));
    }

    #[test]
    fn volatile_covers_everything_and_asks_nobody() {
        let mark = Mark::volatile();
        assert!(mark.covers(u64::MAX));
        mark.used(u64::MAX - 1);
        assert_eq!(mark.asked(), None);
    }
}
