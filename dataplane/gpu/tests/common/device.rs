//! The one OpenCL device, and how tests open it.

use hummingbird_gpu::{
    Geometry,
    opencl::{DeviceChoice, POCL_CAPACITY, Program, Settings},
};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// Bytes of a test packet's slot.
pub const SLOT: usize = 128;

/// The device is one test's at a time: launches side by side would take each
/// other's PoCL threads. `threads` must be the same all over a test binary.
pub fn device(threads: u32) -> MutexGuard<'static, ()> {
    static DEVICE: Mutex<()> = Mutex::new(());
    static PREPARED: Once = Once::new();
    let guard = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
    PREPARED.call_once(|| {
        for name in ["POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT"] {
            // SAFETY: only tests that hold the device read the environment
            // (std's accesses are serialised, and OpenCL's come later).
            unsafe { std::env::set_var(name, threads.to_string()) };
        }
    });
    guard
}

pub fn settings(geometry: Geometry, program: Program<'static>) -> Settings<'static> {
    Settings {
        device: DeviceChoice::Name("portable computing language".into()),
        geometry,
        packet_bytes: packets_of(geometry) * SLOT,
        table_bytes: 1 << 20,
        program,
        pocl_capacity: POCL_CAPACITY,
        worker_cores: Vec::new(),
    }
}

/// A packet slot for every work item of every row.
fn packets_of(geometry: Geometry) -> usize {
    geometry.workgroups() as usize * geometry.depth() as usize * geometry.items() as usize
}
