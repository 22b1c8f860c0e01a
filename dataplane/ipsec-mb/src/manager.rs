//! The multi-buffer manager: jobs in, jobs out.

use std::{ffi::CStr, ffi::c_void, fmt, ptr, ptr::NonNull};

use subtle::ConstantTimeEq;

use crate::{
    Job, Verdict,
    job::{HEADER, ICV, IV},
    sys,
};

/// Packets that one round of the library takes; longer bursts take several.
pub const BURST: usize = 64;

/// One thread's instance of the library, with the fastest code that the CPU
/// can run (SSE, AVX, AVX2 or AVX-512, chosen by CPUID).
pub struct Manager {
    raw: NonNull<sys::IMB_MGR>,
    arch: sys::IMB_ARCH,
}

// SAFETY: the library keeps all state of an instance behind the pointer and
// none per thread, so an instance may move between threads while no call runs.
unsafe impl Send for Manager {}

/// Why there is no manager.
#[derive(Debug, thiserror::Error)]
pub enum NewManagerError {
    /// `alloc_mb_mgr` gave none.
    #[error("intel-ipsec-mb could not allocate its manager: out of memory")]
    NoMemory,
    /// Another release than the one that the program was built against.
    #[error("intel-ipsec-mb {found} is installed, but this program was built against {wanted:#x}: rebuild")]
    Version {
        /// The release found at run time.
        found: String,
        /// `IMB_VERSION_NUM` of the header.
        wanted: u32,
    },
    /// The CPU or the library's self-test says no.
    #[error("intel-ipsec-mb cannot run on this CPU: {0}")]
    Unusable(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Encrypt,
    Decrypt,
}

impl Manager {
    /// A manager for this machine.
    ///
    /// # Errors
    /// No memory, a library of another release, or a CPU that it cannot use.
    pub fn new() -> Result<Self, NewManagerError> {
        // SAFETY: the call takes no argument.
        let version = unsafe { sys::imb_get_version() };
        // The manager's layout is that of the minor release (the soname only
        // promises the major one).
        if version >> 8 != sys::IMB_VERSION_NUM >> 8 {
            // SAFETY: the library returns a static, terminated string.
            let found = unsafe { CStr::from_ptr(sys::imb_get_version_str()) };
            return Err(NewManagerError::Version {
                found: found.to_string_lossy().into_owned(),
                wanted: sys::IMB_VERSION_NUM,
            });
        }
        // SAFETY: the only argument is a set of flags.
        let raw = NonNull::new(unsafe { sys::alloc_mb_mgr(0) }).ok_or(NewManagerError::NoMemory)?;
        let mut manager = Self { raw, arch: 0 };
        // SAFETY: `raw` comes from `alloc_mb_mgr`; `arch` is a valid place.
        unsafe { sys::init_mb_mgr_auto(raw.as_ptr(), &raw mut manager.arch) };
        // SAFETY: `raw` is a live manager.
        let errno = unsafe { sys::imb_get_errno(raw.as_ptr()) };
        if errno != 0 {
            // SAFETY: the library returns a static, terminated string for any number.
            let text = unsafe { CStr::from_ptr(sys::imb_get_strerror(errno)) };
            return Err(NewManagerError::Unusable(text.to_string_lossy().into_owned()));
        }
        // SAFETY: `raw` is a live manager that nobody else uses.
        let features = unsafe { (*raw.as_ptr()).features };
        let (self_test, passed) =
            (u64::from(sys::IMB_FEATURE_SELF_TEST), u64::from(sys::IMB_FEATURE_SELF_TEST_PASS));
        if features & self_test != 0 && features & passed == 0 {
            return Err(NewManagerError::Unusable("its self-test fails".into()));
        }
        Ok(manager)
    }

    /// The code in use, `AVX2` say.
    #[must_use]
    pub fn arch(&self) -> &'static str {
        match self.arch {
            sys::IMB_ARCH_IMB_ARCH_NOAESNI => "SSE without AES-NI",
            sys::IMB_ARCH_IMB_ARCH_SSE => "SSE",
            sys::IMB_ARCH_IMB_ARCH_AVX => "AVX",
            sys::IMB_ARCH_IMB_ARCH_AVX2 => "AVX2",
            sys::IMB_ARCH_IMB_ARCH_AVX512 => "AVX-512",
            _ => "none",
        }
    }

    /// Enciphers every job's text under its IV, then writes its ICV.
    pub fn encrypt_burst(&mut self, jobs: &mut [Job<'_>]) {
        self.burst(jobs, Direction::Encrypt);
    }

    /// Checks every job's ICV and deciphers its text. A job whose verdict is
    /// not [`Verdict::Done`] must be dropped.
    pub fn decrypt_burst(&mut self, jobs: &mut [Job<'_>]) {
        self.burst(jobs, Direction::Decrypt);
    }

    fn burst(&mut self, jobs: &mut [Job<'_>], direction: Direction) {
        for round in jobs.chunks_mut(BURST) {
            self.round(round, direction);
        }
    }

    /// At most [`BURST`] jobs, submitted and flushed.
    fn round(&mut self, jobs: &mut [Job<'_>], direction: Direction) {
        let mut computed = [[0; ICV]; BURST];
        let mut received = [[0; ICV]; BURST];
        let mut completed = [false; BURST];
        for (at, job) in jobs.iter_mut().enumerate() {
            received[at] = *job.icv();
            let hashed = job.lay_hash_input();
            // SAFETY: all that the job points to, its key, its region and the
            // tag's place, is borrowed or owned until the flush below is over.
            unsafe { self.submit(at, job, hashed, computed[at].as_mut_ptr(), direction, &mut completed) };
        }
        // SAFETY: as above; after this loop the library holds no pointer.
        unsafe { self.flush(&mut completed) };
        for (at, job) in jobs.iter_mut().enumerate() {
            job.verdict = match (completed[at], direction) {
                (false, _) => Verdict::Failed,
                (true, Direction::Encrypt) => {
                    *job.icv() = computed[at];
                    Verdict::Done
                }
                (true, Direction::Decrypt) if bool::from(computed[at].ct_eq(&received[at])) => {
                    *job.icv() = received[at];
                    Verdict::Done
                }
                (true, Direction::Decrypt) => Verdict::BadIcv,
            };
        }
    }

    /// # Safety
    /// The job's key and region and the 12 bytes at `tag` must stay valid,
    /// and untouched by others, until [`flush`](Self::flush) has returned.
    unsafe fn submit(
        &mut self,
        at: usize,
        job: &mut Job<'_>,
        hashed: usize,
        tag: *mut u8,
        direction: Direction,
        completed: &mut [bool; BURST],
    ) {
        let key = job.key.expanded();
        let text = job.text_len();
        let esp = job.esp.as_mut_ptr();
        let manager = self.raw.as_ptr();
        // SAFETY: the manager was initialised, so its function pointers are
        // set; the slot that `get_next_job` gives is ours until submitted, and
        // at most `BURST` of its 256 slots are ever in use. The offsets lie in
        // the region: `Job::new` checked its length.
        let done = unsafe {
            let slot = &mut *((*manager).get_next_job.expect("set by init"))(manager);
            slot.enc_keys = key.encrypt.as_ptr().cast();
            slot.dec_keys = key.decrypt.as_ptr().cast();
            slot.key_len_in_bytes = 16;
            slot.__bindgen_anon_1.src = esp;
            slot.__bindgen_anon_2.dst = esp.add(HEADER + IV);
            slot.__bindgen_anon_3.cipher_start_src_offset_in_bytes = (HEADER + IV) as u64;
            slot.__bindgen_anon_4.msg_len_to_cipher_in_bytes = text as u64;
            slot.hash_start_src_offset_in_bytes = 0;
            slot.__bindgen_anon_5.msg_len_to_hash_in_bytes = hashed as u64;
            slot.iv = esp.add(HEADER);
            slot.iv_len_in_bytes = IV as u64;
            slot.auth_tag_output = tag;
            slot.auth_tag_output_len_in_bytes = ICV as u64;
            slot.u.HMAC._hashed_auth_key_xor_ipad = key.inner.as_ptr();
            slot.u.HMAC._hashed_auth_key_xor_opad = key.outer.as_ptr();
            slot.cipher_mode = sys::IMB_CIPHER_MODE_IMB_CIPHER_CBC;
            slot.hash_alg = sys::IMB_HASH_ALG_IMB_AUTH_HMAC_SHA_1;
            (slot.cipher_direction, slot.chain_order) = match direction {
                Direction::Encrypt => {
                    (sys::IMB_CIPHER_DIRECTION_IMB_DIR_ENCRYPT, sys::IMB_CHAIN_ORDER_IMB_ORDER_CIPHER_HASH)
                }
                Direction::Decrypt => {
                    (sys::IMB_CIPHER_DIRECTION_IMB_DIR_DECRYPT, sys::IMB_CHAIN_ORDER_IMB_ORDER_HASH_CIPHER)
                }
            };
            slot.user_data = ptr::without_provenance_mut::<c_void>(at);
            ((*manager).submit_job.expect("set by init"))(manager)
        };
        // SAFETY: `done` is what the library just returned.
        unsafe { note(done, completed) };
    }

    /// Runs the library until it holds no job.
    ///
    /// # Safety
    /// Everything submitted since the last flush must still be valid.
    unsafe fn flush(&mut self, completed: &mut [bool; BURST]) {
        let manager = self.raw.as_ptr();
        loop {
            // SAFETY: the manager was initialised; the caller keeps all jobs valid.
            let done = unsafe { ((*manager).flush_job.expect("set by init"))(manager) };
            if done.is_null() {
                return;
            }
            // SAFETY: `done` is what the library just returned.
            unsafe { note(done, completed) };
        }
    }

    /// AES-128 round keys, encryption's and decryption's.
    pub(crate) fn expand_aes128(&self, key: &[u8; 16], encrypt: &mut [u8; 176], decrypt: &mut [u8; 176]) {
        let manager = self.raw.as_ptr();
        // SAFETY: the function reads 16 bytes and writes 11 round keys of 16
        // bytes to each place; it keeps no state in the manager.
        unsafe {
            ((*manager).keyexp_128.expect("set by init"))(
                key.as_ptr().cast(),
                encrypt.as_mut_ptr().cast(),
                decrypt.as_mut_ptr().cast(),
            );
        }
    }

    /// SHA-1's state after one block.
    pub(crate) fn sha1_block(&self, block: &[u8; 64], state: &mut [u8; 20]) {
        let manager = self.raw.as_ptr();
        // SAFETY: the function reads 64 bytes and writes 20; it keeps no state
        // in the manager.
        unsafe {
            ((*manager).sha1_one_block.expect("set by init"))(
                block.as_ptr().cast(),
                state.as_mut_ptr().cast(),
            );
        }
    }
}

/// Marks the job that the library has just returned, if any.
///
/// # Safety
/// `done` is null or a job that the library has just returned.
unsafe fn note(done: *const sys::IMB_JOB, completed: &mut [bool; BURST]) {
    // SAFETY: the caller's promise.
    if let Some(done) = unsafe { done.as_ref() } {
        completed[done.user_data.addr()] = done.status == sys::IMB_STATUS_IMB_STATUS_COMPLETED;
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // SAFETY: `raw` comes from `alloc_mb_mgr` and holds no job: every
        // burst ends with a flush.
        unsafe { sys::free_mb_mgr(self.raw.as_ptr()) };
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("arch", &self.arch()).finish_non_exhaustive()
    }
}
