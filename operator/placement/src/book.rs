//! What of a node is held while a plan is made, and what is free of it.

use std::collections::BTreeMap;

use hummingbird_crds::api::{ChainReference, CpuPolicy, Inventory, Nic, OpenclDevice};

use crate::{
    demand::SHARED_MILLICORES,
    supply::{Allotment, NodeSupply},
};

/// A node and who holds what of it.
pub(crate) struct Book<'a> {
    pub node: &'a NodeSupply,
    holds: Vec<Hold>,
}

/// What one chain holds.
struct Hold {
    uid: String,
    chain: ChainReference,
    allotment: Allotment,
}

/// What is free for one chain: what it holds itself counts as free.
pub(crate) struct Free<'a> {
    pub exclusive: u64,
    pub millicores: u64,
    pub hugepages: BTreeMap<i32, u64>,
    pub memory: u64,
    pub devices: Vec<FreeDevice<'a>>,
    /// Who holds each NIC, in the inventory's order.
    pub nic_holders: Vec<Option<&'a ChainReference>>,
}

/// A device that can be used.
pub(crate) struct FreeDevice<'a> {
    pub device: &'a OpenclDevice,
    pub workgroups: u32,
    pub holder: Option<&'a ChainReference>,
}

impl Allotment {
    /// The CPU request that the cores make, thousandths of a core.
    pub(crate) fn millicores(&self) -> u64 {
        millicores(self.cpu_policy, self.cores)
    }
}

pub(crate) fn millicores(policy: CpuPolicy, cores: u32) -> u64 {
    match policy {
        CpuPolicy::Exclusive => 1000 * u64::from(cores),
        CpuPolicy::Shared => SHARED_MILLICORES * u64::from(cores),
    }
}

fn holds_nic(allotment: &Allotment, nic: &Nic) -> bool {
    let same = |held: &Option<String>, found: &Option<String>| held.is_some() && held == found;
    let mut held = allotment.nics.iter();
    held.any(|held| same(&held.pci_address, &nic.pci_address) || same(&held.interface, &nic.interface))
}

impl<'a> Book<'a> {
    pub fn open(node: &'a NodeSupply) -> Self {
        let holds = node.held.iter().map(|held| Hold {
            uid: held.uid.clone(),
            chain: held.chain.clone(),
            allotment: held.allotment.clone(),
        });
        Self { node, holds: holds.collect() }
    }

    /// How many chains hold something here.
    pub fn chains(&self) -> usize {
        self.holds.len()
    }

    /// Lets a chain hold this, and nothing else, here.
    pub fn hold(&mut self, uid: &str, chain: &ChainReference, allotment: Allotment) {
        self.holds.retain(|hold| hold.uid != uid);
        self.holds.push(Hold { uid: uid.into(), chain: chain.clone(), allotment });
    }

    /// What is free for a chain.
    pub fn free<'b>(&'b self, inventory: &'b Inventory, uid: &str) -> Free<'b> {
        let holds = || self.holds.iter().filter(|hold| hold.uid != uid);
        let number = |value: i32| u64::try_from(value).unwrap_or(0);
        let bytes = |quantity: &hummingbird_crds::api::Quantity| quantity.bytes().unwrap_or(0);
        let mut free = Free {
            exclusive: number(inventory.cpus.free_exclusive),
            millicores: number(inventory.cpus.free_millicores),
            hugepages: inventory
                .hugepages
                .iter()
                .map(|pages| (pages.numa_node, bytes(&pages.free)))
                .collect(),
            memory: bytes(&inventory.memory_free),
            devices: Vec::new(),
            nic_holders: inventory
                .nics
                .iter()
                .map(|nic| holds().find(|hold| holds_nic(&hold.allotment, nic)).map(|hold| &hold.chain))
                .collect(),
        };
        for Hold { allotment, .. } in holds() {
            if allotment.cpu_policy == CpuPolicy::Exclusive {
                free.exclusive = free.exclusive.saturating_sub(u64::from(allotment.cores));
            }
            free.millicores = free.millicores.saturating_sub(allotment.millicores());
            free.memory = free.memory.saturating_sub(allotment.memory);
            take(&mut free.hugepages, allotment.hugepages, allotment.numa_node);
        }
        for device in inventory.devices.iter().filter(|device| device.reason.is_none()) {
            let on_it = || holds().filter(|hold| hold.allotment.device == Some(device.index));
            let held: u64 = on_it().map(|hold| u64::from(hold.allotment.workgroups)).sum();
            let left = u64::from(device.workgroup_capacity.max(0).unsigned_abs()).saturating_sub(held);
            free.devices.push(FreeDevice {
                device,
                workgroups: u32::try_from(left).unwrap_or(u32::MAX),
                holder: on_it().next().map(|hold| &hold.chain),
            });
        }
        free
    }
}

/// Takes pages, first those of `home`; answers how much of it lay elsewhere.
pub(crate) fn take(pages: &mut BTreeMap<i32, u64>, bytes: u64, home: Option<i32>) -> u64 {
    let mut left = bytes;
    if let Some(local) = home.and_then(|home| pages.get_mut(&home)) {
        let taken = left.min(*local);
        *local -= taken;
        left -= taken;
    }
    let remote = left;
    for free in pages.values_mut() {
        let taken = left.min(*free);
        *free -= taken;
        left -= taken;
    }
    remote
}
