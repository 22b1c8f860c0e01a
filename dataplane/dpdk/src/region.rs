//! Memory of the caller's that packets live in: shared with the GPU, say.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::eal::Eal;
use crate::error::{Errno, Error};
use crate::hugepages::HUGEPAGE_BYTES;

/// A stretch of memory that DPDK knows (`rte_extmem_register`) and that pools
/// take their room from. Clones are handles to the same region.
///
/// DPDK is told that it consists of 2 MiB pages, whatever pages it has: that is
/// bookkeeping only, and smaller ones would cost DMA mapping entries.
#[derive(Clone)]
pub struct Region {
    inner: Arc<Inner>,
}

struct Inner {
    base: NonNull<u8>,
    length: usize,
    /// Bytes that pools have taken, from the start.
    taken: AtomicUsize,
    /// Unmaps the memory when dropped, after DPDK has forgotten it.
    _owner: Box<dyn Any + Send + Sync>,
    _eal: Eal,
}

// SAFETY: the memory may be used from any thread (contract of `Region::new`), and the only
// thing that changes is an atomic.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Region {
    /// Tells DPDK of `length` bytes at `base`, both multiples of 2 MiB.
    ///
    /// `owner` is dropped when no pool and no packet of the region is left:
    /// let it hold what keeps the memory mapped, or `()` where it is never unmapped.
    ///
    /// # Safety
    /// The memory must be mapped, readable, writable, usable from every thread and
    /// (but for what devices do with packets) used by nobody else, for as long as
    /// `owner` lives. No other region may overlap it: DPDK does not check.
    ///
    /// # Errors
    /// [`Error::RegionAlignment`]; [`Error::Call`] when DPDK has no room for another
    /// (some 120 are possible).
    pub unsafe fn new(
        eal: &Eal,
        base: NonNull<u8>,
        length: usize,
        owner: impl Any + Send + Sync,
    ) -> Result<Self, Error> {
        let address = base.as_ptr() as usize;
        if !address.is_multiple_of(HUGEPAGE_BYTES) || !length.is_multiple_of(HUGEPAGE_BYTES) || length == 0 {
            return Err(Error::RegionAlignment { base: address, length });
        }
        // IOVA is the virtual address; vfio skips pages whose IOVA it is not told.
        let mut iovas: Vec<u64> =
            (0..length / HUGEPAGE_BYTES).map(|page| (address + page * HUGEPAGE_BYTES) as u64).collect();
        let pages =
            u32::try_from(iovas.len()).map_err(|_| Error::RegionAlignment { base: address, length })?;
        // SAFETY: the range is mapped by the caller's word; DPDK copies the table.
        let result = unsafe {
            dpdk_sys::rte_extmem_register(
                base.as_ptr().cast(),
                length,
                iovas.as_mut_ptr(),
                pages,
                HUGEPAGE_BYTES,
            )
        };
        Errno::check(result).map_err(|errno| {
            Error::call("rte_extmem_register", format!("{length} bytes at {address:#x}"), errno)
        })?;
        let inner =
            Inner { base, length, taken: AtomicUsize::new(0), _owner: Box::new(owner), _eal: eal.clone() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The first address.
    #[must_use]
    pub fn base(&self) -> NonNull<u8> {
        self.inner.base
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.inner.length
    }

    /// Whether an address lies inside: what the zero-copy counter asks per packet.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.inner.base.as_ptr() as usize) < self.inner.length
    }

    /// Takes the next `bytes` (rounded up to 2 MiB) for good.
    pub(crate) fn take(&self, bytes: usize) -> Result<NonNull<u8>, Error> {
        let bytes = bytes.next_multiple_of(HUGEPAGE_BYTES);
        let length = self.inner.length;
        let offset = self
            .inner
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(bytes).filter(|&end| end <= length)
            })
            .map_err(|taken| Error::RegionFull { needed: bytes, left: length - taken })?;
        // SAFETY: offset + bytes <= length, checked above.
        Ok(unsafe { self.inner.base.add(offset) })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: registered in `new` with this very range; pools hold the region, so none is left.
        unsafe { dpdk_sys::rte_extmem_unregister(self.base.as_ptr().cast(), self.length) };
    }
}
