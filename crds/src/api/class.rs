//! Traffic classes, selectors and transitions.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::IntOrText;

/// A traffic class: which packets, and their path.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.path.all(f, self.path.exists_one(g, g == f))")
    .message("a path visits a function once"))]
pub struct Class {
    /// Its name, unique in the chain.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// Which packets; left out, the class is entered by a transition or as the default only.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub match_: Option<Match>,
    /// The functions in order, each at most once, a Router only at the end.
    // Few enough that the API server lets CEL compare them all.
    #[schemars(length(max = 16), inner(length(max = 63)))]
    pub path: Vec<String>,
    /// The port that frames leave by, unchanged, where no Router ends the
    /// path; left out, the other port of two, the same of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub egress: Option<String>,
}

/// Conditions on a packet as it comes in; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// The port that it came in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub port: Option<String>,
    /// Source prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 18), regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}(/[0-9]{1,2})?$"))]
    pub source: Option<String>,
    /// Destination prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 18), regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}(/[0-9]{1,2})?$"))]
    pub destination: Option<String>,
    /// `TCP`, `UDP`, `ICMP`, `ESP` or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<IntOrText>,
    /// A port or a range, `4000-4999`; never holds for a fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<IntOrText>,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ports: Option<IntOrText>,
}

/// Conditions on a flow: an SA's selector. All that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Source prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 18), regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}(/[0-9]{1,2})?$"))]
    pub source: Option<String>,
    /// Destination prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 18), regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}(/[0-9]{1,2})?$"))]
    pub destination: Option<String>,
    /// `TCP`, `UDP`, `ICMP`, `ESP` or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<IntOrText>,
    /// A port or a range, `4000-4999`; never holds for a fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<IntOrText>,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ports: Option<IntOrText>,
}

impl Match {
    /// The conditions on the flow, the ingress port apart.
    #[must_use]
    pub fn selector(&self) -> Selector {
        Selector {
            source: self.source.clone(),
            destination: self.destination.clone(),
            protocol: self.protocol.clone(),
            source_ports: self.source_ports.clone(),
            destination_ports: self.destination_ports.clone(),
        }
    }
}

/// A function's verdict moves a packet to the start of another class's path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transition {
    /// The NIDS function.
    #[schemars(length(min = 1, max = 63))]
    pub function: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// The class that the packet goes on in.
    #[schemars(length(min = 1, max = 63))]
    pub class: String,
}

/// What a function may say of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// A rule matched.
    Match,
}
