//! A region of bytes that NIC, CPU and GPU all reach.

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::{any::Any, ffi::c_void, io, ptr::NonNull};

/// Alignment of packet memory: the size of a huge page, which is what DPDK is
/// told the region is made of.
pub const HUGE_PAGE: usize = 2 << 20;

/// A zeroed region of bytes at a fixed address, shared with devices.
///
/// The bytes are only ever reached through raw pointers or atomics: a device
/// may write them at any time, so no Rust reference to them would be sound.
/// Whoever holds an `Arc` to the region keeps the memory, and what the memory
/// needs to exist (an OpenCL context, say), alive.
#[derive(Debug)]
pub struct SharedRegion {
    base: NonNull<u8>,
    len: usize,
    /// Frees the memory when dropped.
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the region hands out addresses only; who reads or writes through
// them answers for its own synchronisation. The owner is Send + Sync.
unsafe impl Send for SharedRegion {}
// SAFETY: as above.
unsafe impl Sync for SharedRegion {}

impl SharedRegion {
    /// Ordinary memory of the process, for running without a GPU: `len` bytes,
    /// rounded up to whole huge pages and aligned to one.
    ///
    /// # Errors
    /// The kernel's error when it will not map that much memory.
    pub fn anonymous(len: usize) -> io::Result<Self> {
        let len = huge_pages(len).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapped = Mapping::new(len.checked_add(HUGE_PAGE).ok_or(io::ErrorKind::OutOfMemory)?)?;
        // SAFETY: a huge page more than `len` is mapped.
        let base = unsafe { aligned(mapped.base.cast()) };
        // SAFETY: `mapped` is one page longer than `len`, so `base` and the
        // `len` bytes behind it lie inside; it is zeroed, and unmapped only
        // when the region drops it.
        Ok(unsafe { Self::from_raw(base, len, Box::new(mapped)) })
    }

    /// A region over memory of a device's runtime. `owner` frees it.
    ///
    /// # Safety
    /// `base` must be valid for reads and writes of `len` initialised bytes
    /// until `owner` is dropped, and nothing but devices, atomics and raw
    /// pointers may reach them.
    #[must_use]
    pub unsafe fn from_raw(base: NonNull<u8>, len: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        if (base.as_ptr() as usize).is_multiple_of(HUGE_PAGE) && len >= HUGE_PAGE {
            // SAFETY: the range is valid; the advice changes its speed only,
            // so a kernel without transparent huge pages may refuse it.
            let _ = unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxHugepage) };
        }
        Self { base, len, _owner: owner }
    }

    /// First byte.
    #[must_use]
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the region holds no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the `len` bytes at `pointer` all lie in the region.
    /// Allocation-free and lock-free.
    #[must_use]
    pub fn contains(&self, pointer: *const u8, len: usize) -> bool {
        let offset = (pointer as usize).wrapping_sub(self.base.as_ptr() as usize);
        offset <= self.len && len <= self.len - offset
    }

    /// Distance in bytes of `pointer` from the base, as descriptors carry it;
    /// `None` for a pointer outside. Allocation-free and lock-free.
    #[must_use]
    pub fn offset_of(&self, pointer: *const u8) -> Option<u32> {
        let offset = (pointer as usize).wrapping_sub(self.base.as_ptr() as usize);
        if offset < self.len { u32::try_from(offset).ok() } else { None }
    }
}

/// `len` rounded up to whole huge pages, at least one.
pub(crate) fn huge_pages(len: usize) -> Option<usize> {
    len.max(1).checked_next_multiple_of(HUGE_PAGE)
}

/// The first huge-page boundary at or after `base`.
///
/// # Safety
/// At least a huge page must be allocated from `base` on.
pub(crate) unsafe fn aligned(base: NonNull<u8>) -> NonNull<u8> {
    let skip = base.as_ptr().align_offset(HUGE_PAGE);
    // SAFETY: the boundary is at most a huge page away.
    unsafe { base.add(skip) }
}

/// An anonymous mapping.
#[derive(Debug)]
struct Mapping {
    base: NonNull<c_void>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; the type gives no access to the bytes.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(len: usize) -> io::Result<Self> {
        // SAFETY: no address is asked for, so nothing that exists is replaced.
        let base = unsafe {
            mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?
        };
        let base = NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and the last holder is gone.
        let _ = unsafe { munmap(self.base.as_ptr(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_aligned_rounded_and_zeroed() {
        let region = SharedRegion::anonymous(HUGE_PAGE + 1).unwrap();
        assert_eq!(region.len(), 2 * HUGE_PAGE);
        assert_eq!(region.base().as_ptr() as usize % HUGE_PAGE, 0);
        for offset in [0, 1, HUGE_PAGE, region.len() - 1] {
            // SAFETY: inside the region, which nothing else uses.
            unsafe {
                let byte = region.base().as_ptr().add(offset);
                assert_eq!(byte.read(), 0);
                byte.write(7);
                assert_eq!(byte.read(), 7);
            }
        }
    }

    #[test]
    fn knows_what_lies_inside() {
        let region = SharedRegion::anonymous(1).unwrap();
        let base = region.base().as_ptr();
        let end = base.wrapping_add(region.len());
        assert!(region.contains(base, region.len()));
        assert!(region.contains(end, 0));
        assert!(!region.contains(base.wrapping_add(1), region.len()));
        assert!(!region.contains(base.wrapping_sub(1), 1));
        assert!(!region.contains(base, usize::MAX));
        assert_eq!(region.offset_of(base), Some(0));
        assert_eq!(region.offset_of(end.wrapping_sub(1)), Some(region.len() as u32 - 1));
        assert_eq!(region.offset_of(end), None);
        assert_eq!(region.offset_of(base.wrapping_sub(1)), None);
    }

    #[test]
    fn asks_for_too_much_and_is_told() {
        assert!(SharedRegion::anonymous(usize::MAX).is_err());
        assert!(SharedRegion::anonymous(1 << 60).is_err());
    }
}
