//! NIDS functions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DataFrom;

/// A NIDS function: content rules in Snort and Suricata syntax.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Nids {
    /// Where the rules are.
    pub rules_from: DataFrom,
    /// Suricata's address and port variables; those left out have its defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Vec<String>>,
    /// What happens to rules that cannot be evaluated exactly.
    #[serde(default)]
    pub unsupported: Unsupported,
    /// What a match means, whatever action the rule names; pass rules are honoured.
    #[serde(default)]
    pub on_match: OnMatch,
}

/// What happens to rules that cannot be evaluated exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unsupported {
    /// They are left out and reported.
    #[default]
    Skip,
    /// They alert by header and contents alone, marked approximate, and never drop nor move a packet.
    ContentOnly,
}

/// What a match means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnMatch {
    /// An alert; the packet goes on.
    #[default]
    Alert,
    /// An alert; the packet is dropped.
    Drop,
}
