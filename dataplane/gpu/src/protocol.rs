//! The index logic of the row protocol, and nothing else.
//!
//! Two counters a workgroup, both of which only grow and wrap at 2³²: rows
//! *published* (the paper's CpuIndex, written by one CPUSyncer) and rows
//! *finished* (GpuIndex, written by work item 0 of the group). Row `n` lives in
//! slot `n mod depth`. The paper's Algorithms 1 and 2 deadlock as printed, both
//! indices being 0; here the counters are equal when the ring is empty and a
//! ring's depth apart when it is full.
//!
//! A row is handed over by a release store of *published*, and back by a
//! release store of *finished*.
//!
//! **Idle lease.** A group that found nothing for a while leaves, so that an
//! idle GPU costs no core. Group and CPUSyncer settle by Dekker's handshake
//! whether the last row was seen:
//!
//! ```text
//! CPUSyncer                     workgroup
//! published = n + 1             left = 1
//! full fence                    full fence
//! if left: ring the wake bell   if published != last: left = 0, go on
//! ```
//!
//! At least one of the two sees the other's store, so a row is either processed
//! by the group or rings the bell. Whoever answers the bell waits for the
//! launch to end, [rearms](rearm) and launches again.
//!
//! The logic is generic over the atomics: `tests/model.rs` runs this very code,
//! with a workgroup beside it, under loom, through every interleaving and
//! reordering that the memory model allows.

use std::sync::atomic::{AtomicU32, Ordering, fence};

/// Number of a row of one workgroup; wraps at 2³².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowNumber(pub u32);

/// The number of the first row after start. Not 0, so that every run of the
/// program soon crosses the wrap instead of meeting it after weeks.
pub const FIRST_ROW: RowNumber = RowNumber(0u32.wrapping_sub(1000));

/// A shared 32-bit atomic word.
pub trait Word {
    /// An atomic load.
    fn load(&self, order: Ordering) -> u32;
    /// An atomic store.
    fn store(&self, value: u32, order: Ordering);
    /// A sequentially consistent fence.
    fn full_fence();
}

impl Word for AtomicU32 {
    fn load(&self, order: Ordering) -> u32 {
        AtomicU32::load(self, order)
    }

    fn store(&self, value: u32, order: Ordering) {
        AtomicU32::store(self, value, order);
    }

    fn full_fence() {
        fence(Ordering::SeqCst);
    }
}

/// The shared words of one workgroup.
#[derive(Debug)]
pub struct GroupWords<'a, W> {
    /// Rows published; the CPUSyncer's to write.
    pub published: &'a W,
    /// Rows finished; the group's to write.
    pub finished: &'a W,
    /// 1: the group has left by itself.
    pub left: &'a W,
}

/// The CPU's side of one workgroup's ring: private counters of the one thread
/// that publishes and harvests there.
#[derive(Debug)]
pub struct Ring {
    depth: u32,
    published: u32,
    /// As last read from the group: never ahead of the truth.
    finished: u32,
    released: u32,
    /// Per slot: released before a row in front of it was.
    released_early: Box<[bool]>,
}

impl Ring {
    /// A ring of `depth` rows (a power of two) that is empty at `first`.
    #[must_use]
    pub fn new(depth: u16, first: RowNumber) -> Self {
        let RowNumber(first) = first;
        Self {
            depth: u32::from(depth),
            published: first,
            finished: first,
            released: first,
            released_early: vec![false; usize::from(depth)].into(),
        }
    }

    /// Whether a slot is free for one more row. A slot is free once its last
    /// row and all rows before that are released.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outstanding() < self.depth
    }

    /// Rows published and not yet released.
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        self.published.wrapping_sub(self.released)
    }

    /// The row that [`publish`](Self::publish) would publish next.
    #[must_use]
    pub fn next(&self) -> RowNumber {
        RowNumber(self.published)
    }

    /// Where a row lives.
    #[must_use]
    pub fn slot(&self, row: RowNumber) -> usize {
        (row.0 & (self.depth - 1)) as usize
    }

    /// Hands the next row, already written, to the group, and rings `wake` if
    /// the group has left. The caller has checked [`has_room`](Self::has_room).
    pub fn publish<W: Word>(&mut self, words: &GroupWords<'_, W>, wake: &W) -> RowNumber {
        debug_assert!(self.has_room());
        let row = self.next();
        self.published = self.published.wrapping_add(1);
        words.published.store(self.published, Ordering::Release);
        W::full_fence();
        if words.left.load(Ordering::Relaxed) != 0 {
            wake.store(1, Ordering::Release);
        }
        row
    }

    /// Rows from the oldest unreleased on that the group has finished.
    pub fn finished<W: Word>(&mut self, words: &GroupWords<'_, W>) -> u32 {
        self.finished = words.finished.load(Ordering::Acquire);
        self.finished.wrapping_sub(self.released)
    }

    /// Whether `row` is published, finished and not yet released. Reads the
    /// shared word only if what is known does not answer it.
    pub fn is_finished<W: Word>(&mut self, row: RowNumber, words: &GroupWords<'_, W>) -> bool {
        let place = row.0.wrapping_sub(self.released);
        if place >= self.outstanding() || self.released_early[self.slot(row)] {
            return false;
        }
        place < self.finished.wrapping_sub(self.released) || place < self.finished(words)
    }

    /// Gives a finished row up. Its slot is reused once all rows before it are
    /// released too. The caller has checked [`is_finished`](Self::is_finished).
    pub fn release(&mut self, row: RowNumber) {
        let slot = self.slot(row);
        self.released_early[slot] = true;
        while self.outstanding() > 0 {
            let oldest = self.slot(RowNumber(self.released));
            if !std::mem::take(&mut self.released_early[oldest]) {
                break;
            }
            self.released = self.released.wrapping_add(1);
        }
    }
}

/// What whoever answers the bell does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, for now.
    Nothing,
    /// Tell all groups of the running launch to leave. A group that left alone
    /// cannot be brought back while another stays: a launch ends as a whole.
    TellToLeave,
    /// [Rearm](rearm), then launch.
    Relaunch,
}

/// The next step: `leaving` after [`Step::TellToLeave`] until the relaunch,
/// `running` until the launch has ended, `wake` while the bell rings.
#[must_use]
pub const fn next_step(leaving: bool, running: bool, wake: bool) -> Step {
    match (leaving, running) {
        (true, true) => Step::Nothing,
        (true, false) => Step::Relaunch,
        (false, _) if !wake => Step::Nothing,
        (false, true) => Step::TellToLeave,
        (false, false) => Step::Relaunch,
    }
}

/// Makes ready for the next launch after the last one has ended: nobody has
/// left, nobody is told to leave, the bell is silent.
///
/// A CPUSyncer may publish meanwhile. Either its row is in memory before the
/// launch that follows looks, or it still saw `left` and rings the bell once
/// more, which costs one launch too many and loses nothing.
pub fn rearm<'a, W: Word + 'a>(wake: &W, leave: &W, left: impl Iterator<Item = &'a W>) {
    wake.store(0, Ordering::Relaxed);
    leave.store(0, Ordering::Relaxed);
    for group in left {
        group.store(0, Ordering::Relaxed);
    }
    W::full_fence();
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Words {
        published: AtomicU32,
        finished: AtomicU32,
        left: AtomicU32,
        wake: AtomicU32,
    }

    impl Words {
        fn new(first: RowNumber) -> Self {
            Self { published: first.0.into(), finished: first.0.into(), left: 0.into(), wake: 0.into() }
        }

        fn group(&self) -> GroupWords<'_, AtomicU32> {
            GroupWords { published: &self.published, finished: &self.finished, left: &self.left }
        }
    }

    #[test]
    fn a_ring_fills_up_drains_and_wraps() {
        let first = RowNumber(u32::MAX - 2);
        let (words, mut ring) = (Words::new(first), Ring::new(4, first));
        for _ in 0..4 {
            assert!(ring.has_room());
            ring.publish(&words.group(), &words.wake);
        }
        assert!(!ring.has_room());
        assert_eq!(words.published.load(Ordering::Relaxed), 1);
        assert_eq!(ring.finished(&words.group()), 0);
        words.finished.store(0, Ordering::Relaxed);
        assert_eq!(ring.finished(&words.group()), 3);
        assert!(ring.is_finished(RowNumber(u32::MAX), &words.group()));
        assert!(!ring.is_finished(RowNumber(0), &words.group()));
        assert!(!ring.is_finished(RowNumber(1), &words.group()), "not published");
        assert!(!ring.is_finished(RowNumber(first.0 - 1), &words.group()), "before the first");
        assert_eq!(words.wake.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn rows_released_out_of_order_free_their_slots_in_order() {
        let first = RowNumber(u32::MAX);
        let (words, mut ring) = (Words::new(first), Ring::new(2, first));
        let a = ring.publish(&words.group(), &words.wake);
        let b = ring.publish(&words.group(), &words.wake);
        words.finished.store(1, Ordering::Relaxed);
        assert!(ring.is_finished(b, &words.group()));
        ring.release(b);
        assert!(!ring.has_room(), "the row in front still holds its slot");
        assert!(!ring.is_finished(b, &words.group()), "released once");
        assert!(ring.is_finished(a, &words.group()));
        ring.release(a);
        assert_eq!(ring.outstanding(), 0);
        let c = ring.publish(&words.group(), &words.wake);
        assert!(!ring.is_finished(c, &words.group()), "the slot's last release does not count");
    }

    #[test]
    fn a_row_for_a_group_that_left_rings_the_bell() {
        let (words, mut ring) = (Words::new(FIRST_ROW), Ring::new(2, FIRST_ROW));
        words.left.store(1, Ordering::Relaxed);
        ring.publish(&words.group(), &words.wake);
        assert_eq!(words.wake.load(Ordering::Relaxed), 1);
        let leave = AtomicU32::new(1);
        rearm(&words.wake, &leave, [&words.left].into_iter());
        assert_eq!([&words.wake, &leave, &words.left].map(|w| w.load(Ordering::Relaxed)), [0; 3]);
    }
}
