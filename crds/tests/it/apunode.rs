//! The schema of ApuNode, and the rules that it carries in CEL.

use crate::common::edit;
use hummingbird_crds::{api::ApuNode, crd_files};

/// A node that runs one chain.
const NODE: &str = r#"
apiVersion: hummingbird.dev/v1alpha1
kind: ApuNode
metadata: {name: apu-1}
spec:
  assignments:
  - uid: 8d7a0001
    chain: {namespace: default, name: edge}
    desired: Running
    generation: 3
    hash: "0000000000000000000000000000000000000000000000000000000000000001"
    resources:
      nics: [{port: lan, pciAddress: "0000:00:03.0"}, {port: wan, interface: veth1}]
      device: 0
      workgroups: 8
      cores: 2
      cpuPolicy: Shared
      hugepages: 512Mi
      memory: 1Gi
      numaNode: 0
status:
  observedGeneration: 3
  inventory:
    nics:
    - {id: "0000:00:03.0", pciAddress: "0000:00:03.0", driver: vfio-pci, iommuGroup: 7, numaNode: 0,
       vendor: "8086", device: "10d3"}
    - {id: eth0, interface: eth0, mac: "02:00:00:00:00:01", linkUp: true,
       inUse: {reason: Management, message: the default route leaves by it}, bindRefusal: NoIommu}
    devices:
    - {index: 0, name: cpu, platform: Portable Computing Language, svm: FineAtomics, workgroupCapacity: 16}
    cpus: {total: 8, freeExclusive: 4, freeMillicores: 5500}
    hugepages: [{numaNode: 0, total: 2Gi, free: 1Gi}]
    memoryFree: 8Gi
  bindings: [{pciAddress: "0000:00:03.0", uid: 8d7a0001, originalDriver: e1000e, step: Bound}]
  assignments:
  - {uid: 8d7a0001, chain: {namespace: default, name: edge}, phase: Running, generation: 3,
     counters: {rxPackets: 5, txPackets: 4, drops: 1}}
"#;

fn node(text: &str) -> ApuNode {
    serde_yaml::from_str(text).unwrap()
}

fn crd() -> serde_json::Value {
    let files = crd_files().unwrap();
    let (_, yaml) = files.iter().find(|(name, _)| *name == "apunode.yaml").unwrap();
    serde_yaml::from_str(yaml).unwrap()
}

#[test]
fn a_node_reads_and_writes_the_same() {
    let read = node(NODE);
    let text = serde_yaml::to_string(&read).unwrap();
    assert_eq!(node(&text), read);
    let empty = node("{apiVersion: hummingbird.dev/v1alpha1, kind: ApuNode, metadata: {name: a}, spec: {}}");
    assert!(empty.spec.assignments.is_empty());
    empty.validate_cel().unwrap();
}

#[test]
fn the_crd_is_as_designed() {
    let crd = crd();
    assert_eq!(crd["spec"]["scope"], "Cluster");
    assert_eq!(crd["spec"]["names"]["shortNames"], serde_json::json!(["apu"]));
    assert_eq!(crd["spec"]["names"]["categories"], serde_json::json!(["hummingbird"]));
    let version = &crd["spec"]["versions"][0];
    assert!(version["subresources"]["status"].is_object());
    let columns: Vec<_> =
        version["additionalPrinterColumns"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(
        columns,
        ["READY", "REASON", "CHAINS", "PHASES", "WORKGROUPS", "CPUS", "IN-USE", "UNUSABLE", "AGE"]
    );
    let schema = &version["schema"]["openAPIV3Schema"]["properties"];
    let assignments = &schema["spec"]["properties"]["assignments"];
    let status = &schema["status"]["properties"];
    let inventory = &status["inventory"]["properties"];
    for (list, key) in [
        (assignments, "uid"),
        (&assignments["items"]["properties"]["resources"]["properties"]["nics"], "port"),
        (&status["assignments"], "uid"),
        (&status["bindings"], "pciAddress"),
        (&status["conditions"], "type"),
        (&inventory["nics"], "id"),
        (&inventory["devices"], "index"),
        (&inventory["hugepages"], "numaNode"),
    ] {
        assert_eq!(list["x-kubernetes-list-type"], "map", "{key}");
        assert_eq!(list["x-kubernetes-list-map-keys"], serde_json::json!([key]));
    }
}

#[test]
fn cel_refuses_what_makes_no_sense() {
    node(NODE).validate_cel().unwrap();
    for (from, to, message) in [
        ("workgroups: 8", "workgroups: 0", "workgroups and only they need a device"),
        ("      device: 0\n", "", "workgroups and only they need a device"),
        ("interface: veth1}", "interface: veth1, pciAddress: \"0000:00:04.0\"}", "exactly one of pciAddress"),
        ("{port: wan, interface: veth1}", "{port: wan}", "exactly one of pciAddress"),
    ] {
        let errors = node(&edit(NODE, from, to)).validate_cel().unwrap_err().to_string();
        assert!(errors.contains(message), "{to}: {errors}");
    }
}

#[test]
fn an_assignment_only_goes_forward() {
    let old = node(NODE);
    let hash = "0001\"";
    for (from, to, message) in [
        ("name: edge}\n    desired", "name: core}\n    desired", "the chain of an assignment is immutable"),
        ("generation: 3\n    hash", "generation: 2\n    hash", "a generation never goes back"),
        (hash, "0002\"", "another hash needs a higher generation"),
    ] {
        let errors = node(&edit(NODE, from, to)).validate_cel_update(&old).unwrap_err().to_string();
        assert!(errors.contains(message), "{errors}");
    }
    let newer = edit(&edit(NODE, hash, "0002\""), "generation: 3\n    hash", "generation: 4\n    hash");
    node(&newer).validate_cel_update(&old).unwrap();

    let absent = node(&edit(NODE, "desired: Running", "desired: Absent"));
    absent.validate_cel_update(&old).unwrap();
    let errors = old.validate_cel_update(&absent).unwrap_err().to_string();
    assert!(errors.contains("a teardown that has begun is finished"), "{errors}");
}
