//! What runs stays, and what leaves leaves in order.
use crate::common::{apply, chain, node, only};
use hummingbird_crds::api::PlacementMode;
use hummingbird_placement::{ChainDemand, DevicePolicy, NodeSupply, Readiness, plan};

/// The chain on node `a`, with node `b` beside it.
fn placed(demand: &ChainDemand) -> Vec<NodeSupply> {
    let mut nodes = vec![node("a"), node("b")];
    apply(&plan(std::slice::from_ref(demand), &nodes, &DevicePolicy::default()), &mut nodes);
    assert_eq!(nodes[0].held.len(), 1);
    nodes
}

fn reason(demand: &ChainDemand, nodes: &[NodeSupply]) -> (&'static str, String) {
    let plan = plan(std::slice::from_ref(demand), nodes, &DevicePolicy::default());
    (plan.decisions[0].verdict().reason, plan.to_string())
}

#[test]
fn a_chain_leaves_a_node_that_is_gone_or_not_ready() {
    for readiness in [Readiness::Gone, Readiness::NotReady] {
        let demand = chain("edge");
        let mut nodes = placed(&demand);
        nodes[0].readiness = readiness;
        let plan = plan(&[demand], &nodes, &DevicePolicy::default());
        assert_eq!(only(&plan).node, "b");
        assert_eq!(plan.decisions[0].withdrawn[0].node, "a");
    }
}

#[test]
fn a_sender_and_a_fleet_wait_until_the_node_is_gone() {
    let sender = ChainDemand { encrypts: true, ..chain("edge") };
    let mut nodes = placed(&sender);
    nodes[0].readiness = Readiness::NotReady;
    let (found, text) = reason(&sender, &nodes);
    assert_eq!(found, "SenderMayBeAlive", "{text}");
    nodes[0].readiness = Readiness::Gone;
    assert_eq!(only(&plan(&[sender], &nodes, &DevicePolicy::default())).node, "b");
    let fleet = ChainDemand { mode: PlacementMode::EveryMatchingNode, ..chain("edge") };
    let planned = plan(&[fleet], &[node("a"), node("b")], &DevicePolicy::default());
    assert_eq!(planned.decisions[0].placed.len(), 2, "{planned}");
}

#[test]
fn a_chain_that_grows_moves_only_where_there_is_room_and_waits_for_its_teardown() {
    let mut demand = chain("edge");
    let mut nodes = placed(&demand);
    demand.workgroups = 20;
    let (found, text) = reason(&demand, &nodes);
    assert_eq!(found, "NotEnoughWorkgroups", "{text}");
    assert!(text.contains("stays on a"), "{text}");

    nodes[1].inventory.as_mut().unwrap().devices[0].workgroup_capacity = 32;
    let moving = plan(std::slice::from_ref(&demand), &nodes, &DevicePolicy::default());
    assert_eq!(moving.decisions[0].verdict().reason, "WaitsForOtherNode", "{moving}");
    assert_eq!(moving.decisions[0].reserved.as_ref().unwrap().node, "b");
    apply(&moving, &mut nodes);
    // A newcomer does not get what is reserved.
    let rival = ChainDemand { workgroups: 20, ..chain("rival") };
    let both = plan(&[rival, demand.clone()], &nodes, &DevicePolicy::default());
    assert_eq!(both.decisions[0].verdict().reason, "WaitsForOtherNode", "{both}");
    assert_eq!(both.decisions[1].verdict().reason, "NotEnoughWorkgroups", "{both}");
    nodes[0].held.clear();
    assert_eq!(only(&plan(&[demand], &nodes, &DevicePolicy::default())).node, "b");
}

#[test]
fn a_chain_that_is_handed_back_goes_elsewhere() {
    let demand = chain("edge");
    let mut nodes = placed(&demand);
    nodes[0].held[0].handed_back = true;
    let planned = plan(std::slice::from_ref(&demand), &nodes, &DevicePolicy::default());
    assert!(planned.to_string().contains("not on a: its pod found no room"), "{planned}");
    assert_eq!(planned.decisions[0].verdict().reason, "WaitsForOtherNode", "{planned}");
    // With nowhere else to go it says so, and then that it is torn down.
    nodes.pop();
    assert_eq!(reason(&demand, &nodes).0, "NodeResourcesTaken");
    apply(&planned, &mut nodes);
    nodes[0].held[0].handed_back = false;
    assert_eq!(reason(&demand, &nodes).0, "TeardownInProgress");
}

#[test]
fn a_chain_that_is_no_longer_there_is_an_orphan() {
    let nodes = placed(&chain("edge"));
    let planned = plan(&[], &nodes, &DevicePolicy::default());
    assert_eq!(planned.orphans, [("a".to_owned(), "uid-edge".to_owned())]);
}
