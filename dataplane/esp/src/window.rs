//! The replay window (RFC 4303, section 3.4.3 and appendix A).
//!
//! A ring of slots, each an atomic word that holds 16 bits of the bitmap and,
//! above them, the number of the 16-number block that these bits speak for. So
//! a jump to the right clears nothing: a slot of an old block is simply not of
//! the block that is asked for. A commit is one compare-and-swap; there is no
//! lock, and even two cores that commit the same number cannot both succeed.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Numbers that one slot speaks for.
const SLOT: u64 = 16;
/// Bits of a slot that name its block: enough for 2⁵² packets between two
/// visits of one slot.
const BLOCK_BITS: u32 = 48;
/// Packets that a ring can remember at least, so that a live change of the
/// window's size up to here needs no new ring.
const LEAST_CAPACITY: u32 = 4096;

/// Why a sequence number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Seen before.
    Replayed,
    /// Left of the window, or 0, which no sender uses.
    TooOld,
}

/// Which of the last `size` numbers have been seen.
pub(crate) struct Window {
    size: AtomicU32,
    capacity: u32,
    /// The highest number committed.
    top: AtomicU64,
    /// Everything up to here is refused: the mark that a restart found.
    floor: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl Window {
    /// A window of `size` numbers (0: off) behind `top`, all of which count as seen.
    pub(crate) fn new(size: u32, top: u64) -> Self {
        let capacity = size.max(LEAST_CAPACITY);
        // The window may straddle one block more than it fills.
        let slots = (u64::from(capacity) / SLOT + 2).next_power_of_two();
        Self {
            size: AtomicU32::new(size),
            capacity,
            top: AtomicU64::new(top),
            floor: AtomicU64::new(top),
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(crate) fn size(&self) -> u32 {
        self.size.load(Relaxed)
    }

    /// The largest size that [`resize`](Self::resize) takes.
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Another size, at most the capacity. A window that was off has seen
    /// nothing, so what lies behind counts as seen.
    pub(crate) fn resize(&self, size: u32) {
        debug_assert!(size <= self.capacity);
        if self.size.swap(size, Relaxed) == 0 {
            self.floor.fetch_max(self.top(), Relaxed);
        }
    }

    pub(crate) fn top(&self) -> u64 {
        self.top.load(Relaxed)
    }

    /// The 64-bit number that `low` stands for, given the window (appendix
    /// A2.2), or `None` where it would lie outside the number space.
    pub(crate) fn infer(&self, low: u32) -> Option<u64> {
        let top = self.top();
        let (high, top_low) = (top >> 32, top as u32);
        // Without a window the nearest number is as good as any.
        let reach = match self.size() {
            0 => 1 << 31,
            size => size,
        } - 1;
        let bottom = top_low.wrapping_sub(reach);
        let high = if top_low >= reach {
            if low >= bottom { high } else { high + 1 }
        } else if low >= bottom {
            high.checked_sub(1)?
        } else {
            high
        };
        (high <= u64::from(u32::MAX)).then_some(high << 32 | u64::from(low))
    }

    /// Whether `number` could be committed now.
    pub(crate) fn check(&self, number: u64) -> Result<(), Refused> {
        let size = self.size();
        if size == 0 {
            return Ok(());
        }
        self.not_too_old(number, size)?;
        Self::seen(self.slot(number).load(Relaxed), number).map(|_| ())
    }

    /// Marks `number` as seen.
    pub(crate) fn commit(&self, number: u64) -> Result<(), Refused> {
        let size = self.size();
        if size != 0 {
            self.not_too_old(number, size)?;
            let slot = self.slot(number);
            let mut word = slot.load(Relaxed);
            loop {
                let marked = Self::seen(word, number)?;
                match slot.compare_exchange_weak(word, marked, Relaxed, Relaxed) {
                    Ok(_) => break,
                    Err(now) => word = now,
                }
            }
        }
        self.top.fetch_max(number, Relaxed);
        Ok(())
    }

    fn not_too_old(&self, number: u64, size: u32) -> Result<(), Refused> {
        let before_window = self.top().checked_sub(number).is_some_and(|back| back >= u64::from(size));
        if number == 0 || number <= self.floor.load(Relaxed) || before_window {
            return Err(Refused::TooOld);
        }
        Ok(())
    }

    fn slot(&self, number: u64) -> &AtomicU64 {
        &self.slots[(number / SLOT) as usize & (self.slots.len() - 1)]
    }

    /// What the slot's `word` becomes once `number` is seen.
    fn seen(word: u64, number: u64) -> Result<u64, Refused> {
        let bit = 1 << (number % SLOT);
        let block = (number / SLOT) & ((1 << BLOCK_BITS) - 1);
        let (held, bits) = (word >> SLOT, word & ((1 << SLOT) - 1));
        // The distance in 48-bit arithmetic; its top bit set: the slot has
        // gone on to a later block.
        let ahead = block.wrapping_sub(held) << (64 - BLOCK_BITS);
        match ahead {
            0 if bits & bit != 0 => Err(Refused::Replayed),
            0 => Ok(word | bit),
            _ if (ahead as i64) < 0 => Err(Refused::TooOld),
            _ => Ok(block << SLOT | bit),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// RFC 4303's words, and no cleverness.
    #[derive(Default)]
    struct Naive {
        size: u64,
        top: u64,
        floor: u64,
        seen: HashSet<u64>,
    }

    impl Naive {
        fn commit(&mut self, number: u64) -> Result<(), Refused> {
            if number == 0 || number <= self.floor || number + self.size <= self.top {
                return Err(Refused::TooOld);
            }
            if !self.seen.insert(number) {
                return Err(Refused::Replayed);
            }
            self.top = self.top.max(number);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(
            size in prop_oneof![1u32..200, Just(1024), Just(65_536), 1u32..=65_536],
            start in prop_oneof![Just(0u64), 0u64..100_000, Just(u64::from(u32::MAX) - 500), Just(1 << 52)],
            steps in prop::collection::vec(
                prop_oneof![4 => -300i64..300, 1 => -70_000i64..70_000, 1 => 0i64..5_000_000],
                1..400,
            ),
        ) {
            let window = Window::new(size, start);
            let mut naive = Naive { size: size.into(), top: start, floor: start, ..Naive::default() };
            for step in steps {
                let number = window.top().saturating_add_signed(step);
                let wanted = naive.commit(number);
                prop_assert_eq!(window.check(number).err(), wanted.err());
                prop_assert_eq!(window.commit(number), wanted);
                prop_assert_eq!(window.top(), naive.top);
            }
        }

        /// Every number within 2³¹ of the window's top comes back from its low
        /// half where the RFC says so: inside the window or right of it.
        #[test]
        fn infers_what_the_sender_meant(
            size in 1u32..=65_536,
            top in prop_oneof![0u64..1 << 20, (1u64 << 32) - 70_000..(1 << 32) + 70_000, any::<u32>().prop_map(|n| u64::from(n) << 8)],
            ahead in prop_oneof![-65_535i64..70_000, 0i64..1 << 31],
        ) {
            let window = Window::new(size, top);
            let number = top.saturating_add_signed(ahead.max(1 - i64::from(size)));
            prop_assert_eq!(window.infer(number as u32), Some(number));
        }
    }

    #[test]
    fn the_edges_of_the_number_space_are_refused() {
        // Nothing stands before 0 …
        assert_eq!(Window::new(64, 10).infer(u32::MAX), None);
        // … nor after 2⁶⁴ - 1.
        let window = Window::new(64, u64::MAX);
        assert_eq!(window.infer(0), None);
        assert_eq!(window.infer(u32::MAX), Some(u64::MAX));
        assert_eq!(Window::new(64, 0).check(0), Err(Refused::TooOld));
    }

    #[test]
    fn off_means_off() {
        let window = Window::new(0, 0);
        for number in [5, 5, 1, 0, 1 << 40, 5] {
            assert_eq!(window.check(number), Ok(()));
            assert_eq!(window.commit(number), Ok(()));
        }
        assert_eq!(window.top(), 1 << 40);
    }

    #[test]
    fn a_new_size_keeps_what_was_seen() {
        let window = Window::new(64, 0);
        (1..=1000).step_by(2).for_each(|number| window.commit(number).unwrap());
        assert_eq!(window.check(900), Err(Refused::TooOld));
        window.resize(1024);
        assert_eq!(window.check(900), Ok(()));
        assert_eq!(window.check(901), Err(Refused::Replayed));
        window.resize(0);
        assert_eq!(window.check(901), Ok(()));
        window.resize(64);
        assert_eq!(window.check(998), Err(Refused::TooOld), "a window that was off has seen nothing");
        assert_eq!(window.check(1000), Ok(()));
    }

    #[test]
    fn of_two_cores_one_wins_each_number() {
        let window = Window::new(65_536, 0);
        let wins: usize = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (1..=50_000).filter(|number| window.commit(*number).is_ok()).count()))
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(wins, 50_000);
    }
}
