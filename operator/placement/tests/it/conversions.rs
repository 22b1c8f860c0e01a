//! From the API's objects.
use std::collections::BTreeMap;

use hummingbird_crds::api::{ApuNode, CpuPolicy, Desired, NfChain};
use hummingbird_placement::{Allotment, ChainDemand, HugepageDemand, NicDemand, NodeSupply, Readiness};

#[test]
fn a_chain_asks_what_its_manifest_says() {
    let text = include_str!("../../../../crds/tests/data/edge.yaml");
    let chain: NfChain = serde_yaml::from_str(text.split("\n---\n").next().unwrap()).unwrap();
    let demand = ChainDemand::of(&chain).unwrap();
    assert!(demand.encrypts);
    assert_eq!(demand.chain.name, "edge");
    assert_eq!(demand.ports.len(), chain.spec.ports.len());
    let NicDemand::Pci(selector) = &demand.ports[0].nic else { panic!("{demand:?}") };
    assert_eq!(selector.pci_address.as_deref(), Some("0000:00:03.0"));

    let mut left_out = chain.clone();
    (left_out.spec.dataplane.cores, left_out.spec.dataplane.hugepages) = (None, None);
    let demand = ChainDemand::of(&left_out).unwrap();
    assert!(demand.fewer_cores_do && demand.cores > 1);
    let HugepageDemand::IfFree(bytes) = demand.hugepages else { panic!("{demand:?}") };
    assert_eq!(bytes % (2 << 20), 0);
}

#[test]
fn a_node_offers_what_its_agent_reports_less_its_assignments() {
    let text = r#"
apiVersion: hummingbird.dev/v1alpha1
kind: ApuNode
metadata: {name: n}
spec:
  assignments:
  - {uid: u, chain: {namespace: d, name: c}, desired: Absent, generation: 1, hash: "00",
     resources: {nics: [{port: a, interface: veth0}], cores: 2, cpuPolicy: Shared, hugepages: 64Mi, memory: 1Gi}}
status:
  inventory: {cpus: {total: 2, freeExclusive: 1, freeMillicores: 900}, memoryFree: 1Gi}
  assignments: [{uid: u, chain: {namespace: d, name: c}, phase: HandedBack}]
"#;
    let node: ApuNode = serde_yaml::from_str(text).unwrap();
    let supply = NodeSupply::of(&node, BTreeMap::new(), Readiness::Ready);
    assert_eq!(supply.name, "n");
    let held = &supply.held[0];
    assert!(held.handed_back && held.desired == Desired::Absent);
    assert_eq!((held.allotment.hugepages, held.allotment.cpu_policy), (64 << 20, CpuPolicy::Shared));
    assert_eq!(Allotment::of(&held.allotment.resources()), held.allotment);
    assert_eq!(held.allotment.resources(), node.spec.assignments[0].resources);
}
