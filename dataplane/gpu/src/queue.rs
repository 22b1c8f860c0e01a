//! One workgroup's queue of rows, as its CPUSyncer fills and harvests it.

use crate::{
    geometry::WorkgroupId,
    protocol::{Ring, RowNumber},
    rows::RowMemory,
};
use hummingbird_kernels::layout::{
    Descriptor, KernelId, Outcome, RowHeader, Side, descriptor_offset, outcome_offset, side_offset,
};
use std::{mem::offset_of, ptr::NonNull, sync::Arc};

/// The queue of rows of one workgroup. It has exactly one owner, the thread
/// that publishes and harvests there.
///
/// No method allocates, locks or waits.
#[derive(Debug)]
pub struct RowQueue {
    memory: Arc<RowMemory>,
    workgroup: WorkgroupId,
    ring: Ring,
    /// First byte of the ring in shared memory.
    base: NonNull<u8>,
    row_bytes: usize,
    items: u16,
    /// Per slot: the real packets of the row that was last written there.
    counts: Box<[u16]>,
    /// The row that is being filled.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    kernel: KernelId,
    count: u16,
}

// SAFETY: `base` points into `memory`, which is Send + Sync and kept alive by
// the Arc. The ring's slots are written by the queue's one owner only.
unsafe impl Send for RowQueue {}

impl RowQueue {
    pub(crate) fn new(memory: Arc<RowMemory>, workgroup: WorkgroupId, ring: Ring) -> Self {
        let geometry = memory.geometry();
        Self {
            base: memory.ring(workgroup),
            workgroup,
            ring,
            row_bytes: geometry.row_bytes(),
            items: geometry.items(),
            counts: vec![0; usize::from(geometry.depth())].into(),
            open: None,
            memory,
        }
    }

    /// The workgroup that the rows go to.
    #[must_use]
    pub const fn workgroup(&self) -> WorkgroupId {
        self.workgroup
    }

    /// Packets that fit into a row.
    #[must_use]
    pub const fn items(&self) -> u16 {
        self.items
    }

    /// Whether a row can be begun: a slot is free, and no row is being filled.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.open.is_none() && self.ring.has_room()
    }

    /// Rows published and not yet released.
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        self.ring.outstanding()
    }

    /// Begins a row for `kernel`; `None` without [room](Self::has_room).
    /// The row stays open when the builder goes out of scope: go on with
    /// [`resume`](Self::resume).
    pub fn begin(&mut self, kernel: KernelId) -> Option<RowBuilder<'_>> {
        if !self.has_room() {
            return None;
        }
        self.open = Some(Open { kernel, count: 0 });
        self.resume()
    }

    /// The row that is being filled, if there is one.
    pub fn resume(&mut self) -> Option<RowBuilder<'_>> {
        let open = self.open?;
        let slot = self.ring.slot(self.ring.next());
        Some(RowBuilder { row: self.row(slot), slot, open, queue: self })
    }

    /// Rows that the group has finished, counted from the oldest that is not
    /// released. They may include rows that were released before older ones.
    pub fn done(&mut self) -> u32 {
        self.ring.finished(&self.memory.words(self.workgroup))
    }

    /// `row`, if the group has finished it and it is not released yet.
    pub fn finished(&mut self, row: RowNumber) -> Option<FinishedRow<'_>> {
        if !self.ring.is_finished(row, &self.memory.words(self.workgroup)) {
            return None;
        }
        let slot = self.ring.slot(row);
        Some(FinishedRow { number: row, row: self.row(slot), count: self.counts[slot], queue: self })
    }

    fn row(&self, slot: usize) -> Row {
        // SAFETY: a slot is below the ring's depth, and the ring that starts
        // at `base` holds that many rows.
        Row { base: unsafe { self.base.add(slot * self.row_bytes) }, items: self.items }
    }
}

/// A row that is being filled, in shared memory itself. Until it is published
/// the group does not look at it.
#[derive(Debug)]
pub struct RowBuilder<'q> {
    queue: &'q mut RowQueue,
    row: Row,
    slot: usize,
    open: Open,
}

impl RowBuilder<'_> {
    /// The kernel that the row is for.
    #[must_use]
    pub const fn kernel(&self) -> KernelId {
        self.open.kernel
    }

    /// Packets in the row.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.open.count
    }

    /// Whether no further packet fits.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.open.count == self.queue.items
    }

    /// Adds a packet and returns its work item; `None` if the row is full.
    /// The descriptor's flag is set here.
    ///
    /// Kernels do not check what they are told to touch, and neither does this:
    /// `data` and `len` must lie in packet memory, with what the kernel writes
    /// behind them, and `table` must be the [offset](crate::TableRef::offset) of a
    /// live table of the kernel's kind.
    pub fn push(&mut self, descriptor: Descriptor, side: Side) -> Option<u16> {
        if self.is_full() {
            return None;
        }
        let item = self.open.count;
        // SAFETY: `item` is below the row's items; the slot is free, so no
        // one else reaches it before it is published.
        unsafe {
            self.row.descriptor(item).write(Descriptor { flag: 1, ..descriptor });
            self.row.side(item).write(side);
        }
        self.open.count += 1;
        self.queue.open = Some(self.open);
        Some(item)
    }

    /// Fills the rest with dummies and hands the row to its group. If the
    /// group has left, the next [turn](crate::Relauncher::turn) of any thread
    /// starts it again.
    pub fn publish(self) -> RowNumber {
        let Open { kernel, count } = self.open;
        let queue = self.queue;
        // A slot's descriptors are dummies from the start and from its last
        // row's count on: only that row's surplus has to be cleared.
        let before = std::mem::replace(&mut queue.counts[self.slot], count);
        // SAFETY: as in `push`; `before` was the count of a row.
        unsafe {
            for item in count..before {
                let flag = self.row.descriptor(item).cast::<u8>().add(offset_of!(Descriptor, flag));
                flag.cast::<u32>().write(0);
            }
            self.row.header().write(RowHeader::new(kernel, u32::from(count)));
        }
        queue.open = None;
        queue.ring.publish(&queue.memory.words(queue.workgroup), queue.memory.wake())
    }

    /// Gives the row up unpublished.
    pub fn abandon(self) {
        // What was written of it may exceed the slot's last count.
        let count = &mut self.queue.counts[self.slot];
        *count = (*count).max(self.open.count);
        self.queue.open = None;
    }
}

/// A row that the group has finished.
#[derive(Debug)]
pub struct FinishedRow<'q> {
    queue: &'q mut RowQueue,
    number: RowNumber,
    row: Row,
    count: u16,
}

impl FinishedRow<'_> {
    /// The row's number.
    #[must_use]
    pub const fn number(&self) -> RowNumber {
        self.number
    }

    /// Real packets in the row.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// What the kernel says about a packet; `None` for a dummy.
    #[must_use]
    pub fn outcome(&self, item: u16) -> Option<Outcome> {
        // SAFETY: `item` is below the count, so below the row's items; the
        // group has finished the row, its results were acquired with
        // `finished`, and it does not write the slot again before its next row.
        (item < self.count).then(|| unsafe { self.row.outcome(item).read() })
    }

    /// The outcomes of the row's packets, in order of work items.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> + '_ {
        (0..self.count).filter_map(|item| self.outcome(item))
    }

    /// Gives the row up. Rows may be released in any order; a slot is free for
    /// a new row when all rows before it are released too.
    pub fn release(self) {
        self.queue.ring.release(self.number);
    }
}

/// Addresses inside one row.
#[derive(Clone, Copy, Debug)]
struct Row {
    base: NonNull<u8>,
    items: u16,
}

impl Row {
    fn header(self) -> *mut RowHeader {
        self.base.as_ptr().cast()
    }

    /// # Safety
    /// `item` must be below the row's items; likewise for the two below.
    unsafe fn descriptor(self, item: u16) -> *mut Descriptor {
        // SAFETY: the layout puts it inside the row.
        unsafe { self.base.as_ptr().add(descriptor_offset(item.into())).cast() }
    }

    unsafe fn side(self, item: u16) -> *mut Side {
        // SAFETY: as above.
        unsafe { self.base.as_ptr().add(side_offset(self.items.into(), item.into())).cast() }
    }

    unsafe fn outcome(self, item: u16) -> *const Outcome {
        // SAFETY: as above.
        unsafe { self.base.as_ptr().add(outcome_offset(self.items.into(), item.into())).cast() }
    }
}
