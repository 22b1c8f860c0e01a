//! What a node has, and what of it is held.

use std::collections::BTreeMap;

use hummingbird_crds::api::{
    ApuNode, AssignedNic, ChainReference, CpuPolicy, Desired, Inventory, Phase, Quantity, Resources,
    SecurityMode,
};

/// Whether a node can run chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The Node and its agent are.
    Ready,
    /// One of them is not, and for so long that it counts; its pods may still run.
    NotReady,
    /// There is no such Node any more, so nothing runs on it.
    Gone,
}

/// A node as placement sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSupply {
    /// The Node's name.
    pub name: String,
    /// The Node's labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it can run chains.
    pub readiness: Readiness,
    /// What its agent reports; none yet.
    pub inventory: Option<Inventory>,
    /// What its assignments hold.
    pub held: Vec<Held>,
}

/// An assignment that is there already.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// `metadata.uid` of the chain.
    pub uid: String,
    /// Which chain.
    pub chain: ChainReference,
    /// Whether it is to run; what is `Absent` holds its resources until its entry is gone.
    pub desired: Desired,
    /// The agent hands it back: its pod found no room.
    pub handed_back: bool,
    /// What it holds.
    pub allotment: Allotment,
}

/// What a chain gets of a node, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allotment {
    /// The NIC of each port.
    pub nics: Vec<AssignedNic>,
    /// Index of the OpenCL device, where there are workgroups.
    pub device: Option<i32>,
    /// Persistent workgroups.
    pub workgroups: u32,
    /// CPU cores.
    pub cores: u32,
    /// Whether they are exclusive.
    pub cpu_policy: CpuPolicy,
    /// Bytes in hugepages; 0 runs on ordinary pages.
    pub hugepages: u64,
    /// Bytes of ordinary memory.
    pub memory: u64,
    /// The NUMA node that its device, NICs and hugepages prefer.
    pub numa_node: Option<i32>,
    /// Rights of the pod.
    pub security_mode: SecurityMode,
}

impl NodeSupply {
    /// A node by its ApuNode, and by what the Node says.
    #[must_use]
    pub fn of(node: &ApuNode, labels: BTreeMap<String, String>, readiness: Readiness) -> Self {
        let status = node.status.as_ref();
        let handed_back = |uid: &str| {
            let states = status.into_iter().flat_map(|status| &status.assignments);
            states.into_iter().any(|state| state.uid == uid && state.phase == Phase::HandedBack)
        };
        let held = node.spec.assignments.iter().map(|assignment| Held {
            uid: assignment.uid.clone(),
            chain: assignment.chain.clone(),
            desired: assignment.desired,
            handed_back: handed_back(&assignment.uid),
            allotment: Allotment::of(&assignment.resources),
        });
        Self {
            name: node.metadata.name.clone().unwrap_or_default(),
            labels,
            readiness,
            inventory: status.and_then(|status| status.inventory.clone()),
            held: held.collect(),
        }
    }
}

impl Allotment {
    /// From the API's form. An amount that cannot be read counts as everything.
    #[must_use]
    pub fn of(resources: &Resources) -> Self {
        let bytes = |quantity: &Quantity| quantity.bytes().unwrap_or(u64::MAX);
        Self {
            nics: resources.nics.clone(),
            device: resources.device,
            workgroups: resources.workgroups.unsigned_abs(),
            cores: resources.cores.unsigned_abs(),
            cpu_policy: resources.cpu_policy,
            hugepages: bytes(&resources.hugepages),
            memory: bytes(&resources.memory),
            numa_node: resources.numa_node,
            security_mode: resources.security_mode,
        }
    }

    /// In the API's form.
    #[must_use]
    pub fn resources(&self) -> Resources {
        let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        Resources {
            nics: self.nics.clone(),
            device: self.device,
            workgroups: number(self.workgroups),
            cores: number(self.cores),
            cpu_policy: self.cpu_policy,
            hugepages: Quantity::of_bytes(self.hugepages),
            memory: Quantity::of_bytes(self.memory),
            numa_node: self.numa_node,
            security_mode: self.security_mode,
        }
    }
}
