//! Which namespace may use what: the chart's values.

use hummingbird_crds::api::{InUseReason, Nic, Quantity, SecurityMode};
use serde::Deserialize;

/// Stands for every namespace.
const EVERY: &str = "*";

/// Who may use which NICs, and how much of the rest.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DevicePolicy {
    /// Which NICs a namespace may use; none at all gives every namespace every
    /// NIC that has no address and no route.
    pub devices: Vec<DeviceRule>,
    /// Most rights that any dataplane pod may have.
    pub max_security_mode: SecurityMode,
    /// Limits; the first entry that names a namespace holds for it.
    pub limits: Vec<NamespaceLimits>,
}

/// Gives some NICs to some namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceRule {
    /// Which NICs; every field given must hold.
    #[serde(default)]
    pub selector: NicSelector,
    /// The namespaces; `*` is every one.
    pub namespaces: Vec<String>,
    /// Also NICs with an address or a route. Never the one that the node is managed by.
    #[serde(default)]
    pub in_use: bool,
}

/// What a NIC must be; empty is every NIC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NicSelector {
    /// `0000:00:03.0`.
    pub pci_address: Option<String>,
    /// Name of the kernel's interface.
    pub interface_name: Option<String>,
    /// Permanent MAC address.
    pub mac: Option<String>,
    /// PCI vendor id, four hex digits.
    pub vendor: Option<String>,
    /// PCI device id, four hex digits.
    pub device: Option<String>,
    /// NUMA node.
    pub numa_node: Option<i32>,
}

/// What all chains of each of some namespaces may hold together.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceLimits {
    /// The namespaces, each by itself; `*` is every one.
    pub namespaces: Vec<String>,
    /// CPU cores, exclusive and shared.
    #[serde(default)]
    pub cores: Option<u32>,
    /// Memory in hugepages; a quantity that is none allows nothing.
    #[serde(default)]
    pub hugepages: Option<Quantity>,
    /// Persistent workgroups.
    #[serde(default)]
    pub workgroups: Option<u32>,
    /// Most rights of a dataplane pod.
    #[serde(default)]
    pub max_security_mode: Option<SecurityMode>,
}

/// What the policy says of a NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Given,
    OnlyIfUnused,
    NotGiven,
}

fn names(namespaces: &[String], namespace: &str) -> bool {
    namespaces.iter().any(|name| name == namespace || name == EVERY)
}

/// Whether a wish, if there is one, is what was found; case does not count in hex.
pub(crate) fn holds(wanted: Option<&String>, found: Option<&String>) -> bool {
    wanted.is_none_or(|wanted| found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
}

impl NicSelector {
    /// Whether a NIC is what this asks.
    #[must_use]
    pub fn matches(&self, nic: &Nic) -> bool {
        holds(self.pci_address.as_ref(), nic.pci_address.as_ref())
            && self.interface_name.as_ref().is_none_or(|name| nic.interface.as_ref() == Some(name))
            && holds(self.mac.as_ref(), nic.mac.as_ref())
            && holds(self.vendor.as_ref(), nic.vendor.as_ref())
            && holds(self.device.as_ref(), nic.device.as_ref())
            && self.numa_node.is_none_or(|node| nic.numa_node == Some(node))
    }
}

impl DevicePolicy {
    /// The limits of a namespace, where it has any.
    pub(crate) fn limits(&self, namespace: &str) -> Option<&NamespaceLimits> {
        self.limits.iter().find(|limits| names(&limits.namespaces, namespace))
    }

    /// The most rights that a namespace's dataplane pods may have.
    pub(crate) fn security_mode(&self, namespace: &str) -> SecurityMode {
        let own = self.limits(namespace).and_then(|limits| limits.max_security_mode);
        match (self.max_security_mode, own) {
            (SecurityMode::Restricted, _) | (_, Some(SecurityMode::Restricted)) => SecurityMode::Restricted,
            _ => SecurityMode::Privileged,
        }
    }

    /// Whether a namespace may use a NIC.
    pub(crate) fn permission(&self, namespace: &str, nic: &Nic) -> Permission {
        let managed = nic.in_use.as_ref().is_some_and(|used| used.reason == InUseReason::Management);
        if self.devices.is_empty() {
            return if nic.in_use.is_none() { Permission::Given } else { Permission::OnlyIfUnused };
        }
        let gives = |rule: &&DeviceRule| names(&rule.namespaces, namespace) && rule.selector.matches(nic);
        let mut given = self.devices.iter().filter(gives);
        if given.clone().next().is_none() {
            Permission::NotGiven
        } else if nic.in_use.is_none() || !managed && given.any(|rule| rule.in_use) {
            Permission::Given
        } else {
            Permission::OnlyIfUnused
        }
    }
}
