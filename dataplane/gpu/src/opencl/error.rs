//! Why the OpenCL back end cannot be opened.

use super::device::Unusable;
use opencl3::error_codes::{CL_PLATFORM_NOT_FOUND_KHR, ClError, DLOPEN_RUNTIME_LOAD_FAILED};
use std::io;
use thiserror::Error;

/// Why the OpenCL back end cannot be opened. Every message says what to do.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no OpenCL loader on the machine.
    #[error(
        "libOpenCL.so.1 cannot be opened: install an OpenCL loader (ocl-icd-libopencl1), set OPENCL_DYLIB_PATH, or run with --gpu none"
    )]
    LibraryMissing,
    /// The loader knows no implementation.
    #[error(
        "no OpenCL platform: install the device's OpenCL runtime (for the CPU: pocl-opencl-icd), or run with --gpu none"
    )]
    NoPlatform,
    /// Implementations, but no device.
    #[error(
        "no OpenCL device on any platform: check the driver and the rights on its device nodes, or run with --gpu none"
    )]
    NoDevice,
    /// No device is like the one asked for.
    #[error("no OpenCL device is {wanted}; there are: {known}")]
    NoSuchDevice {
        /// What was asked for.
        wanted: String,
        /// The devices that there are.
        known: String,
    },
    /// The device asked for, or the only one, cannot do what is needed.
    #[error(
        "{device} cannot run the persistent kernel: {why}; choose another device, or run with --gpu none"
    )]
    Unusable {
        /// Platform and device.
        device: String,
        /// What it lacks.
        why: Unusable,
    },
    /// No device of several can do what is needed.
    #[error("no OpenCL device can run the persistent kernel ({reasons}); run with --gpu none")]
    NoneUsable {
        /// Every device and what it lacks.
        reasons: String,
    },
    /// More workgroups than can be resident.
    #[error("{wanted} workgroups do not fit on {device}, which holds {capacity}: ask for fewer")]
    TooManyWorkgroups {
        /// Platform and device.
        device: String,
        /// Workgroups asked for.
        wanted: u16,
        /// Workgroups that the device holds.
        capacity: u16,
    },
    /// The kernel cannot run in workgroups of that size.
    #[error(
        "workgroups of {wanted} items do not fit on {device}, which takes {most} for this kernel: lower the workgroup size"
    )]
    WorkgroupTooLarge {
        /// Platform and device.
        device: String,
        /// Work items asked for.
        wanted: u16,
        /// Most items that the kernel can have there.
        most: usize,
    },
    /// Descriptors carry 32-bit offsets.
    #[error(
        "{what} memory of {bytes} bytes is not addressable with 32 bits: ask for at most 4 GiB less 2 MiB"
    )]
    TooLarge {
        /// `packet` or `table`.
        what: &'static str,
        /// Bytes asked for.
        bytes: usize,
    },
    /// The runtime has no shared memory for us.
    #[error("{bytes} bytes of shared {what} memory cannot be allocated on {device} ({code}): ask for less")]
    OutOfMemory {
        /// Platform and device.
        device: String,
        /// Whose memory.
        what: &'static str,
        /// Bytes asked for.
        bytes: usize,
        /// The runtime's error.
        code: String,
    },
    /// The device's compiler refuses the kernels.
    #[error("the kernels do not build on {device}:\n{log}")]
    Build {
        /// Platform and device.
        device: String,
        /// The compiler's log.
        log: String,
    },
    /// The runtime's threads cannot be placed.
    #[error("the OpenCL runtime's threads cannot be put on cores {cores:?}: {error}")]
    Affinity {
        /// The cores asked for.
        cores: Vec<usize>,
        /// The system's error.
        error: io::Error,
    },
    /// Any other call that failed.
    #[error("{call} failed: {code}")]
    Call {
        /// The OpenCL function.
        call: &'static str,
        /// The runtime's error.
        code: String,
    },
}

impl OpenError {
    /// An error of the loader or of `call`.
    pub(super) fn of(call: &'static str) -> impl FnOnce(ClError) -> Self {
        move |ClError(code)| match code {
            DLOPEN_RUNTIME_LOAD_FAILED => Self::LibraryMissing,
            CL_PLATFORM_NOT_FOUND_KHR => Self::NoPlatform,
            _ => Self::Call { call, code: ClError(code).to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loader_lacks_is_told_apart_from_a_failed_call() {
        let of = |code| OpenError::of("clGetPlatformIDs")(ClError(code));
        assert!(matches!(of(DLOPEN_RUNTIME_LOAD_FAILED), OpenError::LibraryMissing));
        assert!(matches!(of(CL_PLATFORM_NOT_FOUND_KHR), OpenError::NoPlatform));
        assert_eq!(of(-5).to_string(), "clGetPlatformIDs failed: CL_OUT_OF_RESOURCES");
    }
}
