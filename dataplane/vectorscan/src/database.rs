//! A compiled set of patterns.

use std::{
    ffi::{CStr, CString, c_int, c_uint, c_ulonglong, c_void},
    fmt, ptr,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{Scratch, sys};

/// Why there is no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A pattern without a byte would match everywhere.
    #[error("pattern {0} is empty")]
    Empty(usize),
    /// More patterns than the library counts.
    #[error("{0} patterns are more than vectorscan takes")]
    TooMany(usize),
    /// The CPU is too old.
    #[error("vectorscan needs a CPU with SSE4.2")]
    Platform,
    /// The library's own reason.
    #[error("vectorscan refuses {}: {reason}", .pattern.map_or("the patterns".into(), |at| format!("pattern {at}")))]
    Refused {
        /// The pattern at fault, where there is one.
        pattern: Option<usize>,
        /// What it says.
        reason: String,
    },
}

/// A scan did not run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The scratch could not grow.
    #[error("no memory for vectorscan's scratch space")]
    NoMemory,
    /// Longer than 4 GiB.
    #[error("{0} bytes are too long for one scan")]
    TooLong(usize),
    /// `hs_error_t` of the library.
    #[error("vectorscan's scan failed with error {0}")]
    Failed(i32),
}

/// Numbers of databases, never used twice in a process.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Patterns, compiled for this machine.
pub struct Database {
    /// `None` without a pattern, which the library would refuse.
    raw: Option<NonNull<sys::HsDatabase>>,
    id: u64,
}

// SAFETY: a database is never written after it is compiled.
unsafe impl Send for Database {}
// SAFETY: as above.
unsafe impl Sync for Database {}

impl Database {
    /// Compiles patterns; a scan reports their indices. Some thousands take seconds.
    ///
    /// # Errors
    /// [`CompileError`]: an empty pattern, too many, or what the library says.
    pub fn new<P: AsRef<[u8]>>(patterns: &[P]) -> Result<Self, CompileError> {
        if let Some(at) = patterns.iter().position(|pattern| pattern.as_ref().is_empty()) {
            return Err(CompileError::Empty(at));
        }
        let id = NUMBERS.fetch_add(1, Ordering::Relaxed);
        if patterns.is_empty() {
            return Ok(Self { raw: None, id });
        }
        let count = c_uint::try_from(patterns.len()).map_err(|_| CompileError::TooMany(patterns.len()))?;
        // SAFETY: the call takes no argument.
        if unsafe { sys::hs_valid_platform() } != sys::HS_SUCCESS {
            return Err(CompileError::Platform);
        }
        let expressions: Vec<CString> = patterns.iter().map(|pattern| expression(pattern.as_ref())).collect();
        let pointers: Vec<_> = expressions.iter().map(|expression| expression.as_ptr()).collect();
        let flags = vec![sys::HS_FLAG_CASELESS | sys::HS_FLAG_SINGLEMATCH; patterns.len()];
        let ids: Vec<c_uint> = (0..count).collect();
        let mut database = ptr::null_mut();
        let mut error = ptr::null_mut();
        // SAFETY: three arrays of `count` elements, the first of C strings; a
        // null platform is this machine; both results have a place.
        let result = unsafe {
            sys::hs_compile_multi(
                pointers.as_ptr(),
                flags.as_ptr(),
                ids.as_ptr(),
                count,
                sys::HS_MODE_BLOCK,
                ptr::null(),
                &raw mut database,
                &raw mut error,
            )
        };
        match NonNull::new(database) {
            Some(raw) if result == sys::HS_SUCCESS => Ok(Self { raw: Some(raw), id }),
            // SAFETY: the library gives an error with every result but success.
            _ => Err(unsafe { refusal(error) }),
        }
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let mut size = 0;
        if let Some(raw) = self.raw {
            // SAFETY: a live database and a place for the size.
            unsafe { sys::hs_database_size(raw.as_ptr(), &raw mut size) };
        }
        size
    }

    /// Calls `found` with the index of each pattern that occurs in `data`, once
    /// each, in no promised order.
    ///
    /// # Errors
    /// The scan did not run to its end; patterns may be missing.
    pub fn scan<F: FnMut(u32)>(
        &self,
        data: &[u8],
        scratch: &mut Scratch,
        mut found: F,
    ) -> Result<(), ScanError> {
        let Some(raw) = self.raw else { return Ok(()) };
        let length = c_uint::try_from(data.len()).map_err(|_| ScanError::TooLong(data.len()))?;
        // SAFETY: the database is live and the number its own.
        let scratch = unsafe { scratch.fitted(self.id, raw.as_ptr()) }.ok_or(ScanError::NoMemory)?;
        // SAFETY: the data has `length` bytes; the scratch fits the database
        // and is borrowed for the call; the handler is the one for `F`, and its
        // context lives as long as the call.
        let result = unsafe {
            sys::hs_scan(
                raw.as_ptr(),
                data.as_ptr().cast(),
                length,
                0,
                scratch,
                Some(report::<F>),
                (&raw mut found).cast(),
            )
        };
        if result == sys::HS_SUCCESS { Ok(()) } else { Err(ScanError::Failed(result)) }
    }
}

/// # Safety
/// `context` points to an `F` that nobody else uses during the call.
unsafe extern "C" fn report<F: FnMut(u32)>(
    id: c_uint,
    _from: c_ulonglong,
    _to: c_ulonglong,
    _flags: c_uint,
    context: *mut c_void,
) -> c_int {
    // SAFETY: `scan` passes its closure.
    unsafe { (*context.cast::<F>())(id) };
    0
}

/// `\xNN` for every byte.
fn expression(pattern: &[u8]) -> CString {
    let text: String = pattern.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    CString::new(text).expect("hexadecimal digits are no NUL")
}

/// # Safety
/// `error` is null or what the library gave as the error of a compilation.
unsafe fn refusal(error: *mut sys::HsCompileError) -> CompileError {
    // SAFETY: the caller's promise.
    let Some(found) = (unsafe { error.as_ref() }) else {
        return CompileError::Refused { pattern: None, reason: "it gives no reason".into() };
    };
    // SAFETY: the message is a C string as long as the error lives.
    let reason = unsafe { CStr::from_ptr(found.message) }.to_string_lossy().into_owned();
    let pattern = usize::try_from(found.expression).ok();
    // SAFETY: not used again.
    unsafe { sys::hs_free_compile_error(error) };
    CompileError::Refused { pattern, reason }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("id", &self.id).field("bytes", &self.bytes()).finish()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(raw) = self.raw {
            // SAFETY: ours, and not used again.
            unsafe { sys::hs_free_database(raw.as_ptr()) };
        }
    }
}
