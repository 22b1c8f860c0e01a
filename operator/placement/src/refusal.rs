//! Why a chain does not run somewhere.

use hummingbird_crds::api::{BindRefusal, ChainReference, SecurityMode};
use thiserror::Error;

/// What a namespace has limits of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// CPU cores.
    Cores,
    /// Bytes in hugepages.
    Hugepages,
    /// Persistent workgroups.
    Workgroups,
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cores => "cores",
            Self::Hugepages => "bytes of hugepages",
            Self::Workgroups => "workgroups",
        })
    }
}

/// Why a chain does not run on a node, or anywhere. Its text is one line that
/// says what is asked, what is there, and what to do where that is not plain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// An amount of memory that is none; about the chain as a whole.
    #[error("spec.dataplane.{field}: '{text}' is no amount of memory; write 512Mi or 1Gi")]
    InvalidQuantity {
        /// The field.
        field: &'static str,
        /// What it says.
        text: String,
    },
    /// About the chain as a whole.
    #[error("EveryMatchingNode with Encrypt: two senders may not share a security association; use One")]
    EncryptOnEveryNode,
    /// About the chain as a whole.
    #[error("securityMode {asked:?} is more than namespace {namespace} may have: {allowed:?}")]
    SecurityModeForbidden {
        /// The chain's namespace.
        namespace: String,
        /// What it asks.
        asked: SecurityMode,
        /// What it may have.
        allowed: SecurityMode,
    },
    /// Summed over all nodes.
    #[error(
        "namespace {namespace} may have {limit} {resource}; its other chains hold {held}, and {asked} more are asked"
    )]
    NamespaceLimitExceeded {
        /// The chain's namespace.
        namespace: String,
        /// Of what.
        resource: Resource,
        /// What this chain asks.
        asked: u64,
        /// What the namespace's other chains hold.
        held: u64,
        /// What all of them may hold.
        limit: u64,
    },
    /// There is no ApuNode at all.
    #[error("there is no ApuNode: does the node agent run?")]
    NoNodes,
    /// The Node is gone.
    #[error("the Node is gone")]
    NodeGone,
    /// The Node or its agent is not ready.
    #[error("the node is not ready")]
    NodeNotReady,
    /// The agent has not reported yet.
    #[error("its agent has not reported an inventory yet")]
    InventoryMissing,
    /// A label is missing or differs.
    #[error("nodeSelector wants {key}={wanted}; the node has {}", found.as_deref().unwrap_or("no such label"))]
    NodeSelectorMismatch {
        /// The label.
        key: String,
        /// The chain's value.
        wanted: String,
        /// The node's value.
        found: Option<String>,
    },
    /// No NIC is what a port asks.
    #[error("port {port}: no NIC is {wanted}")]
    NicNotFound {
        /// The port.
        port: String,
        /// What it asks.
        wanted: String,
    },
    /// Each port has NICs, but there are too few for all of them.
    #[error("port {port}: every NIC that is {wanted} is needed by another port of this chain")]
    TooFewNics {
        /// The port.
        port: String,
        /// What it asks.
        wanted: String,
    },
    /// Another chain has it.
    #[error("port {port}: NIC {nic} is taken by chain {by}")]
    NicTaken {
        /// The port.
        port: String,
        /// The NIC.
        nic: String,
        /// The other chain.
        by: ChainReference,
    },
    /// The node itself uses it.
    #[error("port {port}: NIC {nic} is in use by the node: {message}")]
    NicInUse {
        /// The port.
        port: String,
        /// The NIC.
        nic: String,
        /// For what.
        message: String,
    },
    /// It cannot be taken from its kernel driver.
    #[error("port {port}: NIC {nic} cannot be bound to vfio: {why:?}")]
    NicNotBindable {
        /// The port.
        port: String,
        /// The NIC.
        nic: String,
        /// Why.
        why: BindRefusal,
    },
    /// The chart's `devices` do not give it to the namespace.
    #[error("port {port}: namespace {namespace} may not use NIC {nic}; see the chart's value devices")]
    NicForbidden {
        /// The port.
        port: String,
        /// The NIC.
        nic: String,
        /// The chain's namespace.
        namespace: String,
    },
    /// No OpenCL device can run persistent kernels.
    #[error("no usable OpenCL device{}", why.as_ref().map_or_else(String::new, |why| format!(": {why}")))]
    NoUsableDevice {
        /// Why the first one is not.
        why: Option<String>,
    },
    /// A device that runs one process has a chain.
    #[error("device {device} runs one process at a time, and chain {by} has it")]
    DeviceTaken {
        /// Its index.
        device: i32,
        /// The chain that has it.
        by: ChainReference,
    },
    /// Too few workgroups are free.
    #[error("{asked} workgroups are asked; device {device} has {free} free of {capacity}")]
    NotEnoughWorkgroups {
        /// What the chain asks.
        asked: u32,
        /// Index of the device that has most free.
        device: i32,
        /// What is free there.
        free: u32,
        /// What it holds in all.
        capacity: u32,
    },
    /// Too few cores are free.
    #[error("{asked} exclusive cores are asked; {free} of {total} are free")]
    NotEnoughCores {
        /// What the chain asks.
        asked: u32,
        /// What is free.
        free: u32,
        /// What the node has.
        total: u32,
    },
    /// Too little CPU time is free, or more cores are asked than there are.
    #[error("{asked} shared cores ({millicores}m) are asked; {free}m are free on {total} cores")]
    NotEnoughCpuShares {
        /// Cores asked.
        asked: u32,
        /// The request that these make.
        millicores: u64,
        /// Millicores free.
        free: u64,
        /// Cores of the node.
        total: u32,
    },
    /// Too little memory in hugepages is free.
    #[error("{asked} bytes of hugepages are asked; {free} are free")]
    NotEnoughHugepages {
        /// Bytes asked.
        asked: u64,
        /// Bytes free.
        free: u64,
    },
    /// Too little ordinary memory is free.
    #[error("{asked} bytes of memory are asked; {free} are free")]
    NotEnoughMemory {
        /// Bytes asked.
        asked: u64,
        /// Bytes free.
        free: u64,
    },
    /// The pod found no room there; holds until its assignment is gone.
    #[error("its pod found no room on the node: something else took what was free")]
    NodeResourcesTaken,
    /// The chain's last run on this node is still being torn down.
    #[error("its last run on this node is still being torn down")]
    TeardownInProgress,
    /// The chain is to go elsewhere, but still runs or is torn down on another node.
    #[error("waits until it is gone from node {from}")]
    WaitsForOtherNode {
        /// Where it still is.
        from: String,
    },
    /// It runs, or has a better place, on another node.
    #[error("node {node} is preferred")]
    OtherNodePreferred {
        /// The node that it runs on.
        node: String,
    },
    /// A chain that encrypts, or one of a fleet, does not leave a node that is only not ready.
    #[error("the node is not ready, and the chain may still send there; delete the Node to move the chain")]
    SenderMayBeAlive,
}

impl Refusal {
    /// The one documented reason, in CamelCase, that a condition gives for it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidQuantity { .. } => "InvalidQuantity",
            Self::EncryptOnEveryNode => "EncryptOnEveryNode",
            Self::SecurityModeForbidden { .. } => "SecurityModeForbidden",
            Self::NamespaceLimitExceeded { .. } => "NamespaceLimitExceeded",
            Self::NoNodes => "NoNodes",
            Self::NodeGone => "NodeGone",
            Self::NodeNotReady => "NodeNotReady",
            Self::InventoryMissing => "InventoryMissing",
            Self::NodeSelectorMismatch { .. } => "NodeSelectorMismatch",
            Self::NicNotFound { .. } => "NicNotFound",
            Self::TooFewNics { .. } => "TooFewNics",
            Self::NicTaken { .. } => "NicTaken",
            Self::NicInUse { .. } => "NicInUse",
            Self::NicNotBindable { .. } => "NicNotBindable",
            Self::NicForbidden { .. } => "NicForbidden",
            Self::NoUsableDevice { .. } => "NoUsableDevice",
            Self::DeviceTaken { .. } => "DeviceTaken",
            Self::NotEnoughWorkgroups { .. } => "NotEnoughWorkgroups",
            Self::NotEnoughCores { .. } => "NotEnoughCores",
            Self::NotEnoughCpuShares { .. } => "NotEnoughCpuShares",
            Self::NotEnoughHugepages { .. } => "NotEnoughHugepages",
            Self::NotEnoughMemory { .. } => "NotEnoughMemory",
            Self::NodeResourcesTaken => "NodeResourcesTaken",
            Self::TeardownInProgress => "TeardownInProgress",
            Self::WaitsForOtherNode { .. } => "WaitsForOtherNode",
            Self::OtherNodePreferred { .. } => "OtherNodePreferred",
            Self::SenderMayBeAlive => "SenderMayBeAlive",
        }
    }

    /// The condition that gives it: `Accepted` for what the chain may not ask,
    /// `Placed` for what there is not.
    #[must_use]
    pub fn condition(&self) -> &'static str {
        match self {
            Self::InvalidQuantity { .. }
            | Self::EncryptOnEveryNode
            | Self::SecurityModeForbidden { .. }
            | Self::NamespaceLimitExceeded { .. }
            | Self::NicForbidden { .. } => "Accepted",
            _ => "Placed",
        }
    }

    /// Whether a chain that runs there has to leave at once: it may not be
    /// there, is not wanted there, or found no room. What merely no longer
    /// fits runs on until another node takes it.
    pub(crate) fn expels(&self) -> bool {
        matches!(
            self,
            Self::EncryptOnEveryNode
                | Self::SecurityModeForbidden { .. }
                | Self::NicForbidden { .. }
                | Self::NodeSelectorMismatch { .. }
                | Self::NodeGone
                | Self::NodeNotReady
                | Self::NodeResourcesTaken
        )
    }
}
