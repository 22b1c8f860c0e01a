//! A first-fit allocator of byte ranges. It owns no memory.

use std::collections::BTreeMap;

/// Ranges start at multiples of this, so that a table's lines are its own.
pub const ALIGNMENT: u32 = 512;

const _: () = assert!((ALIGNMENT as usize).is_multiple_of(hummingbird_kernels::layout::TABLE_ALIGN));

/// Free ranges of an arena. Neighbours are always merged.
#[derive(Debug)]
pub struct Arena {
    total: u32,
    /// Start of a free range, to its length.
    free: BTreeMap<u32, u32>,
}

impl Arena {
    /// An arena of `total` bytes, rounded down to the alignment, all free.
    #[must_use]
    pub fn new(total: u32) -> Self {
        let total = total - total % ALIGNMENT;
        let free = if total > 0 { BTreeMap::from([(0, total)]) } else { BTreeMap::new() };
        Self { total, free }
    }

    /// Bytes in all.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// Bytes free, in however many pieces.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.free.values().sum()
    }

    /// Bytes of the largest free piece.
    #[must_use]
    pub fn largest(&self) -> u32 {
        self.free.values().copied().max().unwrap_or(0)
    }

    /// Takes `len` bytes (at least one), rounded up to the alignment, from the
    /// first free range that holds them; `None` if none does.
    pub fn take(&mut self, len: usize) -> Option<u32> {
        let len = rounded(len)?;
        let (&start, &room) = self.free.iter().find(|&(_, &room)| room >= len)?;
        self.free.remove(&start);
        if room > len {
            self.free.insert(start + len, room - len);
        }
        Some(start)
    }

    /// Gives back what [`take`](Self::take) of `len` bytes returned.
    pub fn give_back(&mut self, mut start: u32, len: usize) {
        let Some(mut len) = rounded(len) else { return };
        if let Some(next) = self.free.remove(&(start + len)) {
            len += next;
        }
        if let Some((&before, &room)) = self.free.range(..start).next_back()
            && before + room == start
        {
            start = before;
            len += room;
        }
        self.free.insert(start, len);
    }
}

fn rounded(len: usize) -> Option<u32> {
    u32::try_from(len.max(1)).ok()?.checked_next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_the_first_range_that_fits() {
        let mut arena = Arena::new(4 * 512 + 511);
        assert_eq!(arena.total(), 2048);
        assert_eq!([arena.take(1), arena.take(513), arena.take(512)], [Some(0), Some(512), Some(1536)]);
        assert_eq!(arena.take(1), None);
        arena.give_back(0, 1);
        arena.give_back(1536, 512);
        assert_eq!((arena.free(), arena.largest()), (1024, 512));
        assert_eq!(arena.take(513), None, "free, but in two pieces");
        arena.give_back(512, 513);
        assert_eq!((arena.free(), arena.largest()), (2048, 2048));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let mut arena = Arena::new(u32::MAX);
        assert_eq!(arena.take(usize::MAX), None);
        assert_eq!(arena.take(u32::MAX as usize), None);
        assert_eq!(Arena::new(511).take(0), None);
    }

    proptest! {
        /// Against a model that knows which 512-byte cells are taken: ranges
        /// never overlap, first fit is found whenever a fit exists, and all
        /// merges back into one range.
        #[test]
        fn agrees_with_a_cell_map(steps in prop::collection::vec((any::<bool>(), 0usize..6000, any::<prop::sample::Index>()), 1..200)) {
            const CELLS: usize = 64;
            let mut arena = Arena::new(CELLS as u32 * ALIGNMENT);
            let mut cells = [false; CELLS];
            let mut live: Vec<(u32, usize)> = Vec::new();
            for (take, len, which) in steps {
                if take || live.is_empty() {
                    let need = len.max(1).div_ceil(ALIGNMENT as usize);
                    let fit = cells.windows(need).position(|window| window.iter().all(|taken| !taken));
                    let got = arena.take(len);
                    prop_assert_eq!(got, fit.map(|cell| cell as u32 * ALIGNMENT));
                    if let (Some(start), Some(cell)) = (got, fit) {
                        cells[cell..cell + need].fill(true);
                        live.push((start, len));
                    }
                } else {
                    let (start, len) = live.swap_remove(which.index(live.len()));
                    arena.give_back(start, len);
                    let cell = (start / ALIGNMENT) as usize;
                    cells[cell..cell + len.max(1).div_ceil(ALIGNMENT as usize)].fill(false);
                }
                prop_assert_eq!(arena.free() as usize, cells.iter().filter(|taken| !**taken).count() * ALIGNMENT as usize);
            }
            for (start, len) in live.drain(..) {
                arena.give_back(start, len);
            }
            prop_assert_eq!(arena.largest(), arena.total());
        }
    }
}
