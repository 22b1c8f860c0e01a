//! What a node has.
//!
//! "Free" always means: not held by pods of others. The agent leaves out what
//! the dataplane's own pods hold, and the operator subtracts the assignments,
//! so nothing is counted twice and a pod that is about to start has its place.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Quantity;

/// What a node has that chains may use.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// Network interfaces and PCI network devices, whichever driver has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub nics: Vec<Nic>,
    /// OpenCL devices, also those that cannot be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["index".into()]))]
    pub devices: Vec<OpenclDevice>,
    /// CPU cores.
    pub cpus: Cpus,
    /// Hugepages of 2 MiB by NUMA node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["numaNode".into()]))]
    pub hugepages: Vec<Hugepages>,
    /// Ordinary memory that is free.
    pub memory_free: Quantity,
}

/// A network interface, a PCI network device, or both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Nic {
    /// The PCI address where there is one, else the interface's name.
    #[schemars(length(min = 1, max = 15))]
    pub id: String,
    /// Name of the kernel's interface; while vfio has the device, the name that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15))]
    pub interface: Option<String>,
    /// `0000:00:03.0`; none for a veth and its like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$"))]
    pub pci_address: Option<String>,
    /// The driver that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub driver: Option<String>,
    /// Its IOMMU group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iommu_group: Option<i32>,
    /// Its NUMA node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1023))]
    pub numa_node: Option<i32>,
    /// Whether the link is up; none while the kernel does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_up: Option<bool>,
    /// Its permanent MAC address, in lower case; known also while vfio has the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 17), regex(pattern = r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$"))]
    pub mac: Option<String>,
    /// PCI vendor id, four hex digits in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-f]{4}$"))]
    pub vendor: Option<String>,
    /// PCI device id, four hex digits in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-f]{4}$"))]
    pub device: Option<String>,
    /// What the node itself uses it for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use: Option<InUse>,
    /// Why it cannot be taken from its kernel driver; a `kernel` port may still use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_refusal: Option<BindRefusal>,
}

/// What a node uses a NIC for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InUse {
    /// The gravest use.
    pub reason: InUseReason,
    /// A sentence for people: which address, which route.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// The uses of a NIC, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InUseReason {
    /// The default route, the way to the API server or the node's address runs
    /// over it, also through a bond, bridge, VLAN or macvlan: no chain may have it.
    Management,
    /// It is part of a bond or a bridge, or carries VLANs.
    Upper,
    /// A route leaves by it.
    Route,
    /// It has an address.
    Address,
}

/// Why a PCI device cannot be taken from its kernel driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BindRefusal {
    /// The node has no IOMMU that is switched on.
    NoIommu,
    /// Its IOMMU group holds devices of others.
    IommuGroupShared,
    /// The node's kernel has no vfio-pci.
    NoVfio,
}

/// An OpenCL device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenclDevice {
    /// Place in the dataplane's list of devices.
    #[schemars(range(min = 0, max = 1023))]
    pub index: i32,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The platform's name.
    #[schemars(length(max = 253))]
    pub platform: String,
    /// Its shared virtual memory.
    pub svm: Svm,
    /// Persistent workgroups that can be resident together.
    #[schemars(range(min = 0, max = 65535))]
    pub workgroup_capacity: i32,
    /// Its NUMA node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1023))]
    pub numa_node: Option<i32>,
    /// It runs one process at a time, so it takes one chain.
    #[serde(default)]
    pub one_process: bool,
    /// Why it cannot be used; left out, it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

/// Shared virtual memory of an OpenCL device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Svm {
    /// None.
    None,
    /// Coarse-grained: no sharing while a kernel runs.
    Coarse,
    /// Fine-grained, without atomics.
    Fine,
    /// Fine-grained with atomics, as a persistent kernel needs.
    FineAtomics,
}

/// CPU cores of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cpus {
    /// All that pods may use.
    #[schemars(range(min = 0, max = 8192))]
    pub total: i32,
    /// Whole cores that a pod can have for itself, from the kubelet's PodResources.
    #[schemars(range(min = 0, max = 8192))]
    pub free_exclusive: i32,
    /// Thousandths of cores that no request of others holds.
    #[schemars(range(min = 0, max = 8192000))]
    pub free_millicores: i32,
}

/// Hugepages of 2 MiB on a NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hugepages {
    /// The NUMA node.
    #[schemars(range(min = 0, max = 1023))]
    pub numa_node: i32,
    /// Memory in all its hugepages.
    pub total: Quantity,
    /// Memory in those that are free.
    pub free: Quantity,
}
