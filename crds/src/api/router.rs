//! Router functions.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DataFrom;

/// A Router: IPv4 longest-prefix match. The table alone decides.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.routes) != has(self.routesFrom)")
    .message("exactly one of routes and routesFrom is needed"))]
pub struct Router {
    /// Where the routes are, as CSV with the header `prefix,port,nextHopMac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes_from: Option<DataFrom>,
    /// The routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub routes: Option<Vec<Route>>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Destination, `10.0.0.0/8`.
    #[schemars(length(max = 18), regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}(/[0-9]{1,2})?$"))]
    pub prefix: String,
    /// The port that packets leave by.
    #[schemars(length(max = 63))]
    pub port: String,
    /// Destination MAC address of the frames.
    #[schemars(length(max = 17), regex(pattern = r"^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"))]
    pub next_hop_mac: String,
}
