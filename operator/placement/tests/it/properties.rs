//! What holds of every plan.
use crate::common::{MIB, apply, chain, node, pci};
use hummingbird_crds::api::{CpuPolicy, PlacementMode};
use hummingbird_placement::{
    ChainDemand, DevicePolicy, HugepageDemand, NicSelector, NodeSupply, Readiness, plan,
};
use proptest::prelude::*;

prop_compose! {
    fn any_chain()(workgroups in 0u32..9, cores in 1u32..4, pages in 0u64..700, exact: bool, shared: bool,
                   every in prop::bool::weighted(0.2), ports in 1usize..3, numa in prop::option::of(0i32..2))
                  -> ChainDemand {
        let bytes = pages * MIB;
        ChainDemand {
            ports: (0..ports)
                .map(|n| pci(&n.to_string(), NicSelector { numa_node: numa, ..NicSelector::default() }))
                .collect(),
            workgroups,
            cores,
            cpu_policy: if shared { CpuPolicy::Shared } else { CpuPolicy::Exclusive },
            hugepages: if exact { HugepageDemand::Exactly(bytes) } else { HugepageDemand::IfFree(bytes) },
            mode: if every { PlacementMode::EveryMatchingNode } else { PlacementMode::One },
            ..chain("")
        }
    }
}

fn named(mut chains: Vec<ChainDemand>) -> Vec<ChainDemand> {
    for (index, chain) in chains.iter_mut().enumerate() {
        (chain.uid, chain.chain.name) = (format!("uid-{index}"), format!("chain-{index}"));
    }
    chains
}

fn cluster(size: usize) -> Vec<NodeSupply> {
    (0..size).map(|index| node(&format!("node-{index:03}"))).collect()
}

/// Sums what is held and compares it with the inventory of `node`.
fn within(node: &NodeSupply) {
    let sum = |pick: fn(&hummingbird_placement::Allotment) -> u64| -> u64 {
        node.held.iter().map(|held| pick(&held.allotment)).sum()
    };
    assert!(sum(|a| a.workgroups.into()) <= 16);
    assert!(sum(|a| a.hugepages) <= 2048 * MIB);
    assert!(sum(|a| a.memory) <= 8192 * MIB);
    assert!(sum(|a| if a.cpu_policy == CpuPolicy::Exclusive { a.cores.into() } else { 0 }) <= 6);
    assert!(
        sum(|a| u64::from(a.cores) * if a.cpu_policy == CpuPolicy::Exclusive { 1000 } else { 100 }) <= 7000
    );
    let mut nics: Vec<_> =
        node.held.iter().flat_map(|held| &held.allotment.nics).map(|nic| nic.pci_address.clone()).collect();
    let all = nics.len();
    nics.sort();
    nics.dedup();
    assert_eq!(nics.len(), all, "a NIC serves two ports");
}

proptest! {
    #[test]
    fn nothing_is_given_twice_and_order_does_not_matter_and_what_runs_stays(
        chains in prop::collection::vec(any_chain(), 0..12).prop_map(named),
        size in 0usize..4,
        lost in any::<prop::sample::Index>(),
    ) {
        let policy: DevicePolicy =
            serde_yaml::from_str("limits: [{namespaces: [team], cores: 9, workgroups: 20}]").unwrap();
        let mut nodes = cluster(size);
        let first = plan(&chains, &nodes, &policy);
        let (mut backwards, mut turned) = (chains.clone(), nodes.clone());
        backwards.reverse();
        turned.reverse();
        prop_assert_eq!(&plan(&backwards, &turned, &policy), &first);
        apply(&first, &mut nodes);
        nodes.iter().for_each(within);
        let held = || nodes.iter().flat_map(|node| &node.held).map(|held| &held.allotment);
        prop_assert!(held().map(|a| a.cores).sum::<u32>() <= 9);
        prop_assert!(held().map(|a| a.workgroups).sum::<u32>() <= 20);

        let again = plan(&chains, &nodes, &policy);
        for (before, after) in first.decisions.iter().zip(&again.decisions) {
            prop_assert!(after.withdrawn.is_empty());
            prop_assert!(after.placed.iter().all(|placed| placed.kept && placed.unmet.is_none()));
            let what = |d: &hummingbird_placement::Decision| {
                d.placed.iter().map(|p| (p.node.clone(), p.allotment.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(what(before), what(after));
        }
        if size > 0 {
            nodes[lost.index(size)].readiness = Readiness::Gone;
            apply(&plan(&chains, &nodes, &policy), &mut nodes);
            nodes.iter().filter(|node| node.readiness == Readiness::Ready).for_each(within);
        }
    }
}

#[test]
fn a_thousand_chains_find_their_place_on_a_hundred_nodes() {
    let small = ChainDemand {
        workgroups: 1,
        cores: 1,
        cpu_policy: CpuPolicy::Shared,
        hugepages: HugepageDemand::Exactly(32 * MIB),
        ..chain("")
    };
    let mut nodes = cluster(100);
    for node in &mut nodes {
        let inventory = node.inventory.as_mut().unwrap();
        inventory.nics = (0..10)
            .map(|index| {
                crate::common::nic(&format!("0000:01:{index:02}.0"), &format!("eth{index}"), index % 2)
            })
            .collect();
    }
    let chains = named(vec![small; 1000]);
    let first = plan(&chains, &nodes, &DevicePolicy::default());
    assert!(first.decisions.iter().all(|decision| decision.placed.len() == 1));
    apply(&first, &mut nodes);
    assert!(nodes.iter().all(|node| node.held.len() == 10));
}
