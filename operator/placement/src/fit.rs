//! Whether one chain fits one node, and what it would get there.

use std::collections::{BTreeMap, BTreeSet};

use hummingbird_crds::api::{CpuPolicy, Inventory, Nic};

use crate::{
    book::{Book, Free, millicores, take},
    demand::{ChainDemand, HugepageDemand},
    nics,
    policy::DevicePolicy,
    refusal::Refusal,
    supply::Allotment,
};

/// What a chain would get of a node.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    pub allotment: Allotment,
    /// For people: what is near, what is far, what is missing.
    pub notes: Vec<String>,
    /// Things that lie on another NUMA node than the rest; less is better.
    pub remote: usize,
}

/// A device by its index, and the NUMA node to gather around.
type Home = (Option<i32>, Option<i32>);

/// Whether a node has the labels that a chain asks.
pub(crate) fn labels(demand: &ChainDemand, labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let differs = |(key, wanted): &(&String, &String)| labels.get(*key) != Some(wanted);
    match demand.node_selector.iter().find(differs) {
        None => Ok(()),
        Some((key, wanted)) => Err(Refusal::NodeSelectorMismatch {
            key: key.clone(),
            wanted: wanted.clone(),
            found: labels.get(key).cloned(),
        }),
    }
}

/// Fits a chain into what is free on a node. `keep` is what it has there: its
/// NICs and its device stay where they still do.
pub(crate) fn fit(
    demand: &ChainDemand,
    book: &Book<'_>,
    policy: &DevicePolicy,
    keep: Option<&Allotment>,
) -> Result<Fit, Refusal> {
    labels(demand, &book.node.labels)?;
    let inventory = book.node.inventory.as_ref().ok_or(Refusal::InventoryMissing)?;
    let free = book.free(inventory, &demand.uid);
    let candidates = nics::candidates(demand, &inventory.nics, &free.nic_holders, policy)?;
    let cores = cpus(demand, inventory, &free)?;
    let hugepages = hugepages(demand, &free, keep)?;
    if demand.memory > free.memory {
        return Err(Refusal::NotEnoughMemory { asked: demand.memory, free: free.memory });
    }
    let kept_nics = keep.map_or(&[][..], |keep| &keep.nics);
    let mut best: Option<Fit> = None;
    for (device, home) in homes(demand, inventory, &free, keep)? {
        let chosen = nics::choose(demand, &inventory.nics, &candidates, kept_nics, home)?;
        let far = far_nics(&inventory.nics, &chosen, home);
        let elsewhere = take(&mut free.hugepages.clone(), hugepages, home);
        let remote = far.len() + usize::from(home.is_some() && elsewhere > 0);
        if best.as_ref().is_some_and(|best| best.remote <= remote) {
            continue;
        }
        let allotment = Allotment {
            nics: nics::assigned(demand, &inventory.nics, &chosen),
            device,
            workgroups: demand.workgroups,
            cores,
            cpu_policy: demand.cpu_policy,
            hugepages,
            memory: demand.memory,
            numa_node: home,
            security_mode: demand.security_mode,
        };
        let notes = notes(demand, &allotment, &far, elsewhere);
        best = Some(Fit { allotment, notes, remote });
    }
    best.ok_or(Refusal::NoUsableDevice { why: None })
}

/// The devices that have room, each with the NUMA node to gather around; without
/// GPU functions, the NUMA nodes of the NICs. What the chain has comes first and alone.
fn homes(
    demand: &ChainDemand,
    inventory: &Inventory,
    free: &Free<'_>,
    keep: Option<&Allotment>,
) -> Result<Vec<Home>, Refusal> {
    if demand.workgroups == 0 {
        if let Some(keep) = keep {
            return Ok(vec![(None, keep.numa_node)]);
        }
        let nodes: BTreeSet<_> = inventory.nics.iter().filter_map(|nic| nic.numa_node).collect();
        let any = nodes.is_empty().then_some((None, None));
        return Ok(nodes.into_iter().map(|node| (None, Some(node))).chain(any).collect());
    }
    let Some(most) = free.devices.iter().max_by_key(|d| (d.workgroups, std::cmp::Reverse(d.device.index)))
    else {
        let why = inventory.devices.first().and_then(|device| device.reason.clone());
        return Err(Refusal::NoUsableDevice { why });
    };
    let alone = |device: &&crate::book::FreeDevice<'_>| !device.device.one_process || device.holder.is_none();
    let room: Vec<_> =
        free.devices.iter().filter(|d| d.workgroups >= demand.workgroups).filter(alone).collect();
    if let Some(same) = room.iter().find(|d| keep.is_some_and(|keep| keep.device == Some(d.device.index))) {
        return Ok(vec![(Some(same.device.index), same.device.numa_node)]);
    }
    if room.is_empty() {
        let large = free.devices.iter().find(|d| d.workgroups >= demand.workgroups);
        if let Some((large, by)) = large.and_then(|d| Some((d.device.index, d.holder?))) {
            return Err(Refusal::DeviceTaken { device: large, by: by.clone() });
        }
        return Err(Refusal::NotEnoughWorkgroups {
            asked: demand.workgroups,
            device: most.device.index,
            free: most.workgroups,
            capacity: most.device.workgroup_capacity.max(0).unsigned_abs(),
        });
    }
    Ok(room.iter().map(|d| (Some(d.device.index), d.device.numa_node)).collect())
}

fn cpus(demand: &ChainDemand, inventory: &Inventory, free: &Free<'_>) -> Result<u32, Refusal> {
    let total = inventory.cpus.total.max(0).unsigned_abs();
    match demand.cpu_policy {
        CpuPolicy::Exclusive => {
            let whole = free.exclusive.min(free.millicores / 1000);
            if u64::from(demand.cores) > whole {
                let free = u32::try_from(whole).unwrap_or(u32::MAX);
                return Err(Refusal::NotEnoughCores { asked: demand.cores, free, total });
            }
            Ok(demand.cores)
        }
        CpuPolicy::Shared => {
            let cores = if demand.fewer_cores_do { demand.cores.min(total.max(1)) } else { demand.cores };
            let asked = millicores(CpuPolicy::Shared, cores);
            if cores > total || asked > free.millicores {
                let free = free.millicores;
                return Err(Refusal::NotEnoughCpuShares { asked: cores, millicores: asked, free, total });
            }
            Ok(cores)
        }
    }
}

/// Bytes in hugepages; a chain that runs on ordinary pages by estimate goes on so.
fn hugepages(demand: &ChainDemand, free: &Free<'_>, keep: Option<&Allotment>) -> Result<u64, Refusal> {
    let there = free.hugepages.values().fold(0, |sum: u64, free| sum.saturating_add(*free));
    match demand.hugepages {
        HugepageDemand::Exactly(asked) if asked > there => {
            Err(Refusal::NotEnoughHugepages { asked, free: there })
        }
        HugepageDemand::Exactly(asked) => Ok(asked),
        HugepageDemand::IfFree(_) if keep.is_some_and(|keep| keep.hugepages == 0) => Ok(0),
        HugepageDemand::IfFree(wanted) => Ok(if wanted > there { 0 } else { wanted }),
    }
}

/// The chosen NICs that lie on another NUMA node than `home`.
fn far_nics<'a>(nics: &'a [Nic], chosen: &[usize], home: Option<i32>) -> Vec<&'a Nic> {
    let far = |nic: &&Nic| home.is_some() && nic.numa_node.is_some() && nic.numa_node != home;
    chosen.iter().map(|nic| &nics[*nic]).filter(far).collect()
}

fn notes(demand: &ChainDemand, allotment: &Allotment, far: &[&Nic], elsewhere: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(home) = allotment.numa_node {
        if far.is_empty() && elsewhere == 0 {
            notes.push(format!("all on NUMA node {home}"));
        }
        for nic in far {
            let node = nic.numa_node.unwrap_or_default();
            notes.push(format!("NIC {} is on NUMA node {node}, the rest on {home}", nic.id));
        }
        if elsewhere > 0 {
            notes.push(format!("{} MiB of hugepages are not on NUMA node {home}", elsewhere >> 20));
        }
    }
    if let (HugepageDemand::IfFree(wanted), 0) = (demand.hugepages, allotment.hugepages) {
        notes.push(format!("runs on ordinary pages: {} MiB of hugepages would be better", wanted >> 20));
    }
    notes
}
