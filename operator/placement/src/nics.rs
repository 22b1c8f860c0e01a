//! Which NIC each port gets: a matching of ports to NICs.

use hummingbird_crds::api::{AssignedNic, ChainReference, Nic};

use crate::{
    demand::{ChainDemand, NicDemand, PortDemand},
    policy::{DevicePolicy, Permission},
    refusal::Refusal,
};

/// For each port the NICs that it may have, as indices into the inventory.
pub(crate) type Candidates = Vec<Vec<usize>>;

/// The NICs that each port may have.
///
/// # Errors
/// A port has none. Of several reasons the one that is nearest to a success is given.
pub(crate) fn candidates(
    demand: &ChainDemand,
    nics: &[Nic],
    holders: &[Option<&ChainReference>],
    policy: &DevicePolicy,
) -> Result<Candidates, Refusal> {
    let port_candidates = |port: &PortDemand| {
        let mut found = Vec::new();
        let mut nearest: Option<Refusal> = None;
        for (index, nic) in nics.iter().enumerate().filter(|(_, nic)| port.nic.matches(nic)) {
            match usable(port, nic, holders[index], &demand.chain.namespace, policy) {
                Ok(()) => found.push(index),
                Err(refusal) => {
                    let nearer = nearest.as_ref().is_none_or(|other| distance(&refusal) < distance(other));
                    nearest = if nearer { Some(refusal) } else { nearest };
                }
            }
        }
        if found.is_empty() {
            let (port, wanted) = (port.name.clone(), port.nic.to_string());
            return Err(nearest.unwrap_or(Refusal::NicNotFound { port, wanted }));
        }
        Ok(found)
    };
    demand.ports.iter().map(port_candidates).collect()
}

/// How far a NIC was from being given.
fn distance(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::NicTaken { .. } => 0,
        Refusal::NicInUse { .. } => 1,
        Refusal::NicNotBindable { .. } => 2,
        _ => 3,
    }
}

fn usable(
    port: &PortDemand,
    nic: &Nic,
    holder: Option<&ChainReference>,
    namespace: &str,
    policy: &DevicePolicy,
) -> Result<(), Refusal> {
    let (port_name, name) = (port.name.clone(), nic.id.clone());
    match policy.permission(namespace, nic) {
        Permission::NotGiven => {
            let namespace = namespace.to_owned();
            return Err(Refusal::NicForbidden { port: port_name, nic: name, namespace });
        }
        Permission::OnlyIfUnused => {
            let message = nic.in_use.as_ref().map_or_else(String::new, |used| used.message.clone());
            return Err(Refusal::NicInUse { port: port_name, nic: name, message });
        }
        Permission::Given => {}
    }
    if let (NicDemand::Pci(_), Some(why)) = (&port.nic, nic.bind_refusal) {
        return Err(Refusal::NicNotBindable { port: port_name, nic: name, why });
    }
    match holder {
        Some(by) => Err(Refusal::NicTaken { port: port_name, nic: name, by: by.clone() }),
        None => Ok(()),
    }
}

impl NicDemand {
    fn matches(&self, nic: &Nic) -> bool {
        match self {
            Self::Kernel(interface) => nic.interface.as_ref() == Some(interface),
            Self::Pci(selector) => nic.pci_address.is_some() && selector.matches(nic),
        }
    }

    fn assigned(&self, port: &str, nic: &Nic) -> AssignedNic {
        let (pci_address, interface) = match self {
            Self::Kernel(interface) => (None, Some(interface.clone())),
            Self::Pci(_) => (nic.pci_address.clone(), None),
        };
        AssignedNic { port: port.into(), pci_address, interface }
    }
}

/// Gives each port a NIC of its own, preferably the one it has (`keep`), then
/// one on the NUMA node `home`, then one whose link is up.
///
/// # Errors
/// [`Refusal::TooFewNics`].
pub(crate) fn choose(
    demand: &ChainDemand,
    nics: &[Nic],
    candidates: &Candidates,
    keep: &[AssignedNic],
    home: Option<i32>,
) -> Result<Vec<usize>, Refusal> {
    let has = |port: usize, nic: usize| {
        let port = &demand.ports[port];
        keep.contains(&port.nic.assigned(&port.name, &nics[nic]))
    };
    let mut ranked = candidates.clone();
    for (port, list) in ranked.iter_mut().enumerate() {
        list.sort_by_key(|nic| {
            let remote = home.is_some() && nics[*nic].numa_node.is_some_and(|node| Some(node) != home);
            (!has(port, *nic), remote, nics[*nic].link_up == Some(false), &nics[*nic].id)
        });
    }
    // Kuhn's augmenting paths: a port takes a free NIC, or one whose port finds another.
    let mut owner: Vec<Option<usize>> = vec![None; nics.len()];
    for port in 0..demand.ports.len() {
        if !augment(port, &ranked, &mut owner, &mut vec![false; nics.len()]) {
            let PortDemand { name, nic } = &demand.ports[port];
            return Err(Refusal::TooFewNics { port: name.clone(), wanted: nic.to_string() });
        }
    }
    let mut chosen = vec![0; demand.ports.len()];
    for (nic, port) in owner.iter().enumerate() {
        if let Some(port) = port {
            chosen[*port] = nic;
        }
    }
    Ok(chosen)
}

fn augment(port: usize, ranked: &Candidates, owner: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for &nic in &ranked[port] {
        if std::mem::replace(&mut seen[nic], true) {
            continue;
        }
        if owner[nic].is_none_or(|other| augment(other, ranked, owner, seen)) {
            owner[nic] = Some(port);
            return true;
        }
    }
    false
}

/// What the assignment says of the chosen NICs.
pub(crate) fn assigned(demand: &ChainDemand, nics: &[Nic], chosen: &[usize]) -> Vec<AssignedNic> {
    demand.ports.iter().zip(chosen).map(|(port, nic)| port.nic.assigned(&port.name, &nics[*nic])).collect()
}
