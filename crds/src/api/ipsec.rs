//! IPsec functions and their security associations.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretRef, Selector};

/// An IPsec function: one direction of ESP.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "self.direction == 'Decrypt' || self.securityAssociations.all(sa, !has(sa.replayWindow))"
    ).message("replayWindow is for direction: Decrypt")
)]
pub struct Ipsec {
    /// Whether it encapsulates or decapsulates.
    pub direction: Direction,
    /// Encrypt: the first whose selector holds is used. Decrypt: SPI and outer destination find it.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub security_associations: Vec<SecurityAssociation>,
}

/// Which way a function goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    /// Into ESP.
    Encrypt,
    /// Out of ESP.
    Decrypt,
}

/// A security association (RFC 4301, section 4.4.2).
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.mode == 'Tunnel') == has(self.tunnel)")
    .message("mode Tunnel and only it needs the block tunnel"))]
pub struct SecurityAssociation {
    /// Its name, unique in the function.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// Security parameters index; those below 256 are reserved.
    #[schemars(range(min = 256, max = 4294967295i64))]
    pub spi: i64,
    /// What is protected.
    pub mode: SaMode,
    /// Tunnel mode: the outer addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
    /// The cipher.
    pub cipher: Cipher,
    /// The integrity algorithm.
    pub integrity: Integrity,
    /// Extended, 64-bit sequence numbers (RFC 4304).
    #[serde(default)]
    pub esn: bool,
    /// Where the keys are.
    pub keys_from: KeysFrom,
    /// Encrypt: which packets use this SA. Decrypt: what the inner packet must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// Decrypt: packets that the replay window spans, 1024 if left out; 0 is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65536))]
    pub replay_window: Option<i32>,
}

/// Packets that a replay window spans unless the manifest says otherwise.
pub const DEFAULT_REPLAY_WINDOW: i32 = 1024;

impl SecurityAssociation {
    /// The replay window in packets, by the manifest or by default.
    #[must_use]
    pub fn replay_window(&self) -> i32 {
        self.replay_window.unwrap_or(DEFAULT_REPLAY_WINDOW)
    }
}

/// What ESP protects (RFC 4303, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaMode {
    /// The whole packet, behind a new IPv4 header.
    Tunnel,
    /// The payload of the packet's own IPv4 header.
    Transport,
}

/// Addresses of a tunnel's outer header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tunnel {
    /// Outer source, dotted quad.
    #[schemars(length(max = 15), regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}$"))]
    pub source: String,
    /// Outer destination, dotted quad.
    #[schemars(length(max = 15), regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}$"))]
    pub destination: String,
}

/// Ciphers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Cipher {
    /// RFC 3602 with a 128-bit key.
    #[serde(rename = "AES-128-CBC")]
    Aes128Cbc,
}

/// Integrity algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Integrity {
    /// RFC 2404.
    #[serde(rename = "HMAC-SHA1-96")]
    HmacSha1_96,
}

/// Where an SA's keys are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeysFrom {
    /// A Secret with `cipherKey` (16 bytes) and `integrityKey` (20 bytes).
    pub secret_ref: SecretRef,
}
