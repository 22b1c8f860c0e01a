//! What the integration tests share: one EAL per process, and memory for packets.

use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use dpdk::{Eal, EalOptions, HUGEPAGE_BYTES, Memory, Region};
use rustix::mm::{MapFlags, ProtFlags};

/// The EAL of this test process, on ordinary pages.
pub fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| {
        let memory = Memory::NoHuge { megabytes: 1536 };
        Eal::init(EalOptions { memory, ..EalOptions::default() }).expect("the EAL starts without hugepages")
    })
}

/// An anonymous mapping; unmapped when dropped.
pub struct Mapping {
    start: usize,
    bytes: usize,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `map`; the region that used it is gone.
        unsafe { rustix::mm::munmap(self.start as *mut _, self.bytes).expect("munmap") }
    }
}

/// `bytes` on a 2 MiB boundary, filled with ones so that nothing relies on zeroes.
pub fn map(bytes: usize) -> (NonNull<u8>, Mapping) {
    let whole = bytes + HUGEPAGE_BYTES;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let start = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), whole, access, MapFlags::PRIVATE) };
    let start = start.expect("mmap") as usize;
    let base = NonNull::new(start.next_multiple_of(HUGEPAGE_BYTES) as *mut u8).expect("not at 0");
    // SAFETY: `bytes` from the rounded address lie within the mapping.
    unsafe { ptr::write_bytes(base.as_ptr(), 0xff, bytes) };
    (base, Mapping { start, bytes: whole })
}

/// A region of its own mapping.
pub fn region(bytes: usize) -> Region {
    let (base, mapping) = map(bytes);
    // SAFETY: the mapping is ours, and lives in the region.
    unsafe { Region::new(eal(), base, bytes, mapping) }.expect("DPDK takes the region")
}
