//! What OpenCL devices there are, and which can run a persistent kernel.

use super::{environment, error::OpenError};
use opencl3::{
    device::{
        CL_DEVICE_ATOMIC_ORDER_ACQ_REL, CL_DEVICE_ATOMIC_ORDER_SEQ_CST, CL_DEVICE_ATOMIC_SCOPE_ALL_DEVICES,
        CL_DEVICE_ATOMIC_SCOPE_DEVICE, CL_DEVICE_SVM_ATOMICS, CL_DEVICE_SVM_COARSE_GRAIN_BUFFER,
        CL_DEVICE_SVM_FINE_GRAIN_BUFFER, CL_DEVICE_SVM_FINE_GRAIN_SYSTEM, CL_DEVICE_TYPE_ACCELERATOR,
        CL_DEVICE_TYPE_ALL, CL_DEVICE_TYPE_CPU, CL_DEVICE_TYPE_GPU, Device,
    },
    platform::{Platform, get_platforms},
    types::cl_device_id,
};
use serde::Serialize;
use std::fmt;
use thiserror::Error;

/// An OpenCL device, as `hummingbird-dataplane devices` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceReport {
    /// Place in the list; names the device in `--gpu`.
    pub index: usize,
    /// Platform name.
    pub platform: String,
    /// Device name.
    pub name: String,
    /// Kind of device.
    #[serde(rename = "type")]
    pub kind: DeviceType,
    /// `CL_DEVICE_VERSION`.
    pub version: String,
    /// Shared virtual memory.
    pub svm: Svm,
    /// Atomic operations of kernels.
    pub atomics: Atomics,
    /// `CL_DEVICE_MAX_COMPUTE_UNITS`.
    pub compute_units: u32,
    /// Workgroups that can be resident together.
    pub workgroup_capacity: u16,
    /// Largest workgroup in work items.
    pub max_workgroup_size: usize,
    /// Whether the persistent kernel can run there.
    pub usable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Kind of an OpenCL device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum DeviceType {
    /// A GPU, integrated or not.
    Gpu,
    /// Another accelerator.
    Accelerator,
    /// The CPU itself, as with PoCL.
    Cpu,
    /// Something else.
    Custom,
}

/// Kinds of shared virtual memory (OpenCL 3.0 API, section 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Svm {
    /// Coarse-grained buffers.
    pub coarse: bool,
    /// Fine-grained buffers.
    pub fine_buffer: bool,
    /// Fine-grained system memory.
    pub fine_system: bool,
    /// Atomics on fine-grained memory.
    pub atomics: bool,
}

/// What C11 atomics kernels may use across workgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Atomics {
    /// Acquire and release order.
    pub acquire_release: bool,
    /// Sequentially consistent fences.
    pub seq_cst: bool,
    /// Device scope.
    pub device_scope: bool,
    /// Scope of all devices, the host included.
    pub all_devices_scope: bool,
}

/// What a device lacks.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    /// SVM came with OpenCL 2.0.
    #[error("it offers OpenCL {0}.{1}, and shared virtual memory needs 2.0 or newer")]
    OldOpenCl(u32, u32),
    /// The device or its compiler is off.
    #[error("the device or its compiler is not available")]
    NotAvailable,
    /// Host and kernel would not see each other's packets.
    #[error("it has no fine-grained SVM buffers, so a running kernel does not see what the host writes")]
    NoFineGrainedSvm,
    /// Host and kernel could not synchronise.
    #[error("it has no SVM atomics, so host and running kernel cannot synchronise")]
    NoSvmAtomics,
    /// The row protocol and the lease need them.
    #[error("its kernels lack acquire/release atomics, sequentially consistent fences or device scope")]
    NoAtomics,
}

/// A device with its handle.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub id: cl_device_id,
    pub report: DeviceReport,
    pub unusable: Option<Unusable>,
}

/// All OpenCL devices of the machine. PoCL's are reported with room for
/// `pocl_capacity` workgroups ([`POCL_CAPACITY`](super::POCL_CAPACITY)).
///
/// # Errors
/// [`OpenError::LibraryMissing`], [`OpenError::NoPlatform`], or a failed call.
pub fn devices(pocl_capacity: u16) -> Result<Vec<DeviceReport>, OpenError> {
    Ok(find(pocl_capacity)?.into_iter().map(|found| found.report).collect())
}

pub(super) fn find(pocl_capacity: u16) -> Result<Vec<Found>, OpenError> {
    environment::opencl_is_used();
    let platforms = get_platforms().map_err(OpenError::of("clGetPlatformIDs"))?;
    if platforms.is_empty() {
        return Err(OpenError::NoPlatform);
    }
    let mut all = Vec::new();
    for platform in platforms {
        // A platform without a device says so with an error code.
        for id in platform.get_devices(CL_DEVICE_TYPE_ALL).unwrap_or_default() {
            all.push(examine(all.len(), &platform, id, pocl_capacity));
        }
    }
    Ok(all)
}

/// Asks a device about itself. What it refuses to tell counts as missing.
fn examine(index: usize, platform: &Platform, id: cl_device_id, pocl_capacity: u16) -> Found {
    let device = Device::new(id);
    let platform = platform.name().unwrap_or_default().trim().to_owned();
    let version = device.version().unwrap_or_default().trim().to_owned();
    let number = version_number(&version);
    let has = |bits: u64, bit: u64| bits & bit != 0;

    let bits = if number >= (2, 0) { device.svm_capabilities().unwrap_or(0) } else { 0 };
    let svm = Svm {
        coarse: has(bits, CL_DEVICE_SVM_COARSE_GRAIN_BUFFER),
        fine_buffer: has(bits, CL_DEVICE_SVM_FINE_GRAIN_BUFFER),
        fine_system: has(bits, CL_DEVICE_SVM_FINE_GRAIN_SYSTEM),
        atomics: has(bits, CL_DEVICE_SVM_ATOMICS),
    };
    let atomics = match number {
        (3.., _) => {
            let bits = device.atomic_memory_capabilities().unwrap_or(0);
            let fences = device.atomic_fence_capabilities().unwrap_or(0);
            Atomics {
                acquire_release: has(bits, CL_DEVICE_ATOMIC_ORDER_ACQ_REL),
                seq_cst: has(fences, CL_DEVICE_ATOMIC_ORDER_SEQ_CST),
                device_scope: has(bits, CL_DEVICE_ATOMIC_SCOPE_DEVICE),
                all_devices_scope: has(bits, CL_DEVICE_ATOMIC_SCOPE_ALL_DEVICES),
            }
        }
        // OpenCL C 2.0 has them all, if SVM atomics are there.
        (2, _) => Atomics {
            acquire_release: true,
            seq_cst: true,
            device_scope: true,
            all_devices_scope: svm.atomics,
        },
        _ => Atomics::default(),
    };
    let available = device.available().unwrap_or(false) && device.compiler_available().unwrap_or(false);
    let unusable = judge(number, available, svm, atomics);
    let compute_units = device.max_compute_units().unwrap_or(0);
    let workgroup_capacity = if platform.contains("Portable Computing Language") {
        pocl_capacity
    } else {
        u16::try_from(compute_units).unwrap_or(u16::MAX)
    };
    let report = DeviceReport {
        index,
        platform,
        name: device.name().unwrap_or_default().trim().to_owned(),
        kind: device_type(device.dev_type().unwrap_or(0)),
        version,
        svm,
        atomics,
        compute_units,
        workgroup_capacity,
        max_workgroup_size: device.max_work_group_size().unwrap_or(0),
        usable: unusable.is_none(),
        reason: unusable.map(|why| why.to_string()),
    };
    Found { id, report, unusable }
}

fn judge(version: (u32, u32), available: bool, svm: Svm, atomics: Atomics) -> Option<Unusable> {
    if version < (2, 0) {
        Some(Unusable::OldOpenCl(version.0, version.1))
    } else if !available {
        Some(Unusable::NotAvailable)
    } else if !svm.fine_buffer {
        Some(Unusable::NoFineGrainedSvm)
    } else if !svm.atomics {
        Some(Unusable::NoSvmAtomics)
    } else if !(atomics.acquire_release
        && atomics.seq_cst
        && (atomics.device_scope || atomics.all_devices_scope))
    {
        Some(Unusable::NoAtomics)
    } else {
        None
    }
}

/// Major and minor of `OpenCL <major>.<minor> <vendor's text>`; 0.0 if it does
/// not say so.
fn version_number(version: &str) -> (u32, u32) {
    let parse = || {
        let (major, minor) = version.strip_prefix("OpenCL ")?.split_whitespace().next()?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    parse().unwrap_or((0, 0))
}

fn device_type(bits: u64) -> DeviceType {
    if bits & CL_DEVICE_TYPE_GPU != 0 {
        DeviceType::Gpu
    } else if bits & CL_DEVICE_TYPE_ACCELERATOR != 0 {
        DeviceType::Accelerator
    } else if bits & CL_DEVICE_TYPE_CPU != 0 {
        DeviceType::Cpu
    } else {
        DeviceType::Custom
    }
}

impl DeviceReport {
    /// Platform and name.
    #[must_use]
    pub fn description(&self) -> String {
        format!("{} / {}", self.platform, self.name)
    }
}

impl fmt::Display for DeviceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[(&str, bool)]| {
            let names: Vec<_> = names.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let (svm, atomics) = (self.svm, self.atomics);
        writeln!(f, "{}: {} ({:?}, {})", self.index, self.description(), self.kind, self.version)?;
        writeln!(
            f,
            "   SVM: {}",
            list(&[
                ("coarse buffers", svm.coarse),
                ("fine buffers", svm.fine_buffer),
                ("fine system", svm.fine_system),
                ("atomics", svm.atomics)
            ])
        )?;
        writeln!(
            f,
            "   atomics: {}",
            list(&[
                ("acquire/release", atomics.acquire_release),
                ("seq_cst", atomics.seq_cst),
                ("device scope", atomics.device_scope),
                ("all-devices scope", atomics.all_devices_scope)
            ])
        )?;
        writeln!(
            f,
            "   {} compute units, room for {} workgroups of at most {} items",
            self.compute_units, self.workgroup_capacity, self.max_workgroup_size
        )?;
        match &self.reason {
            None => write!(f, "   usable: yes"),
            Some(reason) => write!(f, "   usable: no, {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVM: Svm = Svm { coarse: true, fine_buffer: true, fine_system: false, atomics: true };
    const ATOMICS: Atomics =
        Atomics { acquire_release: true, seq_cst: true, device_scope: true, all_devices_scope: false };

    #[test]
    fn versions_are_read_or_zero() {
        assert_eq!(version_number("OpenCL 3.0 PoCL 3.1"), (3, 0));
        assert_eq!(version_number("OpenCL 1.2"), (1, 2));
        for odd in ["", "OpenCL", "OpenCL 3", "OpenCL x.y", "3.0"] {
            assert_eq!(version_number(odd), (0, 0), "{odd}");
        }
    }

    #[test]
    fn a_device_is_judged_by_what_the_protocol_needs() {
        assert_eq!(judge((3, 0), true, SVM, ATOMICS), None);
        assert_eq!(judge((1, 2), true, SVM, ATOMICS), Some(Unusable::OldOpenCl(1, 2)));
        assert_eq!(judge((2, 1), false, SVM, ATOMICS), Some(Unusable::NotAvailable));
        let coarse = Svm { fine_buffer: false, ..SVM };
        assert_eq!(judge((3, 0), true, coarse, ATOMICS), Some(Unusable::NoFineGrainedSvm));
        let plain = Svm { atomics: false, ..SVM };
        assert_eq!(judge((3, 0), true, plain, ATOMICS), Some(Unusable::NoSvmAtomics));
        for atomics in [
            Atomics { acquire_release: false, ..ATOMICS },
            Atomics { seq_cst: false, ..ATOMICS },
            Atomics { device_scope: false, ..ATOMICS },
        ] {
            assert_eq!(judge((3, 0), true, SVM, atomics), Some(Unusable::NoAtomics));
        }
    }
}
