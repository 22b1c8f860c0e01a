//! What sysfs says about a NIC, read in one go and without a write.

use std::io;

use crate::{DeviceId, DriverName, PciAddress, Sysfs, VFIO_PCI};

/// A PCI function as sysfs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where it sits.
    pub address: PciAddress,
    /// What sits there.
    pub id: DeviceId,
    /// The 24-bit class code; `0x02xxxx` is a network controller (PCI Code and ID Assignment, section 1.3).
    pub class: u32,
    /// The driver it is bound to.
    pub driver: Option<DriverName>,
    /// `driver_override`, if set.
    pub driver_override: Option<DriverName>,
    /// Its interfaces in the network namespace this sysfs was mounted from.
    pub interfaces: Vec<String>,
    /// Its IOMMU group; none without an IOMMU.
    pub group: Option<Group>,
    /// How many SR-IOV virtual functions are switched on.
    pub virtual_functions: u32,
    /// Its node below `/dev/vfio`, such as `3`, `noiommu-0` or `devices/vfio0`; only on `vfio-pci`.
    pub vfio_node: Option<String>,
}

impl Device {
    /// Whether `vfio-pci` has it.
    pub fn is_on_vfio(&self) -> bool {
        self.driver.as_ref().is_some_and(DriverName::is_vfio_pci)
    }
}

/// The smallest set of devices that the IOMMU can tell from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number, as text.
    pub id: String,
    /// All devices in it, the NIC itself included.
    pub members: Vec<Member>,
}

/// A device of an IOMMU group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name: a PCI address, or any text for a device of another bus.
    pub name: String,
    /// Its class code if it is a PCI device.
    pub class: Option<u32>,
    /// The driver it is bound to.
    pub driver: Option<String>,
}

impl Member {
    /// Whether VFIO lets it be: a PCI-to-PCI bridge with any driver, another bridge without one.
    pub fn is_harmless_bridge(&self) -> bool {
        match self.class {
            Some(class) if class >> 8 == 0x0604 => true,
            Some(class) if class >> 16 == 0x06 => self.driver.is_none(),
            _ => false,
        }
    }
}

/// What sysfs says about the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The driver `vfio-pci` is loaded.
    pub vfio_pci: bool,
    /// The module `vfio` runs with `enable_unsafe_noiommu_mode`.
    pub no_iommu_mode: bool,
}

/// Sysfs could not be read, or says what it never says.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A read failed.
    #[error("cannot read {path} in sysfs: {source}")]
    Io {
        /// Below the root of sysfs.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A value has a form we do not know; better to stop than to guess.
    #[error("{path} in sysfs holds {value:?}, which is not {expected}")]
    Malformed {
        /// Below the root of sysfs.
        path: String,
        /// What it holds.
        value: String,
        /// What was looked for.
        expected: &'static str,
    },
}

pub(crate) fn device_path(address: PciAddress) -> String {
    format!("bus/pci/devices/{address}")
}

/// `None` for what is not there.
fn optional<T>(path: &str, result: io::Result<T>) -> Result<Option<T>, ObserveError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ObserveError::Io { path: path.to_owned(), source }),
    }
}

/// The last component of a link's target.
fn link_name<S: Sysfs>(sysfs: &S, path: &str) -> Result<Option<String>, ObserveError> {
    let target = optional(path, sysfs.readlink(path))?;
    Ok(target.map(|target| target.rsplit('/').next().unwrap_or_default().to_owned()))
}

fn driver_name(path: &str, name: String) -> Result<DriverName, ObserveError> {
    DriverName::try_from(name).map_err(|e| ObserveError::Malformed {
        path: path.to_owned(),
        value: e.to_string(),
        expected: "a driver's name",
    })
}

/// An attribute such as `0x020000`; `None` where there is no such file.
fn hex<S: Sysfs>(sysfs: &S, path: &str) -> Result<Option<u32>, ObserveError> {
    let Some(text) = optional(path, sysfs.read(path))? else { return Ok(None) };
    let digits = text.trim().trim_start_matches("0x");
    match u32::from_str_radix(digits, 16) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(ObserveError::Malformed {
            path: path.to_owned(),
            value: text,
            expected: "a hexadecimal number",
        }),
    }
}

pub(crate) fn driver<S: Sysfs>(sysfs: &S, address: PciAddress) -> Result<Option<DriverName>, ObserveError> {
    let path = format!("{}/driver", device_path(address));
    link_name(sysfs, &path)?.map(|name| driver_name(&path, name)).transpose()
}

pub(crate) fn driver_override<S: Sysfs>(
    sysfs: &S,
    address: PciAddress,
) -> Result<Option<DriverName>, ObserveError> {
    let path = format!("{}/driver_override", device_path(address));
    let text = sysfs.read(&path).map_err(|source| ObserveError::Io { path: path.clone(), source })?;
    match text.trim() {
        // How the kernel prints the null pointer of an override that is not set.
        "" | "(null)" => Ok(None),
        name => driver_name(&path, name.to_owned()).map(Some),
    }
}

/// Whether a PCI driver of this name is loaded.
pub(crate) fn is_loaded<S: Sysfs>(sysfs: &S, driver: &str) -> Result<bool, ObserveError> {
    let path = format!("bus/pci/drivers/{driver}");
    sysfs.exists(&path).map_err(|source| ObserveError::Io { path, source })
}

impl Host {
    /// Reads the host's part of sysfs.
    ///
    /// # Errors
    /// See [`ObserveError`].
    pub fn observe<S: Sysfs>(sysfs: &S) -> Result<Self, ObserveError> {
        let path = "module/vfio/parameters/enable_unsafe_noiommu_mode";
        let mode = optional(path, sysfs.read(path))?;
        Ok(Self {
            vfio_pci: is_loaded(sysfs, VFIO_PCI)?,
            no_iommu_mode: mode.is_some_and(|text| matches!(text.trim(), "Y" | "1")),
        })
    }
}

impl Device {
    /// Reads one device; nothing if there is none at this address.
    ///
    /// # Errors
    /// See [`ObserveError`].
    pub fn observe<S: Sysfs>(sysfs: &S, address: PciAddress) -> Result<Option<Self>, ObserveError> {
        let base = device_path(address);
        if !sysfs.exists(&base).map_err(|source| ObserveError::Io { path: base.clone(), source })? {
            return Ok(None);
        }
        let number = |file: &str| hex(sysfs, &format!("{base}/{file}")).map(Option::unwrap_or_default);
        let id = DeviceId(format!(
            "{:04x}:{:04x} {:04x}:{:04x}",
            number("vendor")?,
            number("device")?,
            number("subsystem_vendor")?,
            number("subsystem_device")?
        ));
        let group = match link_name(sysfs, &format!("{base}/iommu_group"))? {
            Some(id) => Some(Group::observe(sysfs, id)?),
            None => None,
        };
        let driver = driver(sysfs, address)?;
        let vfio_node = match &driver {
            Some(driver) if driver.is_vfio_pci() => vfio_node(sysfs, &base, group.as_ref())?,
            _ => None,
        };
        Ok(Some(Self {
            address,
            id,
            class: number("class")?,
            driver,
            driver_override: driver_override(sysfs, address)?,
            interfaces: interfaces(sysfs, &base)?,
            group,
            virtual_functions: virtual_functions(sysfs, &format!("{base}/sriov_numvfs"))?,
            vfio_node,
        }))
    }
}

impl Group {
    fn observe<S: Sysfs>(sysfs: &S, id: String) -> Result<Self, ObserveError> {
        let path = format!("kernel/iommu_groups/{id}/devices");
        let names = sysfs.list(&path).map_err(|source| ObserveError::Io { path, source })?;
        let mut members = Vec::new();
        for name in names {
            let class = hex(sysfs, &format!("bus/pci/devices/{name}/class"))?;
            let driver = link_name(sysfs, &format!("bus/pci/devices/{name}/driver"))?;
            members.push(Member { name, class, driver });
        }
        Ok(Self { id, members })
    }
}

/// Interfaces hang below the PCI device itself, or below the virtio device on it.
fn interfaces<S: Sysfs>(sysfs: &S, base: &str) -> Result<Vec<String>, ObserveError> {
    let list = |path: &str| optional(path, sysfs.list(path)).map(Option::unwrap_or_default);
    let mut found = list(&format!("{base}/net"))?;
    for child in list(base)?.iter().filter(|child| child.starts_with("virtio")) {
        found.extend(list(&format!("{base}/{child}/net"))?);
    }
    Ok(found)
}

fn virtual_functions<S: Sysfs>(sysfs: &S, path: &str) -> Result<u32, ObserveError> {
    let Some(text) = optional(path, sysfs.read(path))? else { return Ok(0) };
    text.trim().parse().map_err(|_| ObserveError::Malformed {
        path: path.to_owned(),
        value: text,
        expected: "a number of virtual functions",
    })
}

/// What the kernel made below `/dev/vfio`: the group's node, or the device's own on a kernel without group nodes.
fn vfio_node<S: Sysfs>(sysfs: &S, base: &str, group: Option<&Group>) -> Result<Option<String>, ObserveError> {
    for node in group.iter().flat_map(|group| [group.id.clone(), format!("noiommu-{}", group.id)]) {
        let path = format!("class/vfio/{node}");
        if sysfs.exists(&path).map_err(|source| ObserveError::Io { path, source })? {
            return Ok(Some(node));
        }
    }
    let path = format!("{base}/vfio-dev");
    let devices = optional(&path, sysfs.list(&path))?.unwrap_or_default();
    Ok(devices.first().map(|name| format!("devices/{name}")))
}
