//! Fine-grained shared virtual memory.

use crate::region::{self, HUGE_PAGE, SharedRegion};
use hummingbird_kernels::layout::LINE;
use opencl3::{
    context::Context,
    error_codes::{CL_MEM_OBJECT_ALLOCATION_FAILURE, ClError},
    memory::{CL_MEM_READ_WRITE, CL_MEM_SVM_ATOMICS, CL_MEM_SVM_FINE_GRAIN_BUFFER, svm_alloc, svm_free},
};
use std::{ptr::NonNull, sync::Arc};

/// Bytes. Runtimes align at most to their largest vector type, and the shared
/// words need no more.
const ALIGNMENT: u32 = LINE as u32;

/// One allocation of `clSVMAlloc`; keeps its context alive.
struct Block {
    base: NonNull<u8>,
    context: Arc<Context>,
}

// SAFETY: a block belongs to the context, which is Send + Sync, and not to the
// thread that allocated it.
unsafe impl Send for Block {}
// SAFETY: as above; the type gives no access to the bytes.
unsafe impl Sync for Block {}

impl Block {
    /// `len` zeroed bytes.
    fn new(context: &Arc<Context>, len: usize) -> Result<Self, ClError> {
        let flags = CL_MEM_READ_WRITE | CL_MEM_SVM_FINE_GRAIN_BUFFER | CL_MEM_SVM_ATOMICS;
        // SAFETY: the context is valid; the flags suit every usable device.
        let base = unsafe { svm_alloc(context.get(), flags, len, ALIGNMENT) }?;
        let base = NonNull::new(base.cast()).ok_or(ClError(CL_MEM_OBJECT_ALLOCATION_FAILURE))?;
        let block = Self { base, context: context.clone() };
        // SAFETY: the `len` bytes were just allocated; fine-grained memory
        // needs no mapping for the host to write.
        unsafe { base.as_ptr().write_bytes(0, len) };
        Ok(block)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in this context, and no launch uses it: the back
        // end keeps all regions until its launch has ended.
        let _ = unsafe { svm_free(self.context.get(), self.base.as_ptr().cast()) };
    }
}

/// `len` shared bytes, aligned as the protocol's words need.
pub(super) fn words(context: &Arc<Context>, len: usize) -> Result<SharedRegion, ClError> {
    let block = Block::new(context, len)?;
    // SAFETY: the block is `len` bytes, zeroed, and is freed by its drop.
    Ok(unsafe { SharedRegion::from_raw(block.base, len, Box::new(block)) })
}

/// At least `len` shared bytes in whole huge pages, aligned to one. Runtimes
/// refuse such an alignment, so a page more is allocated.
pub(super) fn pages(context: &Arc<Context>, len: usize) -> Result<SharedRegion, ClError> {
    let too_much = || ClError(CL_MEM_OBJECT_ALLOCATION_FAILURE);
    let len = region::huge_pages(len).ok_or_else(too_much)?;
    let block = Block::new(context, len.checked_add(HUGE_PAGE).ok_or_else(too_much)?)?;
    // SAFETY: a huge page more than `len` is allocated.
    let base = unsafe { region::aligned(block.base) };
    // SAFETY: the block is a huge page longer than `len`, so the `len` bytes
    // from the boundary on lie inside; it is freed by its drop.
    Ok(unsafe { SharedRegion::from_raw(base, len, Box::new(block)) })
}
