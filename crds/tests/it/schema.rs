//! The generated CRD, and the rules that it carries in CEL.

use crate::common::{EDGE, edit};
use hummingbird_crds::{api::NfChain, crd_files};

fn chain(text: &str) -> NfChain {
    serde_yaml::from_str(text.split("\n---\n").next().unwrap()).unwrap()
}

/// A generated file by its name.
fn generated(name: &str) -> String {
    crd_files().unwrap().into_iter().find(|(file, _)| *file == name).unwrap().1
}

fn nfchain_yaml() -> String {
    generated("nfchain.yaml")
}

#[test]
fn the_crds_in_the_tree_are_the_generated_ones() {
    for (name, text) in [
        ("nfchain.yaml", include_str!("../../nfchain.yaml")),
        ("apunode.yaml", include_str!("../../apunode.yaml")),
    ] {
        assert!(generated(name) == text, "{name}: run make crds");
    }
}

#[test]
fn the_schema_has_no_format_that_an_api_server_does_not_know() {
    for (name, yaml) in crd_files().unwrap() {
        let formats: Vec<_> = yaml.lines().filter_map(|line| line.trim().strip_prefix("format: ")).collect();
        let known = ["int32", "int64", "date-time"];
        assert!(formats.iter().all(|format| known.contains(format)), "{name}: {formats:?}");
        assert!(!yaml.contains("additionalProperties: false"), "{name}");
    }
}

#[test]
fn list_types_are_as_designed() {
    let crd: serde_json::Value = serde_yaml::from_str(&nfchain_yaml()).unwrap();
    let version = &crd["spec"]["versions"][0];
    let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let keys = "x-kubernetes-list-map-keys";
    assert_eq!(spec["ports"][keys], serde_json::json!(["name"]));
    assert_eq!(spec["functions"][keys], serde_json::json!(["name"]));
    assert_eq!(spec["transitions"][keys], serde_json::json!(["function", "verdict"]));
    assert_eq!(spec["classes"]["x-kubernetes-list-type"], "atomic");
    let function = &spec["functions"]["items"]["properties"];
    let associations = &function["ipsec"]["properties"]["securityAssociations"];
    assert_eq!(associations["x-kubernetes-list-type"], "atomic");
    assert_eq!(function["router"]["properties"]["routes"]["x-kubernetes-list-type"], "atomic");
    let status = &version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
    assert_eq!(status["instances"][keys], serde_json::json!(["node"]));
    assert_eq!(status["conditions"][keys], serde_json::json!(["type"]));
    let columns: Vec<_> =
        version["additionalPrinterColumns"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(columns, ["READY", "REASON", "NODE", "CLASSES", "RX", "TX", "DROPS", "GENERATION", "AGE"]);
}

#[test]
fn cel_says_what_validation_says() {
    chain(EDGE).validate_cel().unwrap();
    for (from, to, message) in [
        ("    pci: {address: \"0000:00:03.0\"}\n", "", "exactly one of pci and kernel"),
        ("{address: \"0000:00:03.0\"}", "{}", "exactly one of address and selector"),
        ("cores: 1\n", "workgroups: 1\n", "workgroups is for compute: GPU"),
        ("compute: CPU\n    cores: 1\n", "compute: GPU\n", "a Router runs on the CPU"),
        ("mode: Tunnel", "mode: Transport", "mode Tunnel and only it"),
        ("esn: false", "replayWindow: 64", "replayWindow is for direction: Decrypt"),
        (
            "{configMapRef: {name: ids-rules, key: local.rules}}",
            "{}",
            "exactly one of configMapRef and configMapSelector",
        ),
        (
            "router: {routes: [",
            "router: {routesFrom: {configMapRef: {name: routes}}, routes: [",
            "exactly one of routes and routesFrom",
        ),
        ("defaultClass: outbound", "defaultClass: out", "defaultClass must name a class"),
        ("class: quarantine}", "class: prison}", "a transition must name a class"),
        (
            "  defaultClass:",
            "  placement: {mode: EveryMatchingNode}\n  defaultClass:",
            "EveryMatchingNode refuses Encrypt",
        ),
        (
            "type: Router\n    compute: CPU\n    router: {routes:",
            "type: NIDS\n    compute: CPU\n    router: {routes:",
            "type NIDS and only it",
        ),
        ("path: [jail]", "path: [jial]", "a path must name functions"),
        ("path: [ids, encrypt, route]", "path: [ids, encrypt, ids, route]", "a path visits a function once"),
        ("egress: wan", "egress: dmz", "egress must name a port"),
        ("match: {port: wan,", "match: {port: wna,", "a match must name a port"),
        ("{function: ids,", "{function: encrypt,", "a transition must name a NIDS"),
        ("onMatch: Alert", "onMatch: Drop", "a transition must name a NIDS"),
        ("- name: jail", "- name: tx", "rx and tx are words"),
    ] {
        let errors = chain(&edit(EDGE, from, to)).validate_cel().unwrap_err().to_string();
        assert!(errors.contains(message), "{to}: {errors}");
        assert!(!crate::common::violations(&edit(EDGE, from, to)).is_empty());
    }
}

#[test]
fn ports_are_immutable() {
    let old = chain(EDGE);
    for (from, to, message) in [
        ("- name: wan", "- name: wide", "ports are immutable"),
        ("pci: {address: \"0000:00:03.0\"}", "kernel: {interface: eth0}", "the kind of a port is immutable"),
    ] {
        let errors = chain(&edit(EDGE, from, to)).validate_cel_update(&old).unwrap_err().to_string();
        assert!(errors.contains(message), "{errors}");
    }
    chain(&edit(EDGE, "mtu: 1500", "mtu: 1400")).validate_cel_update(&old).unwrap();
}

#[test]
fn cel_asks_for_an_egress_where_there_are_more_than_two_ports() {
    let three =
        edit(EDGE, "0000:00:04.0\"}\n", "0000:00:04.0\"}\n  - {name: dmz, kernel: {interface: veth9}}\n");
    chain(&three).validate_cel().unwrap();
    let errors = chain(&edit(&three, ", egress: wan", "")).validate_cel().unwrap_err().to_string();
    assert!(errors.contains("needs a Router at its path's end, or an egress"), "{errors}");
}
