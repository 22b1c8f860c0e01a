//! Nodes and chains to place.
use std::collections::BTreeMap;

use hummingbird_crds::api::{
    ChainReference, CpuPolicy, Cpus, Desired, Hugepages, Inventory, Nic, OpenclDevice, PlacementMode,
    Quantity, SecurityMode, Svm,
};
use hummingbird_placement::{
    ChainDemand, Held, HugepageDemand, NicDemand, NicSelector, NodeSupply, Placed, Plan, PortDemand,
    Readiness,
};

pub const MIB: u64 = 1 << 20;

pub fn pci(name: &str, selector: NicSelector) -> PortDemand {
    PortDemand { name: name.into(), nic: NicDemand::Pci(selector) }
}

pub fn kernel(name: &str, interface: &str) -> PortDemand {
    PortDemand { name: name.into(), nic: NicDemand::Kernel(interface.into()) }
}

/// One PCI port, four workgroups, two cores, 512 MiB in hugepages.
pub fn chain(name: &str) -> ChainDemand {
    ChainDemand {
        uid: format!("uid-{name}"),
        chain: ChainReference { namespace: "team".into(), name: name.into() },
        created: String::new(),
        ports: vec![pci("lan", NicSelector::default())],
        workgroups: 4,
        cores: 2,
        fewer_cores_do: false,
        cpu_policy: CpuPolicy::Exclusive,
        hugepages: HugepageDemand::Exactly(512 * MIB),
        memory: 512 * MIB,
        security_mode: SecurityMode::Privileged,
        node_selector: BTreeMap::new(),
        mode: PlacementMode::One,
        encrypts: false,
    }
}

pub fn nic(address: &str, interface: &str, numa: i32) -> Nic {
    Nic {
        id: address.into(),
        interface: Some(interface.into()),
        pci_address: Some(address.into()),
        numa_node: Some(numa),
        vendor: Some("8086".into()),
        device: Some("10d3".into()),
        ..Nic::default()
    }
}

/// Two NICs on two NUMA nodes, a device of 16 workgroups on the second, 8 cores, 1 GiB of pages on each.
pub fn node(name: &str) -> NodeSupply {
    let pages = |numa_node| Hugepages {
        numa_node,
        total: Quantity::of_bytes(1024 * MIB),
        free: Quantity::of_bytes(1024 * MIB),
    };
    let device = OpenclDevice {
        index: 0,
        name: "gpu".into(),
        platform: "p".into(),
        svm: Svm::FineAtomics,
        workgroup_capacity: 16,
        numa_node: Some(1),
        one_process: false,
        reason: None,
    };
    NodeSupply {
        name: name.into(),
        labels: BTreeMap::from([("site".into(), "a".into())]),
        readiness: Readiness::Ready,
        inventory: Some(Inventory {
            nics: vec![nic("0000:00:03.0", "eth3", 0), nic("0000:00:04.0", "eth4", 1)],
            devices: vec![device],
            cpus: Cpus { total: 8, free_exclusive: 6, free_millicores: 7000 },
            hugepages: vec![pages(0), pages(1)],
            memory_free: Quantity::of_bytes(8192 * MIB),
        }),
        held: Vec::new(),
    }
}

/// The only place of the only chain.
pub fn only(plan: &Plan) -> &Placed {
    let [decision] = plan.decisions.as_slice() else { panic!("{plan}") };
    let [placed] = decision.placed.as_slice() else { panic!("{plan}") };
    placed
}

/// The nodes after the operator has carried a plan out.
pub fn apply(plan: &Plan, nodes: &mut [NodeSupply]) {
    for decision in &plan.decisions {
        for node in nodes.iter_mut() {
            if decision.withdrawn.iter().any(|withdrawn| withdrawn.node == node.name) {
                let held = node.held.iter_mut().find(|held| held.uid == decision.uid).unwrap();
                held.desired = Desired::Absent;
            }
            if let Some(placed) = decision.placed.iter().find(|placed| placed.node == node.name) {
                node.held.retain(|held| held.uid != decision.uid);
                node.held.push(Held {
                    uid: decision.uid.clone(),
                    chain: decision.chain.clone(),
                    desired: Desired::Running,
                    handed_back: false,
                    allotment: placed.allotment.clone(),
                });
            }
        }
    }
}
