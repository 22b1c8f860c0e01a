//! Network functions.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ipsec, Nids, Router};

/// A network function and where it runs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.type == 'IPsec') == has(self.ipsec)")
        .message("type IPsec and only it needs the block ipsec"),
    validation = Rule::new("(self.type == 'NIDS') == has(self.nids)")
        .message("type NIDS and only it needs the block nids"),
    validation = Rule::new("(self.type == 'Router') == has(self.router)")
        .message("type Router and only it needs the block router"),
    validation = Rule::new("self.name != 'rx' && self.name != 'tx'")
        .message("rx and tx are words of the route table"),
    validation = Rule::new("self.type != 'Router' || self.compute == 'CPU'")
        .message("a Router runs on the CPU"),
    validation = Rule::new("self.compute != 'GPU' || !has(self.cores)")
        .message("cores is for compute: CPU; a GPU function has workgroups"),
    validation = Rule::new("self.compute != 'CPU' || !has(self.workgroups)")
        .message("workgroups is for compute: GPU; a CPU function has cores")
)]
pub struct Function {
    /// Its name, unique in the chain; `rx` and `tx` are taken.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// What it does.
    #[serde(rename = "type")]
    pub type_: FunctionType,
    /// Where it runs.
    pub compute: Compute,
    /// GPU: persistent workgroups, 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub workgroups: Option<i32>,
    /// CPU: instances, 1 if left out. They may share physical cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub cores: Option<i32>,
    /// Of type IPsec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipsec: Option<Ipsec>,
    /// Of type NIDS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nids: Option<Nids>,
    /// Of type Router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<Router>,
}

/// The kinds of network function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FunctionType {
    /// ESP, RFC 4303.
    #[serde(rename = "IPsec")]
    Ipsec,
    /// Content rules in Snort and Suricata syntax.
    #[serde(rename = "NIDS")]
    Nids,
    /// IPv4 longest-prefix match.
    Router,
}

/// Where a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compute {
    /// On workgroups of the GPU.
    #[serde(rename = "GPU")]
    Gpu,
    /// On CPU cores.
    #[serde(rename = "CPU")]
    Cpu,
}

impl std::fmt::Display for FunctionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ipsec => "IPsec",
            Self::Nids => "NIDS",
            Self::Router => "Router",
        })
    }
}
