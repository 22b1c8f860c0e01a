//! The peers of `bench/peers`, with lifetimes: C that drives the field's
//! libraries directly.

use std::{
    ffi::{CString, c_char, c_uint},
    ptr::NonNull,
};

/// A route as the C side takes it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FibRoute {
    /// Address.
    pub prefix: u32,
    /// Length.
    pub depth: u32,
    /// Answer.
    pub next_hop: u64,
}

#[repr(C)]
struct RawFib {
    _private: [u8; 0],
}

#[repr(C)]
struct RawIpsec {
    _private: [u8; 0],
}

#[repr(C)]
struct RawScan {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn peer_fib_new(routes: *const FibRoute, count: u32, groups: u32, entry: u32) -> *mut RawFib;
    fn peer_fib_lookup(fib: *mut RawFib, addresses: *mut u32, count: u32, burst: u32) -> u64;
    fn peer_fib_free(fib: *mut RawFib);
    fn peer_ipsec_new(cipher: *const u8, integrity: *const u8) -> *mut RawIpsec;
    fn peer_ipsec_encrypt(
        peer: *mut RawIpsec,
        regions: *const *mut u8,
        count: u32,
        text: u32,
        burst: u32,
    ) -> u32;
    fn peer_ipsec_free(peer: *mut RawIpsec);
    fn peer_scan_new(
        expressions: *const *const c_char,
        flags: *const c_uint,
        ids: *const c_uint,
        patterns: c_uint,
    ) -> *mut RawScan;
    fn peer_scan(peer: *mut RawScan, payloads: *const *const u8, lengths: *const u32, n: u32) -> u64;
    fn peer_scan_free(peer: *mut RawScan);
}

/// `rte_fib`, driven directly.
pub struct Fib<'eal> {
    raw: NonNull<RawFib>,
    _eal: &'eal dpdk::Eal,
}

impl<'eal> Fib<'eal> {
    /// A DIR-24-8 table with `groups` tbl8 groups and entries of `2^entry` bytes.
    pub fn new(eal: &'eal dpdk::Eal, routes: &[FibRoute], groups: u32, entry: u32) -> Option<Self> {
        // SAFETY: DPDK is up, as `eal` proves; the routes are read during the call only.
        let raw = unsafe { peer_fib_new(routes.as_ptr(), routes.len() as u32, groups, entry) };
        NonNull::new(raw).map(|raw| Self { raw, _eal: eal })
    }

    /// Looks all addresses up, `burst` (1 to 256) at a time; the sum of the answers.
    pub fn lookup(&mut self, addresses: &mut [u32], burst: u32) -> u64 {
        assert!((1..=256).contains(&burst));
        // SAFETY: a live table, as many addresses as said, and a burst that fits C's buffer.
        unsafe { peer_fib_lookup(self.raw.as_ptr(), addresses.as_mut_ptr(), addresses.len() as u32, burst) }
    }
}

impl Drop for Fib<'_> {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { peer_fib_free(self.raw.as_ptr()) };
    }
}

/// Bytes of an ESP region around its text: header, IV, ICV.
pub const ESP_OVERHEAD: usize = 36;

/// intel-ipsec-mb, driven directly.
pub struct Ipsec(NonNull<RawIpsec>);

impl Ipsec {
    /// A manager and expanded keys.
    pub fn new(cipher: &[u8; 16], integrity: &[u8; 20]) -> Option<Self> {
        // SAFETY: both keys have the lengths that C reads.
        NonNull::new(unsafe { peer_ipsec_new(cipher.as_ptr(), integrity.as_ptr()) }).map(Self)
    }

    /// Enciphers ESP regions, all of one length; lanes are flushed after every
    /// `burst`. Returns how many were done.
    pub fn encrypt(&mut self, regions: &mut [&mut [u8]], burst: u32) -> usize {
        let Some(len) = regions.first().map(|region| region.len()) else { return 0 };
        assert!(len > ESP_OVERHEAD && burst > 0 && regions.iter().all(|region| region.len() == len));
        let pointers: Vec<*mut u8> = regions.iter_mut().map(|region| region.as_mut_ptr()).collect();
        // SAFETY: every region has header, IV, text and ICV, is borrowed for
        // the call, and the library is flushed before C returns.
        unsafe {
            peer_ipsec_encrypt(
                self.0.as_ptr(),
                pointers.as_ptr(),
                pointers.len() as u32,
                (len - ESP_OVERHEAD) as u32,
                burst,
            ) as usize
        }
    }
}

impl Drop for Ipsec {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { peer_ipsec_free(self.0.as_ptr()) };
    }
}

/// vectorscan, driven directly.
pub struct Scan(NonNull<RawScan>);

impl Scan {
    /// All patterns as caseless literals, reported once a payload if `once`.
    pub fn new(patterns: &[Box<[u8]>], once: bool) -> Option<Self> {
        const CASELESS: c_uint = 1;
        const SINGLEMATCH: c_uint = 8;
        let hexadecimal =
            |pattern: &[u8]| pattern.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let expressions: Vec<CString> =
            patterns.iter().filter_map(|pattern| CString::new(hexadecimal(pattern)).ok()).collect();
        let pointers: Vec<_> = expressions.iter().map(|expression| expression.as_ptr()).collect();
        let flags = vec![if once { CASELESS | SINGLEMATCH } else { CASELESS }; pointers.len()];
        let ids: Vec<c_uint> = (0..pointers.len() as c_uint).collect();
        // SAFETY: three arrays of the same length, read during the call only.
        let raw = unsafe {
            peer_scan_new(pointers.as_ptr(), flags.as_ptr(), ids.as_ptr(), pointers.len() as c_uint)
        };
        NonNull::new(raw).map(Self)
    }

    /// Scans every payload; the number of matches.
    pub fn scan(&mut self, payloads: &[&[u8]]) -> Option<u64> {
        let pointers: Vec<_> = payloads.iter().map(|payload| payload.as_ptr()).collect();
        let lengths: Vec<_> = payloads.iter().map(|payload| payload.len() as u32).collect();
        // SAFETY: two arrays of the same length; the payloads live through the call.
        let matches =
            unsafe { peer_scan(self.0.as_ptr(), pointers.as_ptr(), lengths.as_ptr(), pointers.len() as u32) };
        (matches != u64::MAX).then_some(matches)
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { peer_scan_free(self.0.as_ptr()) };
    }
}
