//! A thread's working memory.

use std::{fmt, ptr};

use crate::sys;

/// Databases that a scratch remembers to fit: as many as may be live at once.
const REMEMBERED: usize = 8;

/// One thread's working memory for scans. Empty at first; grows to the largest
/// database that it meets.
pub struct Scratch {
    raw: *mut sys::HsScratch,
    /// Numbers of databases that it fits, 0 for none; the oldest is overwritten.
    fits: [u64; REMEMBERED],
    next: usize,
}

// SAFETY: the memory belongs to no thread; the library only asks that no two
// calls use it at once, which `&mut` gives.
unsafe impl Send for Scratch {}

impl Scratch {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { raw: ptr::null_mut(), fits: [0; REMEMBERED], next: 0 }
    }

    /// Makes it fit database number `id`, and gives what the library calls a scratch.
    ///
    /// # Safety
    /// `database` is live and has that number.
    pub(crate) unsafe fn fitted(
        &mut self,
        id: u64,
        database: *const sys::HsDatabase,
    ) -> Option<*mut sys::HsScratch> {
        if !self.fits.contains(&id) {
            // SAFETY: `raw` is null or a scratch of ours. The library replaces
            // it where it is too small, and leaves it where that fails.
            if unsafe { sys::hs_alloc_scratch(database, &raw mut self.raw) } != sys::HS_SUCCESS {
                return None;
            }
            self.fits[self.next] = id;
            self.next = (self.next + 1) % REMEMBERED;
        }
        Some(self.raw)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch(…)")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: null or a scratch of ours, not used again.
        unsafe { sys::hs_free_scratch(self.raw) };
    }
}
