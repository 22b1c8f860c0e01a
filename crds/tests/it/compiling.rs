//! What the examples compile to.

use std::fmt::Write;

use crate::common::{DYNAMIC, EDGE, STATIC, compiled, edit};
use hummingbird_crds::{
    tables::{
        ClassId, Compute, Egress, EspMode, Generation, NfId, NonIpv4, OnMatch, PortBinding, PortId, Work,
    },
    view::TablesView,
};

#[test]
fn the_whole_example_compiles() {
    let compiled = compiled(EDGE);
    assert_eq!(compiled.warnings, []);
    let tables = &compiled.tables;
    assert_eq!((tables.generation, tables.chain.as_str()), (Generation(7), "default/edge"));
    assert_eq!(tables.ports[0].binding, PortBinding::PciAddress("0000:00:03.0".into()));
    assert_eq!(tables.functions[2].compute, Compute::Gpu { workgroups: 2 });
    assert_eq!(tables.classifier.rules.len(), 4);
    assert_eq!(tables.classifier.default, Some(ClassId(2)));
    assert_eq!(tables.classes[0].path, [NfId(1), NfId(2), NfId(3)]);
    assert_eq!(tables.classes[0].egress, Egress::Router);
    assert_eq!(tables.classes[3].egress, Egress::Port(PortId(1)));
    assert_eq!(tables.route_table.transition(NfId(2)), Some(ClassId(4)));
    let Work::Encrypt(associations) = &tables.functions[0].work else { panic!("no Encrypt") };
    let gw = &associations[0];
    assert_eq!((gw.spi, gw.esn, gw.replay_window), (4096, false, 0));
    assert_eq!(
        gw.mode,
        EspMode::Tunnel { source: [192, 0, 2, 1].into(), destination: [198, 51, 100, 1].into() }
    );
    assert_eq!(&gw.keys.cipher, b"hummingbird-demo");
    assert_eq!(&gw.keys.integrity, b"hummingbird-icv-demo");
    assert_eq!(compiled.rule_reports[0].0, "ids");
    assert_eq!(compiled.rule_reports[0].1.loaded, 2);
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = edit(EDGE, "        replayWindow: 1024\n", "");
    let text = edit(
        &text,
        "      variables: {HOME_NET: [\"10.0.0.0/8\"]}\n      unsupported: Skip\n      onMatch: Alert\n",
        "",
    );
    let text = edit(&text, "        esn: false\n", "");
    let text = edit(&text, "    cores: 1\n", "");
    let text = edit(&text, "    workgroups: 1\n", "");
    let tables = compiled(&text).tables;
    let Work::Decrypt(associations) = &tables.functions[1].work else { panic!("no Decrypt") };
    assert_eq!(associations[0].replay_window, 1024);
    let Work::Encrypt(associations) = &tables.functions[0].work else { panic!("no Encrypt") };
    assert!(!associations[0].esn);
    let Work::Nids(nids) = &tables.functions[2].work else { panic!("no NIDS") };
    assert_eq!(nids.on_match, OnMatch::Alert);
    assert_eq!(tables.ports[1].mtu, 1500);
    assert_eq!(tables.functions[0].compute, Compute::Gpu { workgroups: 1 });
    assert_eq!(tables.functions[3].compute, Compute::Cpu { cores: 1 });
    assert_eq!((tables.non_ipv4, tables.max_row_delay_us), (NonIpv4::Drop, 100));
}

#[test]
fn a_replay_window_of_0_stays_0() {
    let tables = compiled(&edit(EDGE, "replayWindow: 1024", "replayWindow: 0")).tables;
    let Work::Decrypt(associations) = &tables.functions[1].work else { panic!("no Decrypt") };
    assert_eq!(associations[0].replay_window, 0);
}

#[test]
fn the_papers_chains_compile() {
    assert_eq!(
        TablesView::of(&compiled(STATIC).tables).route_csv(),
        "packet_type,current_nf,next_nf,verdict\nall,rx,ipsec\nall,ipsec,nids\nall,nids,router\nall,router,tx\n"
    );
    let tables = compiled(DYNAMIC).tables;
    assert_eq!(tables.classes[0].path, [NfId(0), NfId(2)]);
    assert_eq!(tables.functions[2].compute, Compute::Cpu { cores: 2 });
}

#[test]
fn the_route_table_has_transitions_in_a_fourth_cell() {
    let csv = TablesView::of(&compiled(EDGE).tables).route_csv();
    for line in [
        "outbound,rx,ids",
        "outbound,ids,encrypt",
        "outbound,ids,jail,Match",
        "mirror,ids,tx",
        "quarantine,jail,tx",
    ] {
        assert!(csv.lines().any(|found| found == line), "{line} in\n{csv}");
    }
}

#[test]
fn the_view_shows_everything_but_keys() {
    let view = TablesView::of(&compiled(EDGE).tables);
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json["generation"], 7);
    assert_eq!(json["forwardingTable"][2]["workgroups"], serde_json::json!([2, 3]));
    assert_eq!(json["forwardingTable"][0]["data"]["encrypt"][0]["spi"], 4096);
    assert_eq!(json["forwardingTable"][3]["data"]["routes"], 2);
    assert_eq!(
        json["routeTable"][0],
        serde_json::json!({"packetType": "inbound", "currentNf": "rx", "nextNf": "decrypt"})
    );
    assert_eq!(json["classifier"][1]["match"], "port=lan protocol=UDP destinationPorts=4000-4999");
    for text in [json.to_string(), view.to_string()] {
        assert!(!text.contains("hummingbird-demo") && !text.contains("hummingbird-icv"), "{text}");
    }
    for part in [
        "outbound         everything else",
        "jail             Router  CPU  1 cores",
        "gw (SPI 4096, tunnel 192.0.2.1 -> 198.51.100.1)",
    ] {
        assert!(view.to_string().contains(part), "{part} in\n{view}");
    }
}

#[test]
fn the_hash_follows_the_chain_and_what_it_names() {
    let hash = |text: &str| compiled(text).hash;
    assert_eq!(hash(EDGE), hash(&format!("# a comment\n{EDGE}")));
    assert_eq!(
        hash(EDGE),
        hash(&edit(EDGE, "        esn: false\n", "")),
        "a default spelled out changes nothing"
    );
    for (from, to) in [
        ("mtu: 1500", "mtu: 1400"),
        ("cipherKey: hummingbird-demo", "cipherKey: hummingbird-emod"),
        ("content:\"evil\"", "content:\"live\""),
        ("10.1.0.0/16,lan", "10.3.0.0/16,lan"),
        ("{name: edge,", "{name: egde,"),
    ] {
        assert_ne!(hash(EDGE), hash(&edit(EDGE, from, to)), "{to}");
    }
}

#[test]
fn half_a_million_routes_compile() {
    let mut csv = String::new();
    for index in 0..500_000u32 {
        let [_, b, c, d] = (index * 4).to_be_bytes();
        writeln!(csv, "    {}.{b}.{c}.{d}/30,wan,02:00:00:00:02:01", 100 + (index >> 22)).unwrap();
    }
    let text = edit(EDGE, "    10.1.0.0/16,lan,02:00:00:00:01:01\n", &csv);
    let tables = compiled(&text).tables;
    let Work::Router(routes) = &tables.functions[3].work else { panic!("no Router") };
    assert_eq!(routes.len(), 500_001);
}

#[test]
fn mistakes_in_many_lines_are_told_for_the_first_few() {
    let csv: String = (0..1000).map(|index| format!("    10.1.{index}/16,lan,02:00:00:00:01:01\n")).collect();
    let found = crate::common::violations(&edit(EDGE, "    10.1.0.0/16,lan,02:00:00:00:01:01\n", &csv));
    assert_eq!(found.len(), 21);
    assert!(found[20].reason.contains("980 mistakes more"), "{}", found[20]);
}
