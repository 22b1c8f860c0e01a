//! Each mistake that validation must find, one by one and all together.

use crate::common::{EDGE, attempt, compiled, edit, violations};
use hummingbird_crds::{Bundle, Capacity, validate};

/// What is replaced in the example, by what, and the violation that follows.
struct Case {
    from: &'static str,
    to: &'static str,
    field: &'static str,
    reason: &'static str,
}

/// A case without its names.
const fn case(from: &'static str, to: &'static str, field: &'static str, reason: &'static str) -> Case {
    Case { from, to, field, reason }
}

const SECOND_SA: &str = "      - {name: two, spi: 4096, mode: Tunnel, tunnel: {source: 192.0.2.9, destination: 198.51.100.1}, cipher: AES-128-CBC, integrity: HMAC-SHA1-96, keysFrom: {secretRef: {name: gw-keys}}}\n  - name: decrypt\n";

const CASES: &[Case] = &[
    // Ports.
    case("{address: \"0000:00:03.0\"}", "{}", "spec.ports[0].pci", "neither of address and selector"),
    case("    pci: {address: \"0000:00:03.0\"}\n", "", "spec.ports[0]", "neither of pci and kernel"),
    case(
        "\"0000:00:03.0\"}",
        "\"0000:00:03.0\"}\n    kernel: {interface: eth0}",
        "spec.ports[0]",
        "both of pci and kernel",
    ),
    case("0000:00:03.0", "00:03.0", "spec.ports[0].pci.address", "no PCI address"),
    case("mtu: 1500", "mtu: 67", "spec.ports[0].mtu", "from 68 to 9216"),
    case("mtu: 1500", "mtu: 9217", "spec.ports[0].mtu", "from 68 to 9216"),
    case("- name: wan", "- name: lan\n    mtu: 99999999999\n  - name: wan", "spec.ports[1].mtu", "from 68"),
    case(
        "{address: \"0000:00:03.0\"}",
        "{selector: {}}",
        "spec.ports[0].pci.selector",
        "would take any device",
    ),
    case(
        "{address: \"0000:00:03.0\"}",
        "{selector: {mac: \"2:0:0\"}}",
        "spec.ports[0].pci.selector.mac",
        "no MAC address",
    ),
    case(
        "{address: \"0000:00:03.0\"}",
        "{selector: {vendor: intel}}",
        "spec.ports[0].pci.selector.vendor",
        "no PCI id",
    ),
    // Functions.
    case("cores: 1\n", "workgroups: 1\n", "spec.functions[3].workgroups", "is for compute: GPU"),
    case("workgroups: 2\n", "cores: 2\n", "spec.functions[2].cores", "is for compute: CPU"),
    case("workgroups: 2\n", "workgroups: 0\n", "spec.functions[2].workgroups", "from 1"),
    case("cores: 1\n", "cores: 0\n", "spec.functions[3].cores", "from 1"),
    case(
        "compute: CPU\n    cores: 1\n",
        "compute: GPU\n",
        "spec.functions[3].compute",
        "a Router runs on the CPU",
    ),
    case(
        "type: Router\n    compute: CPU\n    router: {routes:",
        "type: Router\n    compute: CPU\n    nids: {rulesFrom: {configMapRef: {name: ids-rules}}}\n    router: {routes:",
        "spec.functions[4].nids",
        "is for type NIDS",
    ),
    case(
        "compute: GPU\n    workgroups: 2",
        "compute: TPU\n    workgroups: 2",
        "spec.functions[2].compute",
        "is 'TPU'; it must be GPU or CPU",
    ),
    // Security associations.
    case(
        "spi: 4096",
        "spi: 255",
        "spec.functions[0].ipsec.securityAssociations[0].spi",
        "from 256 to 4294967295",
    ),
    case("spi: 4096", "spi: 4294967296", "spec.functions[0].ipsec.securityAssociations[0].spi", "from 256"),
    case(
        "        tunnel: {source: 192.0.2.1, destination: 198.51.100.1}\n",
        "",
        "spec.functions[0].ipsec.securityAssociations[0].tunnel",
        "is missing; mode Tunnel",
    ),
    case(
        "mode: Tunnel",
        "mode: Transport",
        "spec.functions[0].ipsec.securityAssociations[0].tunnel",
        "is for mode: Tunnel",
    ),
    case(
        "{source: 192.0.2.1,",
        "{source: 192.0.2.256,",
        "spec.functions[0].ipsec.securityAssociations[0].tunnel.source",
        "no IPv4 address",
    ),
    case(
        "esn: false",
        "replayWindow: 64",
        "spec.functions[0].ipsec.securityAssociations[0].replayWindow",
        "is for direction: Decrypt",
    ),
    case(
        "replayWindow: 1024",
        "replayWindow: 65537",
        "spec.functions[1].ipsec.securityAssociations[0].replayWindow",
        "from 0 to 65536",
    ),
    case(
        "cipher: AES-128-CBC",
        "cipher: AES-256-CBC",
        "spec.functions[0].ipsec.securityAssociations[0].cipher",
        "it must be AES-128-CBC",
    ),
    case(
        "  - name: decrypt\n",
        SECOND_SA,
        "spec.functions[0].ipsec.securityAssociations[1].spi",
        "use another SPI",
    ),
    case(
        "selector: {destination: 10.0.0.0/8}",
        "selector: {destination: 10.0.0.1/8}",
        "spec.functions[0].ipsec.securityAssociations[0].selector.destination",
        "the prefix is 10.0.0.0/8",
    ),
    case(
        "selector: {destination: 10.0.0.0/8}",
        "selector: {protocol: ICMP, sourcePorts: 7}",
        "spec.functions[0].ipsec.securityAssociations[0].selector.sourcePorts",
        "which has no ports",
    ),
    case(
        "selector: {destination: 10.0.0.0/8}",
        "selector: {port: lan}",
        "spec.functions[0].ipsec.securityAssociations[0].selector.port",
        "is no field",
    ),
    // Rules.
    case(
        "key: local.rules",
        "key: other.rules",
        "spec.functions[2].nids.rulesFrom",
        "which has only: local.rules",
    ),
    case(
        "{name: ids-rules, key: local.rules}",
        "{name: rules}",
        "spec.functions[2].nids.rulesFrom",
        "ConfigMap rules, which is not there",
    ),
    case(
        "{name: ids-rules, namespace: default}",
        "{name: ids-rules, namespace: prod}",
        "spec.functions[2].nids.rulesFrom",
        "is in namespace prod",
    ),
    case(
        "HOME_NET: [\"10.0.0.0/8\"]",
        "HOME_NET: [\"ten\"]",
        "spec.functions[2].nids.variables.HOME_NET",
        "ten",
    ),
    case("onMatch: Alert", "onMatch: Reject", "spec.functions[2].nids.onMatch", "it must be Alert or Drop"),
    case(
        "{configMapRef: {name: ids-rules, key: local.rules}}",
        "{}",
        "spec.functions[2].nids.rulesFrom",
        "neither of configMapRef and configMapSelector",
    ),
    case(
        "{configMapRef: {name: ids-rules, key: local.rules}}",
        "{configMapSelector: {matchLabels: {}}}",
        "spec.functions[2].nids.rulesFrom",
        "would take every ConfigMap",
    ),
    // Routes.
    case(
        "10.1.0.0/16,lan",
        "10.1.0.0/33,lan",
        "spec.functions[3].router.routesFrom",
        "routes/routes.csv line 2: prefix is no prefix",
    ),
    case(
        "10.1.0.0/16,lan",
        "10.1.0.0/16,lna",
        "spec.functions[3].router.routesFrom",
        "line 2: port 'lna' is no port of the chain; there are: lan, wan",
    ),
    case("02:00:00:00:01:01", "02:00:00:00:01", "spec.functions[3].router.routesFrom", "is no MAC address"),
    case(
        "10.1.0.0/16,lan,",
        "10.1.0.0/16,lan,lan,",
        "spec.functions[3].router.routesFrom",
        "a line has three cells",
    ),
    case(
        "    198.51.100.0/24,wan",
        "\n    # again\n    10.1.0.0/16,wan",
        "spec.functions[3].router.routesFrom",
        "routes/routes.csv line 5: prefix 10.1.0.0/16 has a route already, routes/routes.csv line 2",
    ),
    case(
        "    prefix,port,nextHopMac\n",
        "",
        "spec.functions[3].router.routesFrom",
        "the first line must be prefix,port,nextHopMac",
    ),
    case(
        "{prefix: 0.0.0.0/0, port: lan",
        "{prefix: 0.0.0.0/0, port: dmz",
        "spec.functions[4].router.routes[0].port",
        "'dmz' is no port",
    ),
    case(
        "router: {routes: [",
        "router: {routesFrom: {configMapRef: {name: routes}}, routes: [",
        "spec.functions[4].router",
        "both of routes and routesFrom",
    ),
    // Classes.
    case(
        "path: [jail]",
        "path: [jial]",
        "spec.classes[4].path[0]",
        "'jial' is no function of the chain; there are: decrypt",
    ),
    case(
        "path: [ids, encrypt, route]",
        "path: [ids, encrypt, ids, route]",
        "spec.classes[2].path[2]",
        "visits 'ids' again",
    ),
    case(
        "path: [encrypt, route]",
        "path: [route, encrypt]",
        "spec.classes[1].path[0]",
        "must be the path's last",
    ),
    case(
        "path: [encrypt, route]",
        "path: [encrypt, route], egress: wan",
        "spec.classes[1].egress",
        "is never used",
    ),
    case("egress: wan", "egress: dmz", "spec.classes[3].egress", "'dmz' is no port"),
    case("match: {port: wan,", "match: {port: wna,", "spec.classes[0].match.port", "'wna' is no port"),
    case(
        "protocol: UDP",
        "protocol: UPD",
        "spec.classes[1].match.protocol",
        "write TCP, UDP, ICMP, ESP or a number",
    ),
    case("protocol: UDP", "protocol: 256", "spec.classes[1].match.protocol", "from 0 to 255"),
    case("protocol: UDP", "protocol: ESP", "spec.classes[1].match.destinationPorts", "which has no ports"),
    case("4000-4999", "4999-4000", "spec.classes[1].match.destinationPorts", "write 4000-4999"),
    case("4000-4999", "4000-65536", "spec.classes[1].match.destinationPorts", "from 0 to 65535"),
    case("name: bulk", "name: inbound", "spec.classes[1].name", "is the name of spec.classes[0] already"),
    case("name: bulk", "name: \"a,b\"", "spec.classes[1].name", "is no name"),
    case("defaultClass: outbound", "defaultClass: out", "spec.defaultClass", "'out' is no class"),
    // Transitions.
    case(
        "class: quarantine}",
        "class: mirror}",
        "spec.transitions[0].class",
        "makes a cycle, mirror -> mirror",
    ),
    case(
        "{function: ids,",
        "{function: encrypt,",
        "spec.transitions[0].function",
        "only a NIDS gives the verdict",
    ),
    case("{function: ids,", "{function: idz,", "spec.transitions[0].function", "'idz' is no function"),
    case("class: quarantine}", "class: prison}", "spec.transitions[0].class", "'prison' is no class"),
    case(
        "class: quarantine}",
        "class: quarantine}\n  - {function: ids, verdict: Match, class: bulk}",
        "spec.transitions[1].function",
        "has a transition for Match already",
    ),
    case("onMatch: Alert", "onMatch: Drop", "spec.transitions[0].function", "has onMatch: Drop"),
    // The chain.
    case(
        "  defaultClass:",
        "  placement: {mode: EveryMatchingNode}\n  defaultClass:",
        "spec.placement.mode",
        "function encrypt encrypts",
    ),
    case(
        "  defaultClass:",
        "  dataplane: {hugepages: lots}\n  defaultClass:",
        "spec.dataplane.hugepages",
        "no amount of memory",
    ),
    case(
        "  defaultClass:",
        "  nonIPv4: Maybe\n  defaultClass:",
        "spec.nonIPv4",
        "it must be Drop or Forward",
    ),
    case("  defaultClass:", "  dataPlane: {}\n  defaultClass:", "spec.dataPlane", "is no field of the API"),
    case("onMatch: Alert", "onMtach: Alert", "spec.functions[2].nids.onMtach", "is no field of the API"),
    case("hummingbird.dev/v1alpha1", "hummingbird.dev/v2", "apiVersion", "reads hummingbird.dev/v1alpha1"),
    case("{name: edge, ", "{", "metadata.name", "is missing"),
    case(
        "    type: Router\n    compute: CPU\n    cores",
        "    compute: CPU\n    cores",
        "spec.functions[3].type",
        "is missing; it must be IPsec or NIDS or Router",
    ),
];

#[test]
fn each_mistake_is_named_with_its_field() {
    for Case { from, to, field, reason } in CASES {
        let found = violations(&edit(EDGE, from, to));
        assert!(
            found.iter().any(|violation| violation.field == *field && violation.reason.contains(reason)),
            "{from:?} -> {to:?}: wanted {field}: …{reason}…, found {found:#?}"
        );
        assert!(found.iter().all(|violation| violation.line.is_some()), "without line: {found:#?}");
    }
}

#[test]
fn keys_of_a_wrong_length_are_named_with_a_hint() {
    let field = "spec.functions[0].ipsec.securityAssociations[0].keysFrom.secretRef";
    for (key, hint) in [
        ("0123456789abcdef0123456789ABCDEF", "has 32 bytes; it must have 16; it looks like hex"),
        ("\"hummingbird-demo\\n\"", "it ends in a line break"),
        ("short", "has 5 bytes; it must have 16"),
    ] {
        let found = violations(&edit(EDGE, "cipherKey: hummingbird-demo", &format!("cipherKey: {key}")));
        let first = &found[0];
        assert!(first.field == field && first.reason.contains(hint), "{found:#?}");
        assert!(!first.reason.contains(key.trim_matches('"')), "the key is told");
        assert!(first.reason.contains("key cipherKey of Secret gw-keys"), "{found:#?}");
    }
    for (from, to, reason) in [
        (
            "cipherKey: hummingbird-demo",
            "cypherKey: hummingbird-demo",
            "key cipherKey of Secret gw-keys is missing",
        ),
        ("aHVtbWluZ2JpcmQtaWN2LWRlbW8=", "not base64!", "data.integrityKey is no base64"),
        ("cipherKey: hummingbird-demo", "cipherKey: 1234567890123456", "stringData.cipherKey must be a text"),
        ("metadata: {name: gw-keys}", "metadata: {name: other}", "names Secret gw-keys, which is not there"),
    ] {
        let found = violations(&edit(EDGE, from, to));
        assert!(found[0].field == field && found[0].reason.contains(reason), "{found:#?}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let mut text = EDGE.to_owned();
    for (from, to) in [
        ("mtu: 1500", "mtu: 12"),
        ("path: [jail]", "path: [jial]"),
        ("spi: 4096", "spi: many"),
        ("onMatch: Alert", "onMtach: Alert"),
        ("10.1.0.0/16,lan", "10.1.0.0/16,lna"),
        ("defaultClass: outbound", "defaultClass: out"),
    ] {
        text = edit(&text, from, to);
    }
    let fields: Vec<_> = violations(&text).into_iter().map(|violation| violation.field).collect();
    for field in [
        "spec.ports[0].mtu",
        "spec.classes[4].path[0]",
        "spec.functions[0].ipsec.securityAssociations[0].spi",
        "spec.functions[2].nids.onMtach",
        "spec.functions[3].router.routesFrom",
        "spec.defaultClass",
    ] {
        assert_eq!(fields.iter().filter(|found| *found == field).count(), 1, "{field} in {fields:?}");
    }
    assert_eq!(fields.len(), 6, "{fields:?}");
}

#[test]
fn a_violation_has_the_line_of_its_field() {
    let found = violations(&edit(EDGE, "path: [jail]", "path: [jial]"));
    let line = EDGE.lines().position(|line| line.contains("[jail]")).unwrap() + 1;
    assert_eq!(found[0].line, Some(line));
    assert_eq!(
        found[0].to_string().split(';').next().unwrap(),
        format!("line {line}: spec.classes[4].path[0]: 'jial' is no function of the chain")
    );
}

#[test]
fn more_than_two_ports_need_an_egress_and_no_forward() {
    let three =
        edit(EDGE, "0000:00:04.0\"}\n", "0000:00:04.0\"}\n  - {name: dmz, kernel: {interface: veth9}}\n");
    compiled(&three);
    let found = violations(&edit(&three, ", egress: wan", ""));
    assert_eq!(found[0].field, "spec.classes[3].egress");
    assert!(found[0].reason.contains("of 3 ports none is the other one"), "{found:#?}");
    let found = violations(&edit(&three, "  defaultClass:", "  nonIPv4: Forward\n  defaultClass:"));
    assert_eq!(found[0].field, "spec.nonIPv4");
}

#[test]
fn a_cycle_over_several_classes_is_found_once() {
    let second = "workgroups: 2\n    nids:\n      rulesFrom: {configMapRef: {name: ids-rules}}\n  - name: ids2\n    type: NIDS\n    compute: GPU\n    workgroups: 2\n";
    let text = edit(EDGE, "workgroups: 2\n", second);
    let text = edit(&text, "path: [jail]", "path: [ids2, jail]");
    let text = edit(
        &text,
        "verdict: Match, class: quarantine}",
        "verdict: Match, class: quarantine}\n  - {function: ids2, verdict: Match, class: outbound}",
    );
    let found = violations(&text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].field, "spec.transitions[0].class");
    assert!(found[0].reason.contains("quarantine -> outbound -> quarantine"), "{found:#?}");
}

#[test]
fn spis_are_compared_over_all_functions_of_a_direction() {
    // The same SPI, key and name in the other direction is allowed.
    compiled(&edit(EDGE, "spi: 4097", "spi: 4096"));
    compiled(&edit(
        &edit(EDGE, "spi: 4097", "spi: 4096"),
        "{source: 198.51.100.1, destination: 192.0.2.1}",
        "{source: 192.0.2.1, destination: 198.51.100.1}",
    ));
    // Whoever decrypts goes by the SPI alone where there is no tunnel.
    let more = "      - {name: host, spi: 4097, mode: Transport, cipher: AES-128-CBC, integrity: HMAC-SHA1-96, keysFrom: {secretRef: {name: gw-keys}}}\n  - name: ids\n";
    let found = violations(&edit(EDGE, "  - name: ids\n", more));
    assert_eq!(found[0].field, "spec.functions[1].ipsec.securityAssociations[1].spi");
    // Another tunnel destination tells two SAs apart.
    let more = more
        .replace("mode: Transport", "mode: Tunnel, tunnel: {source: 198.51.100.9, destination: 192.0.2.9}");
    compiled(&edit(EDGE, "  - name: ids\n", &more));
}

#[test]
fn capacity_is_judged_where_it_is_known() {
    let capacity = |workgroups| Capacity { workgroups };
    assert!(attempt(EDGE, capacity(None)).is_ok());
    assert!(attempt(EDGE, capacity(Some(4))).is_ok());
    let found = attempt(EDGE, capacity(Some(3))).unwrap_err();
    assert_eq!(found[0].field, "spec.functions");
    assert!(found[0].reason.contains("ask for 4 workgroups in all, and the device holds 3"), "{found:#?}");
}

#[test]
fn a_rule_file_without_a_usable_rule_fails() {
    let text = EDGE.replace("alert udp", "alart udp").replace("alert tcp", "alart tcp");
    let found = violations(&text);
    assert_eq!(found[0].field, "spec.functions[2].nids.rulesFrom");
    assert!(found[0].reason.contains("no usable rule in ids-rules/local.rules"), "{found:#?}");
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let warned = |from: &str, to: &str, field: &str, reason: &str| {
        let text = edit(EDGE, from, to);
        let report = validate(&Bundle::read(text.as_bytes()).unwrap(), Capacity::default());
        assert_eq!(report.violations, [], "{to}");
        assert!(
            report.warnings.iter().any(|warning| warning.field == field && warning.reason.contains(reason)),
            "{to}: {:#?}",
            report.warnings
        );
    };
    let decrypt = "spec.functions[1].ipsec.securityAssociations[0].selector";
    warned("        selector: {source: 10.2.0.0/16}\n", "", decrypt, "any inner packet is let through");
    warned(
        "  transitions:\n  - {function: ids, verdict: Match, class: quarantine}\n",
        "",
        "spec.classes[4]",
        "is never entered",
    );
    warned("path: [decrypt, ids, route]", "path: [ids, route]", "spec.functions[1]", "is in no path");
    warned(
        "match: {port: wan, protocol: ESP}",
        "match: {}",
        "spec.classes[1].match",
        "class 'inbound' before it",
    );
    let all = "      - {name: all, spi: 9999, mode: Transport, cipher: AES-128-CBC, integrity: HMAC-SHA1-96, keysFrom: {secretRef: {name: gw-keys}}}\n      - name: gw\n";
    warned("      - name: gw\n", all, "spec.functions[0].ipsec.securityAssociations[1]", "is never used");
    let empty = "    10.1.0.0/16,lan,02:00:00:00:01:01\n    198.51.100.0/24,wan,02:00:00:00:02:01\n";
    warned(empty, "", "spec.functions[3].router.routesFrom", "holds no route");
}
