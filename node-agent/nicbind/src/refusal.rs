//! What must not be bound. Decided from facts, before anything is touched.

use std::collections::BTreeSet;

use crate::{Device, DriverName, Host, InUse, PciAddress, in_use};

/// Drivers whose DPDK driver works beside them: such a NIC is used without binding (DPDK guide, "NIC drivers",
/// MLX4, MLX5 and MANA).
pub const BIFURCATED: [&str; 3] = ["mlx5_core", "mlx4_core", "mana"];

/// Drivers that make no interface: a NIC on them has none to look for.
const WITHOUT_INTERFACE: [&str; 5] = ["vfio-pci", "uio_pci_generic", "igb_uio", "pci-stub", "xen-pciback"];

/// What the caller knows and allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permission {
    /// The interfaces that must stay: see [`protected_interfaces`](crate::protected_interfaces).
    pub in_use: Vec<InUse>,
    /// The PCI devices that are the dataplane's; they may share an IOMMU group with one another.
    pub ours: BTreeSet<PciAddress>,
    /// Bind without an IOMMU. The NIC can then write to all memory of the host.
    pub allow_no_iommu: bool,
}

/// Why a NIC is not bound. Nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such device.
    #[error("there is no PCI device {address}: look it up with `ls /sys/bus/pci/devices`")]
    Absent {
        /// The address asked for.
        address: PciAddress,
    },
    /// The device is no NIC.
    #[error("{address} has class {class:06x}, network controllers have 02xxxx: name a NIC")]
    NotANetworkDevice {
        /// The device.
        address: PciAddress,
        /// Its class code.
        class: u32,
    },
    /// The driver shares the NIC with user space.
    #[error("{address} is on {driver}, which DPDK uses as it is: use the NIC without binding it")]
    Bifurcated {
        /// The NIC.
        address: PciAddress,
        /// Its driver.
        driver: DriverName,
    },
    /// The node needs the interface.
    #[error(
        "{address} must stay with the kernel: {}. Choose another NIC or move this traffic first",
        in_use::list(uses)
    )]
    InUse {
        /// The NIC.
        address: PciAddress,
        /// All that it is used for.
        uses: Vec<InUse>,
    },
    /// A network driver has the NIC, but no interface is to be seen.
    #[error(
        "{address} is on {driver} but shows no interface: it is in another network namespace, used by a pod perhaps. \
         Move it to the host's namespace"
    )]
    InterfaceHidden {
        /// The NIC.
        address: PciAddress,
        /// Its driver.
        driver: DriverName,
    },
    /// SR-IOV virtual functions live on the NIC.
    #[error(
        "{address} has {count} SR-IOV virtual functions, which unbinding would destroy: \
         write 0 to its sriov_numvfs once nothing uses them, or use a virtual function instead"
    )]
    VirtualFunctionsPresent {
        /// The NIC.
        address: PciAddress,
        /// How many.
        count: u32,
    },
    /// The driver is not there.
    #[error("the driver vfio-pci is not loaded: `modprobe vfio-pci`, and name it in /etc/modules-load.d")]
    VfioPciNotLoaded,
    /// No IOMMU guards the host's memory from the NIC.
    #[error(
        "{address} is in no IOMMU group: switch the IOMMU on in the firmware and with intel_iommu=on or amd_iommu=on, \
         or allow no-IOMMU mode if the NIC may write to all memory"
    )]
    NoIommu {
        /// The NIC.
        address: PciAddress,
    },
    /// No-IOMMU mode is allowed, but the kernel does not have it on.
    #[error(
        "{address} is in no IOMMU group, and no-IOMMU mode is allowed here but off in the kernel: \
         write Y to /sys/module/vfio/parameters/enable_unsafe_noiommu_mode (the kernel needs CONFIG_VFIO_NOIOMMU)"
    )]
    NoIommuModeOff {
        /// The NIC.
        address: PciAddress,
    },
    /// The IOMMU cannot tell the NIC from devices that are not ours.
    #[error(
        "{address} shares IOMMU group {group} with {}: give these to the dataplane too, \
         or put the NIC into a slot with its own group", others.join(", ")
    )]
    SharedGroup {
        /// The NIC.
        address: PciAddress,
        /// The group.
        group: String,
        /// The devices that are neither ours nor bridges.
        others: Vec<String>,
    },
}

/// The first reason not to bind `device`, the weightiest for the node first.
///
/// # Errors
/// See [`Refusal`].
pub fn check(device: &Device, host: Host, permission: &Permission) -> Result<(), Refusal> {
    let address = device.address;
    if device.class >> 16 != 0x02 {
        return Err(Refusal::NotANetworkDevice { address, class: device.class });
    }
    if let Some(driver) = device.driver.clone().filter(|name| BIFURCATED.contains(&name.as_str())) {
        return Err(Refusal::Bifurcated { address, driver });
    }
    let uses: Vec<InUse> = permission
        .in_use
        .iter()
        .filter(|fact| device.interfaces.contains(&fact.interface))
        .cloned()
        .collect();
    if !uses.is_empty() {
        return Err(Refusal::InUse { address, uses });
    }
    if let Some(driver) = device.driver.clone().filter(|name| !WITHOUT_INTERFACE.contains(&name.as_str()))
        && device.interfaces.is_empty()
    {
        return Err(Refusal::InterfaceHidden { address, driver });
    }
    if device.virtual_functions > 0 {
        return Err(Refusal::VirtualFunctionsPresent { address, count: device.virtual_functions });
    }
    if !host.vfio_pci {
        return Err(Refusal::VfioPciNotLoaded);
    }
    match &device.group {
        None if !permission.allow_no_iommu => return Err(Refusal::NoIommu { address }),
        None if !host.no_iommu_mode => return Err(Refusal::NoIommuModeOff { address }),
        None => {}
        Some(group) => {
            let is_ours = |name: &str| {
                name.parse().is_ok_and(|member| member == address || permission.ours.contains(&member))
            };
            let others: Vec<String> = group
                .members
                .iter()
                .filter(|member| !is_ours(&member.name) && !member.is_harmless_bridge())
                .map(|member| member.name.clone())
                .collect();
            if !others.is_empty() {
                return Err(Refusal::SharedGroup { address, group: group.id.clone(), others });
            }
        }
    }
    Ok(())
}
