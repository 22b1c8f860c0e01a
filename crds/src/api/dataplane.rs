//! Placement, and what the dataplane may use.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;

/// On which nodes the chain runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// On how many of them.
    #[serde(default)]
    pub mode: PlacementMode,
}

/// On how many nodes a chain runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlacementMode {
    /// On one.
    #[default]
    One,
    /// On each: a fleet of equal machines. Refused with Encrypt SAs, which two senders may not share.
    EveryMatchingNode,
}

/// What the dataplane may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dataplane {
    /// CPU cores; left out, as many as its roles need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub cores: Option<i32>,
    /// Whether it has its cores for itself.
    #[serde(default)]
    pub cpu_policy: CpuPolicy,
    /// Longest wait of a packet for its row to fill, microseconds.
    #[serde(default = "default_max_row_delay")]
    #[schemars(range(min = 0, max = 1000000))]
    pub max_row_delay_microseconds: i32,
    /// Hugepage memory; left out, as much as the chain needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hugepages: Option<Quantity>,
    /// Memory for tables of all live generations; left out, as much as the chain needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_memory: Option<Quantity>,
    /// Rights of the dataplane's pod.
    #[serde(default)]
    pub security_mode: SecurityMode,
}

fn default_max_row_delay() -> i32 {
    100
}

impl Default for Dataplane {
    fn default() -> Self {
        Self {
            cores: None,
            cpu_policy: CpuPolicy::default(),
            max_row_delay_microseconds: default_max_row_delay(),
            hugepages: None,
            table_memory: None,
            security_mode: SecurityMode::default(),
        }
    }
}

/// Whether the dataplane has its cores for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CpuPolicy {
    /// Whole cores.
    #[default]
    Exclusive,
    /// Shares of cores, for small nodes and labs.
    Shared,
}

/// Rights of the dataplane's pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SecurityMode {
    /// A privileged container.
    #[default]
    Privileged,
    /// Only the capabilities that the ports need.
    Restricted,
}

/// What happens on a change that cannot be applied to a running dataplane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpdateStrategy {
    /// The dataplane is drained and replaced.
    #[default]
    Restart,
    /// It runs on as it is until someone restarts it.
    Manual,
}
