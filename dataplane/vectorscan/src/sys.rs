//! The few names of `<hs/hs.h>` (5.4) that the wrapper uses.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

pub const HS_SUCCESS: c_int = 0;
pub const HS_FLAG_CASELESS: c_uint = 1;
/// Reports an expression once a scan.
pub const HS_FLAG_SINGLEMATCH: c_uint = 8;
pub const HS_MODE_BLOCK: c_uint = 1;

/// Opaque.
#[repr(C)]
pub struct HsDatabase {
    _private: [u8; 0],
}

/// Opaque.
#[repr(C)]
pub struct HsScratch {
    _private: [u8; 0],
}

#[repr(C)]
pub struct HsCompileError {
    pub message: *const c_char,
    /// The expression at fault; negative where none is.
    pub expression: c_int,
}

pub type MatchHandler = unsafe extern "C" fn(
    id: c_uint,
    from: c_ulonglong,
    to: c_ulonglong,
    flags: c_uint,
    context: *mut c_void,
) -> c_int;

unsafe extern "C" {
    pub fn hs_valid_platform() -> c_int;
    pub fn hs_compile_multi(
        expressions: *const *const c_char,
        flags: *const c_uint,
        ids: *const c_uint,
        elements: c_uint,
        mode: c_uint,
        platform: *const c_void,
        database: *mut *mut HsDatabase,
        error: *mut *mut HsCompileError,
    ) -> c_int;
    pub fn hs_free_compile_error(error: *mut HsCompileError) -> c_int;
    pub fn hs_free_database(database: *mut HsDatabase) -> c_int;
    pub fn hs_database_size(database: *const HsDatabase, size: *mut usize) -> c_int;
    pub fn hs_alloc_scratch(database: *const HsDatabase, scratch: *mut *mut HsScratch) -> c_int;
    pub fn hs_free_scratch(scratch: *mut HsScratch) -> c_int;
    pub fn hs_scan(
        database: *const HsDatabase,
        data: *const c_char,
        length: c_uint,
        flags: c_uint,
        scratch: *mut HsScratch,
        on_event: Option<MatchHandler>,
        context: *mut c_void,
    ) -> c_int;
}
