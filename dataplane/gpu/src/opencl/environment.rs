//! Settings that PoCL reads from the environment.

use std::{
    env, fs, io,
    sync::atomic::{AtomicBool, Ordering},
};
use thiserror::Error;

/// Whether this process has made an OpenCL call through this crate.
static OPENCL_USED: AtomicBool = AtomicBool::new(false);

/// The names of PoCL's number of worker threads: up to release 4, and later.
const THREADS: [&str; 2] = ["POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT"];

/// Why PoCL's settings cannot be made.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// PoCL has read its settings.
    #[error("OpenCL was used already: prepare PoCL before the first OpenCL call")]
    OpenClUsed,
    /// Other threads might be reading the environment.
    #[error("{0} threads run already: prepare PoCL as the first thing in main")]
    ThreadsRunning(usize),
    /// The process cannot see its own threads.
    #[error("/proc/self/task cannot be read: {0}")]
    Proc(#[from] io::Error),
}

/// Gives PoCL enough worker threads for `workgroups` persistent workgroups and
/// a spare one, by environment variables for the whole process. A variable that
/// the user has set stays as it is. Other OpenCL runtimes take no notice.
///
/// PoCL runs a workgroup per thread, by default one thread per core, and a
/// workgroup without a thread never starts.
///
/// # Errors
/// See [`EnvironmentError`]: it must be called before any other thread starts
/// and before the first OpenCL call.
pub fn prepare_pocl(workgroups: u16) -> Result<(), EnvironmentError> {
    if OPENCL_USED.load(Ordering::Relaxed) {
        return Err(EnvironmentError::OpenClUsed);
    }
    let threads = fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(EnvironmentError::ThreadsRunning(threads));
    }
    for name in THREADS.into_iter().filter(|name| env::var_os(name).is_none()) {
        // SAFETY: this is the process's only thread, as just counted, so no
        // other can be reading or writing the environment.
        unsafe { env::set_var(name, (u32::from(workgroups) + 1).to_string()) };
    }
    Ok(())
}

/// Notes that the environment is being read.
pub(super) fn opencl_is_used() {
    OPENCL_USED.store(true, Ordering::Relaxed);
}
