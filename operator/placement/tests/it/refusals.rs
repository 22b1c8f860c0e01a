//! Every refusal, by the smallest change that causes it.
use crate::common::{chain, kernel, node, only, pci};
use hummingbird_crds::api::{
    BindRefusal, ChainReference, CpuPolicy, InUse, InUseReason, PlacementMode, Quantity, SecurityMode,
};
use hummingbird_placement::{
    ChainDemand, DevicePolicy, HugepageDemand, NicSelector, NodeSupply, Readiness, plan,
};

type Change = fn(&mut ChainDemand, &mut NodeSupply, &mut DevicePolicy);

fn policy(yaml: &str) -> DevicePolicy {
    serde_yaml::from_str(yaml).unwrap()
}

fn used(node: &mut NodeSupply, reason: InUseReason) {
    for nic in &mut node.inventory.as_mut().unwrap().nics {
        nic.in_use = Some(InUse { reason, message: "10.0.0.1/24".into() });
    }
}

#[test]
fn each_refusal_has_its_cause() {
    let cases: &[(&str, &str, Change)] = &[
        ("EncryptOnEveryNode", "Accepted", |c, _, _| {
            (c.mode, c.encrypts) = (PlacementMode::EveryMatchingNode, true);
        }),
        ("SecurityModeForbidden", "Accepted", |_, _, p| p.max_security_mode = SecurityMode::Restricted),
        ("NamespaceLimitExceeded", "Accepted", |_, _, p| {
            *p = policy("limits: [{namespaces: [team], cores: 1}]")
        }),
        ("NamespaceLimitExceeded", "Accepted", |_, _, p| {
            *p = policy("limits: [{namespaces: ['*'], hugepages: 256Mi}]");
        }),
        ("NamespaceLimitExceeded", "Accepted", |_, _, p| {
            *p = policy("limits: [{namespaces: ['*'], workgroups: 3}]");
        }),
        ("NicForbidden", "Accepted", |_, _, p| *p = policy("devices: [{namespaces: [other]}]")),
        ("NicForbidden", "Accepted", |_, _, p| {
            *p = policy("devices: [{namespaces: [team], selector: {vendor: '15b3'}}]");
        }),
        ("NodeGone", "Placed", |_, n, _| n.readiness = Readiness::Gone),
        ("NodeNotReady", "Placed", |_, n, _| n.readiness = Readiness::NotReady),
        ("InventoryMissing", "Placed", |_, n, _| n.inventory = None),
        ("NodeSelectorMismatch", "Placed", |c, _, _| {
            c.node_selector.insert("site".into(), "b".into());
        }),
        ("NicNotFound", "Placed", |c, _, _| c.ports = vec![kernel("lan", "eth9")]),
        ("NicNotFound", "Placed", |c, _, _| {
            c.ports = vec![pci("lan", NicSelector { numa_node: Some(7), ..NicSelector::default() })];
        }),
        ("TooFewNics", "Placed", |c, _, _| {
            c.ports = ["a", "b", "c"].map(|n| pci(n, NicSelector::default())).into()
        }),
        ("NicInUse", "Placed", |_, n, _| used(n, InUseReason::Address)),
        ("NicInUse", "Placed", |_, n, p| {
            used(n, InUseReason::Management);
            *p = policy("devices: [{namespaces: ['*'], inUse: true}]");
        }),
        ("NicNotBindable", "Placed", |_, n, _| {
            for nic in &mut n.inventory.as_mut().unwrap().nics {
                nic.bind_refusal = Some(BindRefusal::NoIommu);
            }
        }),
        ("NoUsableDevice", "Placed", |_, n, _| {
            n.inventory.as_mut().unwrap().devices[0].reason = Some("coarse SVM only".into());
        }),
        ("NotEnoughWorkgroups", "Placed", |c, _, _| c.workgroups = 17),
        ("NotEnoughCores", "Placed", |c, _, _| c.cores = 7),
        ("NotEnoughCpuShares", "Placed", |c, _, _| (c.cpu_policy, c.cores) = (CpuPolicy::Shared, 9)),
        ("NotEnoughHugepages", "Placed", |c, _, _| c.hugepages = HugepageDemand::Exactly(4 << 30)),
        ("NotEnoughMemory", "Placed", |c, _, _| c.memory = 9 << 30),
    ];
    only(&plan(&[chain("edge")], &[node("n")], &DevicePolicy::default()));
    for (reason, condition, change) in cases {
        let (mut demand, mut supply, mut policy) = (chain("edge"), node("n"), DevicePolicy::default());
        change(&mut demand, &mut supply, &mut policy);
        let plan = plan(&[demand], &[supply], &policy);
        let verdict = plan.decisions[0].verdict();
        assert_eq!(
            (verdict.reason, verdict.condition, verdict.status),
            (*reason, *condition, false),
            "{plan}"
        );
        assert!(plan.decisions[0].placed.is_empty());
    }
    let none = plan(&[chain("edge")], &[], &DevicePolicy::default());
    assert_eq!(none.decisions[0].verdict().reason, "NoNodes");
}

#[test]
fn the_readme_lists_every_reason() {
    let readme = include_str!("../../README.md");
    let source = include_str!("../../src/refusal.rs");
    let (_, source) = source.split_once("fn reason").unwrap();
    let (source, _) = source.split_once("fn condition").unwrap();
    let reasons: Vec<_> =
        source.lines().filter_map(|line| line.trim().strip_suffix("\",")?.split_once("=> \"")).collect();
    assert_eq!(reasons.len(), 27);
    for (_, reason) in &reasons {
        assert!(readme.contains(&format!("| `{reason}` |")), "{reason}");
    }
    assert_eq!(readme.lines().filter(|line| line.starts_with("| `")).count(), reasons.len());
}

#[test]
fn an_amount_that_is_none_is_named() {
    let text = "{apiVersion: hummingbird.dev/v1alpha1, kind: NfChain, metadata: {name: a}, spec: {ports: [], \
                functions: [], classes: [], dataplane: {hugepages: 1.5Gi}}}";
    let refusal = ChainDemand::of(&serde_yaml::from_str(text).unwrap()).unwrap_err();
    assert_eq!((refusal.reason(), refusal.condition()), ("InvalidQuantity", "Accepted"));
    assert_eq!(
        refusal.to_string(),
        "spec.dataplane.hugepages: '1.5Gi' is no amount of memory; write 512Mi or 1Gi"
    );
}

#[test]
fn a_device_of_one_process_and_a_nic_serve_one_chain() {
    let mut supply = node("n");
    supply.inventory.as_mut().unwrap().devices[0].one_process = true;
    let chains = [chain("a"), chain("b")];
    let planned = plan(&chains, &[supply], &DevicePolicy::default());
    assert_eq!(planned.decisions[0].verdict().reason, "Placed");
    assert_eq!(planned.decisions[1].verdict().reason, "DeviceTaken", "{planned}");

    let same = |name: &str, port| ChainDemand { ports: vec![port], ..chain(name) };
    let by_address = NicSelector { pci_address: Some("0000:00:03.0".into()), ..NicSelector::default() };
    let chains = [same("a", pci("x", by_address)), same("b", kernel("y", "eth3"))];
    let planned = plan(&chains, &[node("n")], &DevicePolicy::default());
    assert_eq!(planned.decisions[1].verdict().reason, "NicTaken", "{planned}");
    let by = ChainReference { namespace: "team".into(), name: "a".into() };
    assert!(planned.decisions[1].verdict().message.contains(&by.to_string()));
}

#[test]
fn a_port_that_is_choosy_gets_its_nic_first() {
    let choosy = NicSelector { interface_name: Some("eth4".into()), ..NicSelector::default() };
    let demand =
        ChainDemand { ports: vec![pci("any", NicSelector::default()), pci("that", choosy)], ..chain("a") };
    let planned = plan(&[demand], &[node("n")], &DevicePolicy::default());
    let nics: Vec<_> = only(&planned).allotment.nics.iter().map(|n| n.pci_address.clone().unwrap()).collect();
    assert_eq!(nics, ["0000:00:03.0", "0000:00:04.0"]);
}

#[test]
fn a_rule_may_give_nics_that_are_in_use_and_kernel_ports_need_no_iommu() {
    let mut supply = node("n");
    used(&mut supply, InUseReason::Address);
    supply.inventory.as_mut().unwrap().nics[0].bind_refusal = Some(BindRefusal::NoIommu);
    let demand = ChainDemand { ports: vec![kernel("lan", "eth3")], ..chain("a") };
    only(&plan(&[demand], &[supply], &policy("devices: [{namespaces: [team], inUse: true}]")));
}

#[test]
fn the_explanation_reads_well() {
    let mut far = node("far");
    far.inventory.as_mut().unwrap().nics.pop();
    let mut small = node("small");
    small.inventory.as_mut().unwrap().hugepages[1].free = Quantity::of_bytes(0);
    small.inventory.as_mut().unwrap().hugepages[0].free = Quantity::of_bytes(0);
    let text = plan(&[chain("edge")], &[small, far, node("near")], &DevicePolicy::default()).to_string();
    assert_eq!(
        text,
        "team/edge: Placed\n  goes to near: lan=0000:00:04.0, 4 workgroups of device 0, 2 exclusive cores, \
         512 MiB in hugepages, 512 MiB of memory\n    all on NUMA node 1\n  not on far: node near is preferred\n  \
         not on small: 536870912 bytes of hugepages are asked; 0 are free\n"
    );
}
