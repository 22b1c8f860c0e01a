//! `hummingbird.dev/v1alpha1`: the types behind the manifest and its schema.
//!
//! Names in the YAML are the fields' names in camelCase. Integers are `i32`
//! and `i64`, because an API server warns on unsigned formats; durations are
//! integers with the unit in their name.

// Several print columns are of one type.
#![allow(clippy::duplicated_attributes)]

mod apunode;
mod class;
mod dataplane;
mod function;
mod ipsec;
mod nids;
mod port;
mod router;
mod scalar;
mod source;
mod status;

pub use apunode::{
    ApuNode, ApuNodeSpec, ApuNodeStatus, AssignedNic, Assignment, AssignmentState, BindRefusal, Binding,
    BindingStep, ChainReference, Cpus, Desired, Hugepages, InUse, InUseReason, Inventory, Nic, OpenclDevice,
    Phase, Resources, Svm,
};
pub use class::{Class, Match, Selector, Transition, Verdict};
pub use dataplane::{CpuPolicy, Dataplane, Placement, PlacementMode, SecurityMode, UpdateStrategy};
pub use function::{Compute, Function, FunctionType};
pub use ipsec::{Cipher, Direction, Integrity, Ipsec, KeysFrom, SaMode, SecurityAssociation, Tunnel};
pub use nids::{Nids, OnMatch, Unsupported};
pub use port::{Kernel, Pci, PciSelector, Port};
pub use router::{Route, Router};
pub use scalar::{IntOrText, Quantity};
pub use source::{ConfigMapRef, DataFrom, LabelSelector, SecretRef};
pub use status::{Condition, Counters, Instance, NfChainStatus};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API group.
pub const GROUP: &str = "hummingbird.dev";
/// The version that this crate reads.
pub const VERSION: &str = "v1alpha1";

/// A chain of network functions: what the user wants of one machine, or of a
/// fleet of equal ones.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "hummingbird.dev",
    version = "v1alpha1",
    kind = "NfChain",
    plural = "nfchains",
    shortname = "nfc",
    category = "hummingbird",
    namespaced,
    cel,
    derive = "PartialEq",
    status = "NfChainStatus",
    doc = "A chain of network functions over the ports of a machine.",
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
    printcolumn(name = "NODE", type_ = "string", json_path = ".status.nodes"),
    printcolumn(name = "CLASSES", type_ = "integer", json_path = ".status.classes"),
    printcolumn(name = "RX", type_ = "integer", json_path = ".status.counters.rxPackets"),
    printcolumn(name = "TX", type_ = "integer", json_path = ".status.counters.txPackets"),
    printcolumn(name = "DROPS", type_ = "integer", json_path = ".status.counters.drops"),
    printcolumn(name = "GENERATION", type_ = "integer", json_path = ".status.generation"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.nonIPv4) || self.nonIPv4 != 'Forward' || size(self.ports) <= 2")
        .message("nonIPv4: Forward needs two ports at most"),
    validation = Rule::new(
        "!has(self.defaultClass) || self.classes.exists(c, c.name == self.defaultClass)"
    ).message("defaultClass must name a class"),
    validation = Rule::new(
        "!has(self.transitions) || self.transitions.all(t, self.classes.exists(c, c.name == t.class))"
    ).message("a transition must name a class"),
    validation = Rule::new(
        "self.classes.all(c, c.path.all(f, self.functions.exists(g, g.name == f)))"
    ).message("a path must name functions"),
    validation = Rule::new(
        "self.classes.all(c, !has(c.egress) || self.ports.exists(p, p.name == c.egress))"
    ).message("egress must name a port"),
    validation = Rule::new(
        "self.classes.all(c, !has(c.match) || !has(c.match.port) || self.ports.exists(p, p.name == c.match.port))"
    ).message("a match must name a port"),
    validation = Rule::new(
        "size(self.ports) <= 2 || self.classes.all(c, has(c.egress) || size(c.path) > 0 \
         && self.functions.exists(f, f.type == 'Router' && f.name == c.path[size(c.path) - 1]))"
    ).message("with more than two ports a class needs a Router at its path's end, or an egress"),
    validation = Rule::new(
        "!has(self.transitions) || self.transitions.all(t, self.functions.exists(f, f.name == t.__function__ \
         && has(f.nids) && (!has(f.nids.onMatch) || f.nids.onMatch != 'Drop')))"
    ).message("a transition must name a NIDS whose onMatch is not Drop"),
    validation = Rule::new(
        "!has(self.placement) || !has(self.placement.mode) || self.placement.mode != 'EveryMatchingNode' \
         || !self.functions.exists(f, has(f.ipsec) && f.ipsec.direction == 'Encrypt')"
    ).message("EveryMatchingNode refuses Encrypt: two senders may not share a security association")
)]
pub struct NfChainSpec {
    /// The ports that packets come in and leave by.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new("self.all(p, oldSelf.exists(o, o.name == p.name)) && oldSelf.all(o, self.exists(p, p.name == o.name))").message("ports are immutable"))]
    pub ports: Vec<Port>,
    /// The network functions.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub functions: Vec<Function>,
    /// Traffic classes; the first whose match holds takes the packet.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub classes: Vec<Class>,
    /// Which verdict of which function moves a packet to which class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["function".into(), "verdict".into()]))]
    pub transitions: Vec<Transition>,
    /// The class of packets that no match takes; left out, they are dropped and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub default_class: Option<String>,
    /// What happens to frames that are no IPv4 (ARP, IPv6, VLAN, …).
    #[serde(default, rename = "nonIPv4")]
    pub non_ipv4: NonIpv4,
    /// On which nodes the chain runs. In a cluster only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// What the dataplane may use.
    #[serde(default)]
    pub dataplane: Dataplane,
    /// What happens on a change that cannot be applied to a running dataplane.
    #[serde(default)]
    pub update_strategy: UpdateStrategy,
}

/// What happens to frames that are no IPv4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NonIpv4 {
    /// Dropped and counted.
    #[default]
    Drop,
    /// Unchanged out of the other port of two.
    Forward,
}
