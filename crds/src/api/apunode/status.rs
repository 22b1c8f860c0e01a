//! What a node's agent reports.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChainReference, Inventory};
use crate::api::{Condition, Counters};

/// What is true of the node. Its own agent alone writes it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApuNodeStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the node has; left out until the agent has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// The binding journal: every device that was taken from its kernel driver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["pciAddress".into()]))]
    pub bindings: Vec<Binding>,
    /// What became of each assignment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uid".into()]))]
    pub assignments: Vec<AssignmentState>,
    /// Of the node as a whole; `Ready` says whether the agent can run chains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// An entry of the binding journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The device.
    #[schemars(regex(pattern = r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$"))]
    pub pci_address: String,
    /// `metadata.uid` of the chain that it was taken for.
    #[schemars(length(max = 63))]
    pub uid: String,
    /// The driver that it had at first, and gets back; none if it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub original_driver: Option<String>,
    /// Where it is on its way.
    pub step: BindingStep,
    /// Why it does not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// Where a device is between its kernel driver and vfio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BindingStep {
    /// On its way to vfio.
    Binding,
    /// With vfio.
    Bound,
    /// On its way back.
    Restoring,
    /// Neither way goes on; `message` says why.
    Stuck,
}

/// What became of an assignment.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentState {
    /// `metadata.uid` of the NfChain.
    #[schemars(length(min = 1, max = 63))]
    pub uid: String,
    /// Which NfChain that is.
    pub chain: ChainReference,
    /// Where it is on its way.
    pub phase: Phase,
    /// Generation of the tables that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// As on the chain, for this node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// At most a minute old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
}

/// Where an assignment is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Seen; devices are being prepared.
    Preparing,
    /// Its pod is starting.
    Starting,
    /// Tables run.
    Running,
    /// It failed and is tried again, with growing pauses.
    Failing,
    /// Its pod found no room on the node: the operator places it anew.
    HandedBack,
    /// Traffic is stopped, then all is given back.
    Stopping,
    /// Nothing of it is left.
    Absent,
}
