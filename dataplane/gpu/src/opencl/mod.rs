//! The OpenCL back end: devices that offer fine-grained SVM buffers and SVM
//! atomics (APUs, PoCL, Intel). The runtime is opened when first needed; the
//! program does not link against it.

mod affinity;
mod backend;
mod device;
mod environment;
mod error;
mod select;
mod svm;

pub use affinity::cores_beside;
pub use backend::{OpenClAccelerator, Program, Settings};
pub use device::{Atomics, DeviceReport, DeviceType, Svm, Unusable, devices};
pub use environment::{EnvironmentError, prepare_pocl};
pub use error::OpenError;
pub use select::DeviceChoice;

/// Workgroups that PoCL is said to hold, whatever the number of cores: with a
/// lease, idle workgroups cost none.
pub const POCL_CAPACITY: u16 = 16;
