//! The time-stamp counter and the spin-wait hint.

/// The time-stamp counter, in ticks of [`tsc_hz`] per second. Not serialising:
/// a few cycles, and good enough for latencies of microseconds.
#[inline]
#[must_use]
pub fn tsc() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has RDTSC; it only reads a counter.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: reads a counter.
    unsafe {
        dpdk_sys::hb_rdtsc()
    }
}

/// Ticks of [`tsc`] in a second, as measured by the EAL; 0 before
/// [`Eal::init`](crate::Eal::init).
#[must_use]
pub fn tsc_hz() -> u64 {
    // SAFETY: reads an integer that rte_eal_init writes once.
    unsafe { dpdk_sys::hb_tsc_hz() }
}

/// Tells the core that this is a spin-wait loop (`rte_pause`).
#[inline]
pub fn pause() {
    std::hint::spin_loop();
}
