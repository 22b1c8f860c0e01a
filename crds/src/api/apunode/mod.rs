//! `ApuNode`: what a node has, what it is to run, and what became of that.

mod assignment;
mod inventory;
mod status;

pub use assignment::{AssignedNic, Assignment, ChainReference, Desired, Resources};
pub use inventory::{BindRefusal, Cpus, Hugepages, InUse, InUseReason, Inventory, Nic, OpenclDevice, Svm};
pub use status::{ApuNodeStatus, AssignmentState, Binding, BindingStep, Phase};

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What a node is to run. The operator alone writes it; the node's agent
/// creates the object, empty and named as the Node.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "hummingbird.dev",
    version = "v1alpha1",
    kind = "ApuNode",
    plural = "apunodes",
    shortname = "apu",
    category = "hummingbird",
    cel,
    derive = "PartialEq",
    status = "ApuNodeStatus",
    doc = "A node with a shared-memory processor: its inventory, and the chains that it runs.",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "REASON",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "CHAINS", type_ = "string", json_path = ".status.assignments[*].chain.name"),
    printcolumn(name = "PHASES", type_ = "string", json_path = ".status.assignments[*].phase"),
    printcolumn(
        name = "WORKGROUPS",
        type_ = "string",
        json_path = ".status.inventory.devices[*].workgroupCapacity"
    ),
    printcolumn(name = "CPUS", type_ = "integer", json_path = ".status.inventory.cpus.freeExclusive"),
    printcolumn(
        name = "IN-USE",
        type_ = "string",
        json_path = ".status.inventory.nics[*].inUse.reason",
        priority = 1
    ),
    printcolumn(
        name = "UNUSABLE",
        type_ = "string",
        json_path = ".status.inventory.devices[*].reason",
        priority = 1
    ),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ApuNodeSpec {
    /// The chains that this node runs, or is to stop running.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uid".into()]))]
    pub assignments: Vec<Assignment>,
}
