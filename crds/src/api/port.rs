//! Ports: where packets come in and leave.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A port: a PCI device or a kernel interface.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.pci) != has(self.kernel)")
        .message("exactly one of pci and kernel is needed"),
    validation = Rule::new("has(self.pci) == has(oldSelf.pci)").message("the kind of a port is immutable")
)]
pub struct Port {
    /// Its name, unique in the chain.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// A PCI network device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pci: Option<Pci>,
    /// An interface that stays with the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Kernel>,
    /// Largest IPv4 packet, bytes: the frame without its 14 bytes of Ethernet header.
    #[serde(default = "default_mtu")]
    #[schemars(range(min = 68, max = 9216))]
    pub mtu: i32,
}

fn default_mtu() -> i32 {
    1500
}

/// A PCI network device: by address, or picked by what it is.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.address) != has(self.selector)")
    .message("exactly one of address and selector is needed"))]
pub struct Pci {
    /// Domain, bus, device and function: `0000:00:03.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$"))]
    pub address: Option<String>,
    /// What the device must be; the node's agent picks one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<PciSelector>,
}

/// What a PCI device must be; every field given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PciSelector {
    /// Name of its kernel interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15))]
    pub interface_name: Option<String>,
    /// Its permanent MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 17), regex(pattern = r"^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"))]
    pub mac: Option<String>,
    /// PCI vendor id, four hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{4}$"))]
    pub vendor: Option<String>,
    /// PCI device id, four hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{4}$"))]
    pub device: Option<String>,
    /// NUMA node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1023))]
    pub numa_node: Option<i32>,
}

/// An interface that stays with the kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kernel {
    /// Its name, at most 15 characters.
    #[schemars(length(min = 1, max = 15))]
    pub interface: String,
}
