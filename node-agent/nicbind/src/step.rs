//! One write to sysfs, and the read that proves it.

use std::io;

use serde::{Deserialize, Serialize};

use crate::{DriverName, ObserveError, PciAddress, Sysfs, observe};

/// One write to sysfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Sets the device's `driver_override`, or clears it.
    SetOverride(Option<DriverName>),
    /// Takes the device from this driver.
    Unbind(DriverName),
    /// Asks the bus to find a driver for the device; the override lets it find only this one.
    Probe(DriverName),
}

/// A step failed, or the kernel took the write and did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The kernel refused the write.
    #[error("cannot write {value:?} to {path} in sysfs: {source}{}", advice(source))]
    Write {
        /// Below the root of sysfs.
        path: String,
        /// What was written.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The write returned without error but had no effect. `drivers_probe` does so when the driver's probe fails.
    #[error(
        "{address}: after {what} sysfs shows {found:?} instead of {expected:?}: look for the driver's message in dmesg"
    )]
    NoEffect {
        /// The NIC.
        address: PciAddress,
        /// What was done.
        what: &'static str,
        /// What the read should show.
        expected: Option<DriverName>,
        /// What it shows.
        found: Option<DriverName>,
    },
    /// The read after the write failed.
    #[error(transparent)]
    Observe(#[from] ObserveError),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ": run as root, with sysfs mounted for writing",
        io::ErrorKind::ReadOnlyFilesystem => ": mount the host's sysfs for writing",
        io::ErrorKind::ResourceBusy => ": a process still holds the device; stop it first",
        _ => "",
    }
}

impl Step {
    /// The override that this step leaves behind, if it sets one.
    pub(crate) fn sets_override(&self) -> Option<&Option<DriverName>> {
        match self {
            Self::SetOverride(name) => Some(name),
            Self::Unbind(_) | Self::Probe(_) => None,
        }
    }

    /// Writes, then reads back.
    pub(crate) fn apply<S: Sysfs>(&self, sysfs: &S, address: PciAddress) -> Result<(), StepError> {
        let (path, value) = match self {
            Self::SetOverride(name) => {
                let path = format!("{}/driver_override", observe::device_path(address));
                // An empty line clears the override; an empty write would not reach the kernel.
                (path, name.as_ref().map_or("\n".to_owned(), DriverName::to_string))
            }
            Self::Unbind(driver) => (format!("bus/pci/drivers/{driver}/unbind"), address.to_string()),
            Self::Probe(_) => ("bus/pci/drivers_probe".to_owned(), address.to_string()),
        };
        sysfs.write(&path, &value).map_err(|source| StepError::Write { path, value, source })?;
        let (what, expected, found) = match self {
            Self::SetOverride(name) => {
                ("setting driver_override", name.clone(), observe::driver_override(sysfs, address)?)
            }
            Self::Unbind(_) => ("unbind", None, observe::driver(sysfs, address)?),
            Self::Probe(driver) => ("drivers_probe", Some(driver.clone()), observe::driver(sysfs, address)?),
        };
        if found == expected { Ok(()) } else { Err(StepError::NoEffect { address, what, expected, found }) }
    }
}
