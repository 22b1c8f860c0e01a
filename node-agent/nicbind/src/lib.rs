#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod binder;
mod disk;
mod driver;
mod in_use;
mod journal;
mod observe;
mod plan;
mod refusal;
mod step;
mod sysfs;

pub use address::{AddressError, PciAddress};
pub use binder::{
    BindError, BindRequest, Binder, Bound, Failure, ForgetError, Replayed, RestoreError, Restored, Settled,
};
pub use disk::{Disk, RealDisk};
pub use driver::{DriverName, DriverNameError, VFIO_PCI};
pub use in_use::{Family, InUse, Link, LinkAddress, NodeFacts, Prefix, Route, Use, protected_interfaces};
pub use journal::{
    BootId, DeviceId, Entry, Journal, JournalError, NetworkFacts, Original, State, decode, encode,
};
pub use observe::{Device, Group, Host, Member, ObserveError};
pub use plan::{Goal, Stuck, plan};
pub use refusal::{BIFURCATED, Permission, Refusal, check};
pub use step::{Step, StepError};
pub use sysfs::{RealSysfs, Sysfs, SysfsRoot};
