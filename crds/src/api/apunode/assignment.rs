//! What the operator asks of a node.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{CpuPolicy, Quantity, SecurityMode};

/// One chain on this node. The entry is removed only after the agent has
/// reported the chain `Absent`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.chain == oldSelf.chain").message("the chain of an assignment is immutable"),
    validation = Rule::new("self.generation >= oldSelf.generation").message("a generation never goes back"),
    validation = Rule::new("self.generation > oldSelf.generation || self.hash == oldSelf.hash")
        .message("another hash needs a higher generation"),
    validation = Rule::new("oldSelf.desired != 'Absent' || self.desired == 'Absent'")
        .message("a teardown that has begun is finished: remove the entry first")
)]
pub struct Assignment {
    /// `metadata.uid` of the NfChain.
    #[schemars(length(min = 1, max = 63))]
    pub uid: String,
    /// Which NfChain that is.
    pub chain: ChainReference,
    /// Whether it is to run.
    pub desired: Desired,
    /// Generation of the tables to run, from 1; the operator counts.
    #[schemars(range(min = 1))]
    pub generation: i64,
    /// SHA-256 of the bundle in hex: names the ConfigMaps that hold it.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub hash: String,
    /// What the chain may take of this node.
    pub resources: Resources,
}

/// The namespace and name of an NfChain.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ChainReference {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl std::fmt::Display for ChainReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Whether a chain is to run on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Desired {
    /// It runs.
    Running,
    /// It is torn down: traffic stopped, pod gone, driver restored, workgroups free.
    Absent,
}

/// What a chain takes of a node.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.workgroups > 0) == has(self.device)")
        .message("workgroups and only they need a device")
)]
pub struct Resources {
    /// The NIC of each port.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["port".into()]))]
    pub nics: Vec<AssignedNic>,
    /// Index of the OpenCL device, as in the inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1023))]
    pub device: Option<i32>,
    /// Persistent workgroups on it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 65535))]
    pub workgroups: i32,
    /// CPU cores.
    #[schemars(range(min = 1, max = 1024))]
    pub cores: i32,
    /// Whether it has them for itself.
    #[serde(default)]
    pub cpu_policy: CpuPolicy,
    /// Memory in hugepages of 2 MiB; `0` runs on ordinary pages.
    pub hugepages: Quantity,
    /// Ordinary memory.
    pub memory: Quantity,
    /// The NUMA node that most of this lies on, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1023))]
    pub numa_node: Option<i32>,
    /// Rights of the dataplane's pod.
    #[serde(default)]
    pub security_mode: SecurityMode,
}

/// The NIC that a port was given.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.pciAddress) != has(self.interface)")
    .message("exactly one of pciAddress and interface is needed"))]
pub struct AssignedNic {
    /// Name of the chain's port.
    #[schemars(length(min = 1, max = 63))]
    pub port: String,
    /// A PCI port's device, taken from its kernel driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$"))]
    pub pci_address: Option<String>,
    /// A kernel port's interface, which stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15))]
    pub interface: Option<String>,
}
