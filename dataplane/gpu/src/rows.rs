//! The memory of the row protocol: control blocks, the launch word, the rows.

use crate::{
    geometry::{Geometry, WorkgroupId},
    protocol::{FIRST_ROW, GroupWords, Ring, rearm},
    queue::RowQueue,
    region::SharedRegion,
};
use hummingbird_kernels::layout::{Control, LINE, LaunchControl, row_offset};
use std::{
    mem::offset_of,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};
use thiserror::Error;

/// Control blocks, launch word and rows of one accelerator, laid out as
/// [`hummingbird_kernels::layout`] says, and the wake bell of the idle lease.
#[derive(Debug)]
pub struct RowMemory {
    geometry: Geometry,
    control: SharedRegion,
    launch: SharedRegion,
    rows: SharedRegion,
    /// Non-zero: a row waits for a group that has left, or all is over.
    wake: AtomicU32,
    queues_taken: AtomicBool,
}

/// A region given to [`RowMemory::new`] does not fit the geometry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{what} memory has {len} bytes at {address:#x}; it needs {needed}, aligned to {LINE}")]
pub struct BadRowRegion {
    /// `control`, `launch` or `row`.
    pub what: &'static str,
    /// Bytes the region has.
    pub len: usize,
    /// Where it lies.
    pub address: usize,
    /// Bytes it needs.
    pub needed: usize,
}

impl RowMemory {
    /// Takes three zeroed regions that CPU and device both reach.
    ///
    /// # Errors
    /// [`BadRowRegion`] for a region that is too small or not aligned.
    pub fn new(
        geometry: Geometry,
        control: SharedRegion,
        launch: SharedRegion,
        rows: SharedRegion,
    ) -> Result<Self, BadRowRegion> {
        for (what, region, needed) in [
            ("control", &control, geometry.control_bytes()),
            ("launch", &launch, size_of::<LaunchControl>()),
            ("row", &rows, geometry.rows_bytes()),
        ] {
            let (len, address) = (region.len(), region.base().as_ptr() as usize);
            if len < needed || !address.is_multiple_of(LINE) {
                return Err(BadRowRegion { what, len, address, needed });
            }
        }
        let memory = Self { geometry, control, launch, rows, wake: 0.into(), queues_taken: false.into() };
        for workgroup in memory.workgroups() {
            let words = memory.words(workgroup);
            words.published.store(FIRST_ROW.0, Ordering::Relaxed);
            words.finished.store(FIRST_ROW.0, Ordering::Relaxed);
        }
        Ok(memory)
    }

    /// The shape that the memory was laid out for.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Where the control blocks start: the kernel's argument 0.
    #[must_use]
    pub fn control(&self) -> NonNull<u8> {
        self.control.base()
    }

    /// Where the launch word is: the kernel's argument 1.
    #[must_use]
    pub fn launch(&self) -> NonNull<u8> {
        self.launch.base()
    }

    /// Where the rows start: the kernel's argument 2.
    #[must_use]
    pub fn rows(&self) -> NonNull<u8> {
        self.rows.base()
    }

    /// All workgroups.
    pub fn workgroups(&self) -> impl Iterator<Item = WorkgroupId> + use<> {
        (0..self.geometry.workgroups()).map(WorkgroupId)
    }

    /// The row queues of all workgroups, in order; `None` if they were taken
    /// before, for each has one owner.
    pub(crate) fn take_queues(self: &Arc<Self>) -> Option<Vec<RowQueue>> {
        if self.queues_taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        let depth = self.geometry.depth();
        Some(
            self.workgroups()
                .map(|workgroup| RowQueue::new(self.clone(), workgroup, Ring::new(depth, FIRST_ROW)))
                .collect(),
        )
    }

    /// First byte of the workgroup's ring of rows.
    pub(crate) fn ring(&self, workgroup: WorkgroupId) -> NonNull<u8> {
        assert!(workgroup.0 < self.geometry.workgroups());
        let (depth, items) = (self.geometry.depth(), self.geometry.items());
        let offset = row_offset(workgroup.0.into(), 0, depth.into(), items.into());
        // SAFETY: `new` checked that the rows of all workgroups fit.
        unsafe { self.rows.base().add(offset) }
    }

    /// The protocol's words of a workgroup. Allocation-free and lock-free.
    pub fn words(&self, workgroup: WorkgroupId) -> GroupWords<'_, AtomicU32> {
        GroupWords {
            published: self.control_word(workgroup, offset_of!(Control, cpu_index)),
            finished: self.control_word(workgroup, offset_of!(Control, gpu_index)),
            left: self.control_word(workgroup, offset_of!(Control, left)),
        }
    }

    /// In how many launches the group has come alive.
    pub fn alive(&self, workgroup: WorkgroupId) -> &AtomicU32 {
        self.control_word(workgroup, offset_of!(Control, alive))
    }

    /// Non-zero tells every group to leave.
    pub fn leave(&self) -> &AtomicU32 {
        // SAFETY: `new` checked the region's size and alignment; the memory
        // lives as long as `self` and is reached by atomics only.
        unsafe {
            AtomicU32::from_ptr(self.launch.base().as_ptr().add(offset_of!(LaunchControl, leave)).cast())
        }
    }

    /// Non-zero: the launch needs somebody's attention.
    pub(crate) const fn wake(&self) -> &AtomicU32 {
        &self.wake
    }

    /// Makes ready for the next launch; the last one must have ended.
    pub(crate) fn rearm(&self) {
        rearm(&self.wake, self.leave(), self.workgroups().map(|workgroup| self.words(workgroup).left));
    }

    fn control_word(&self, workgroup: WorkgroupId, field: usize) -> &AtomicU32 {
        assert!(workgroup.0 < self.geometry.workgroups());
        let offset = usize::from(workgroup.0) * size_of::<Control>() + field;
        // SAFETY: `new` checked that a control block for every workgroup fits
        // and is aligned; the memory lives as long as `self`, is zeroed, and
        // is reached by atomics only, on the CPU as on the device.
        unsafe { AtomicU32::from_ptr(self.control.base().as_ptr().add(offset).cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(len: usize) -> SharedRegion {
        SharedRegion::anonymous(len).unwrap()
    }

    #[test]
    fn words_lie_where_the_layout_says() {
        let geometry = Geometry::new(2, 64, 4).unwrap();
        let memory = RowMemory::new(geometry, region(1), region(1), region(1)).unwrap();
        let base = memory.control().as_ptr() as usize;
        let words = memory.words(WorkgroupId(1));
        let place = |word: &AtomicU32| word.as_ptr() as usize - base;
        assert_eq!(
            [words.published, words.finished, words.left, memory.alive(WorkgroupId(1))].map(place),
            [512, 640, 768, 896]
        );
        assert_eq!(words.published.load(Ordering::Relaxed), FIRST_ROW.0);
        assert_eq!(words.finished.load(Ordering::Relaxed), FIRST_ROW.0);
        let ring = memory.ring(WorkgroupId(1)).as_ptr() as usize - memory.rows().as_ptr() as usize;
        assert_eq!(ring, 4 * geometry.row_bytes());
    }

    #[test]
    fn queues_are_given_out_once() {
        let geometry = Geometry::new(3, 64, 4).unwrap();
        let memory = Arc::new(RowMemory::new(geometry, region(1), region(1), region(1)).unwrap());
        assert_eq!(memory.take_queues().unwrap().len(), 3);
        assert!(memory.take_queues().is_none());
    }

    #[test]
    fn a_small_region_is_refused() {
        let geometry = Geometry::new(64, 256, 64).unwrap();
        let refused = RowMemory::new(geometry, region(1), region(1), region(1)).unwrap_err();
        assert_eq!((refused.what, refused.needed), ("row", geometry.rows_bytes()));
    }
}
