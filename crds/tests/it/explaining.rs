//! What `explain` says of packets built by hand.

use hummingbird_crds::{
    DropReason, Explainer,
    explain::{Explanation, Outcome, Step},
    tables::PortId,
};
use hummingbird_packet::checksum;
use proptest::prelude::*;

use crate::{
    common::{EDGE, STATIC, compiled, edit},
    packets::{MAC, esp, first_fragment, ipv4, padded, udp},
};

const LAN: PortId = PortId(0);
const WAN: PortId = PortId(1);
const HOST: [u8; 4] = [10, 1, 0, 9];
const PEER: [u8; 4] = [10, 2, 0, 5];
const ELSEWHERE: [u8; 4] = [8, 8, 8, 8];

fn explain(bundle: &str, port: PortId, frame: &[u8]) -> Explanation {
    let tables = compiled(bundle).tables;
    Explainer::new(&tables).explain(port, frame)
}

fn sent(port: &str, mac: &str, bytes: usize) -> Outcome {
    Outcome::Sent { port: port.into(), destination_mac: mac.into(), bytes }
}

#[track_caller]
fn dropped(bundle: &str, port: PortId, frame: &[u8], reason: DropReason, function: Option<&str>) {
    let outcome = explain(bundle, port, frame).outcome;
    assert_eq!(outcome, Outcome::Dropped { reason, function: function.map(str::to_owned) });
}

#[test]
fn outbound_is_inspected_encrypted_and_routed() {
    let explained = explain(EDGE, LAN, &udp(HOST, PEER, 53, b"harmless"));
    assert_eq!(explained.class.as_deref(), Some("outbound"));
    assert_eq!(explained.path, ["ids", "encrypt", "route"]);
    // 36 bytes inside, 48 with the trailer, 20 + 8 + 16 before and 12 behind, 14 of Ethernet.
    assert_eq!(explained.outcome, sent("wan", "02:00:00:00:02:01", 118));
    assert!(explained.steps.contains(&Step::Encrypted {
        function: "encrypt".into(),
        sa: "gw".into(),
        spi: 4096,
        bytes: 118
    }));
    assert!(explained.steps.contains(&Step::Routed {
        function: "route".into(),
        prefix: "198.51.100.0/24".into(),
        port: "wan".into(),
        next_hop_mac: "02:00:00:00:02:01".into(),
        ttl: 64
    }));
}

#[test]
fn a_match_moves_the_packet_to_the_transitions_class() {
    let explained = explain(EDGE, LAN, &udp(HOST, PEER, 53, b"some evil here"));
    assert_eq!(explained.class.as_deref(), Some("outbound"));
    assert_eq!(explained.path, ["ids", "jail"]);
    assert_eq!(explained.outcome, sent("lan", "02:00:00:00:00:66", 56));
    let text = explained.to_string();
    for part in [
        "lan 56 bytes UDP 10.1.0.9:1234 -> 10.2.0.5:53",
        "class outbound: rx -> ids -> encrypt -> route -> tx",
        "ids: rule 1000001 \"evil in a datagram\"",
        "ids: moved from class outbound to quarantine",
        "jail: route 0.0.0.0/0 by lan to 02:00:00:00:00:66, TTL 64",
        "sent by lan to 02:00:00:00:00:66, 56 bytes",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn programs_read_it_as_json() {
    let json = serde_json::to_value(explain(EDGE, LAN, &udp(HOST, PEER, 53, b"some evil here"))).unwrap();
    assert_eq!(json["class"], "outbound");
    assert_eq!(json["flow"]["destinationPort"], 53);
    assert_eq!(json["steps"][1]["step"], "inspected");
    assert_eq!(json["steps"][1]["rules"][0]["sid"], 1_000_001);
    assert_eq!(json["outcome"]["destinationMac"], "02:00:00:00:00:66");
    let json = serde_json::to_value(explain(EDGE, LAN, &[])).unwrap();
    assert_eq!(
        json["outcome"],
        serde_json::json!({"outcome": "dropped", "reason": "truncated_ethernet", "function": null})
    );
}

#[test]
fn the_first_class_that_matches_takes_the_packet() {
    let bulk = explain(EDGE, LAN, &udp(HOST, PEER, 4500, b"evil"));
    assert_eq!((bulk.class.as_deref(), bulk.path), (Some("bulk"), vec!["encrypt".into(), "route".into()]));
    // A fragment has no ports.
    let fragment = explain(EDGE, LAN, &first_fragment(udp(HOST, PEER, 4500, b"12345678")));
    assert_eq!(fragment.class.as_deref(), Some("outbound"));
    dropped(EDGE, LAN, &ipv4(HOST, ELSEWHERE, 47, 64, &[]), DropReason::NoSa, Some("encrypt"));
    let no_default = edit(EDGE, "  defaultClass: outbound\n", "");
    dropped(&no_default, LAN, &ipv4(HOST, ELSEWHERE, 47, 64, &[]), DropReason::Unclassified, None);
}

#[test]
fn egress_leaves_the_frame_as_it_is_with_its_padding() {
    let mut frame = ipv4(HOST, ELSEWHERE, 1, 1, &[8, 0, 0, 0, 0, 0, 0, 0]);
    frame.resize(60, 0);
    let explained = explain(EDGE, LAN, &frame);
    assert_eq!(explained.class.as_deref(), Some("mirror"));
    assert_eq!(explained.outcome, sent("wan", "02:00:00:00:00:01", 60));
    assert_eq!(MAC, [2, 0, 0, 0, 0, 1]);
}

#[test]
fn inbound_is_decrypted_inspected_and_routed() {
    let inner = udp(PEER, HOST, 53, b"harmless");
    let explained = explain(EDGE, WAN, &esp(4097, &padded(&inner[14..]), None));
    assert_eq!(explained.class.as_deref(), Some("inbound"));
    assert_eq!(explained.path, ["decrypt", "ids", "route"]);
    assert_eq!(explained.outcome, sent("lan", "02:00:00:00:01:01", inner.len()));
    let Step::Decrypted { sa, inner: Some(flow), .. } = &explained.steps[1] else { panic!("{explained:#?}") };
    assert_eq!((sa.as_str(), flow.source, flow.destination_port), ("gw", PEER.into(), 53));
    // What was inside is inspected, not what was outside.
    let inner = udp(PEER, HOST, 53, b"evil");
    assert_eq!(explain(EDGE, WAN, &esp(4097, &padded(&inner[14..]), None)).path, ["decrypt", "ids", "jail"]);
}

#[test]
fn extended_sequence_numbers_are_authenticated() {
    let with_esn = edit(EDGE, "        replayWindow: 1024\n", "        esn: true\n");
    let text = padded(&udp(PEER, HOST, 53, b"harmless")[14..]);
    assert!(matches!(explain(&with_esn, WAN, &esp(4097, &text, Some(0))).outcome, Outcome::Sent { .. }));
    dropped(&with_esn, WAN, &esp(4097, &text, None), DropReason::BadIcv, Some("decrypt"));
    dropped(EDGE, WAN, &esp(4097, &text, Some(0)), DropReason::BadIcv, Some("decrypt"));
}

#[test]
fn esp_is_dropped_for_what_is_wrong_with_it() {
    let text = padded(&udp(PEER, HOST, 53, b"harmless")[14..]);
    let good = esp(4097, &text, None);
    let decrypt = |frame: &[u8], reason| dropped(EDGE, WAN, frame, reason, Some("decrypt"));
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    decrypt(&forged, DropReason::BadIcv);
    decrypt(&esp(4098, &text, None), DropReason::UnknownSpi);
    decrypt(&first_fragment(good.clone()), DropReason::EspFragment);
    decrypt(&ipv4([198, 51, 100, 1], [192, 0, 2, 1], 50, 64, &good[34..66]), DropReason::EspTooShort);
    decrypt(&ipv4([198, 51, 100, 2], [192, 0, 2, 1], 50, 64, &good[34..]), DropReason::TunnelSourceMismatch);
    decrypt(&ipv4([198, 51, 100, 1], [192, 0, 2, 2], 50, 64, &good[34..]), DropReason::UnknownSpi);
    let stranger = padded(&udp([10, 3, 0, 5], HOST, 53, b"harmless")[14..]);
    decrypt(&esp(4097, &stranger, None), DropReason::SaSelectorMismatch);
    let mut padding = text.clone();
    let at = padding.len() - 3;
    padding[at] ^= 1;
    decrypt(&esp(4097, &padding, None), DropReason::BadPadding);
    let mut next_header = text.clone();
    *next_header.last_mut().unwrap() = 6;
    decrypt(&esp(4097, &next_header, None), DropReason::BadNextHeader);
    decrypt(&esp(4097, &padded(&[0x45; 10]), None), DropReason::BadInner);
    let all = edit(EDGE, "match: {port: wan, protocol: ESP}", "match: {port: wan}");
    dropped(&all, WAN, &udp(PEER, HOST, 53, b""), DropReason::EspTooShort, Some("decrypt"));
}

#[test]
fn the_router_drops_by_route_and_ttl() {
    let inbound = |inner: Vec<u8>| esp(4097, &padded(&inner[14..]), None);
    let nowhere = inbound(udp(PEER, [10, 9, 9, 9], 53, b"x"));
    dropped(EDGE, WAN, &nowhere, DropReason::NoRoute, Some("route"));
    for ttl in [0, 1] {
        let old = inbound(ipv4(PEER, HOST, 47, ttl, b"x"));
        dropped(EDGE, WAN, &old, DropReason::TtlExpired, Some("route"));
    }
    assert!(matches!(
        explain(EDGE, WAN, &inbound(ipv4(PEER, HOST, 47, 2, b"x"))).outcome,
        Outcome::Sent { .. }
    ));
}

#[test]
fn what_esp_makes_too_long_is_dropped_on_the_way_out() {
    // 1438 bytes are the most that fit 1500: 20 + 8 + 16 + 1440 + 12 = 1496, with a trailer of 2.
    assert!(matches!(explain(EDGE, LAN, &udp(HOST, PEER, 53, &[0; 1410])).outcome, Outcome::Sent { .. }));
    dropped(EDGE, LAN, &udp(HOST, PEER, 53, &[0; 1411]), DropReason::MtuExceeded, None);
    dropped(EDGE, LAN, &udp(HOST, PEER, 53, &[0; 1600]), DropReason::FrameTooLong, None);
}

#[test]
fn frames_are_dropped_for_what_is_malformed() {
    let good = udp(HOST, PEER, 53, b"x");
    let mut sum = good.clone();
    sum[24] ^= 1;
    for (frame, reason) in [
        (&good[..13], DropReason::TruncatedEthernet),
        (&good[..20], DropReason::TruncatedIpv4),
        (&good[..40], DropReason::BadIpTotalLength),
        (&sum, DropReason::BadIpChecksum),
        (&ipv4(HOST, PEER, 17, 64, &[0, 1]), DropReason::TruncatedL4),
    ] {
        dropped(EDGE, LAN, frame, reason, None);
    }
    assert_eq!(checksum::of(&good[14..34]), 0);
}

#[test]
fn what_is_no_ipv4_is_dropped_or_goes_out_of_the_other_port() {
    let mut arp = vec![0xff; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    dropped(EDGE, LAN, &arp, DropReason::NonIpv4, None);
    let forward = edit(EDGE, "  defaultClass:", "  nonIPv4: Forward\n  defaultClass:");
    for (port, other) in [(LAN, "wan"), (WAN, "lan")] {
        assert_eq!(explain(&forward, port, &arp).outcome, sent(other, "ff:ff:ff:ff:ff:ff", 60));
    }
    let forward = edit(STATIC, "  classes:", "  nonIPv4: Forward\n  classes:");
    assert_eq!(explain(&forward, LAN, &arp).outcome, sent("port", "ff:ff:ff:ff:ff:ff", 60));
}

#[test]
fn on_match_drop_drops() {
    let text = edit(EDGE, "onMatch: Alert", "onMatch: Drop");
    let text = edit(&text, "  transitions:\n  - {function: ids, verdict: Match, class: quarantine}\n", "");
    dropped(&text, LAN, &udp(HOST, PEER, 53, b"evil"), DropReason::NidsDrop, Some("ids"));
}

#[test]
fn an_approximate_rule_neither_drops_nor_moves() {
    let text = edit(EDGE, "unsupported: Skip", "unsupported: ContentOnly");
    let text = edit(&text, "content:\"evil\";", "content:\"evil\"; pcre:\"/evil/\";");
    let frame = udp(HOST, PEER, 53, b"evil");
    let explained = explain(&text, LAN, &frame);
    let Step::Inspected { rules, matched, .. } = &explained.steps[1] else { panic!("{explained:#?}") };
    assert!(rules[0].approximate && !matched);
    assert_eq!(explained.path, ["ids", "encrypt", "route"]);
    assert!(explained.to_string().contains("(approximate)"));
}

#[test]
fn transport_mode_carries_no_fragment() {
    let whole = udp(HOST, PEER, 53, b"12345678");
    let explained = explain(STATIC, LAN, &whole);
    // The payload of 16 bytes and a trailer of 16, 8 + 16 before and 12 behind.
    assert_eq!(explained.outcome, sent("port", "02:00:00:00:02:01", 14 + 20 + 24 + 32 + 12));
    dropped(STATIC, LAN, &first_fragment(whole), DropReason::TransportFragment, Some("ipsec"));
}

#[test]
fn what_was_encrypted_can_be_decrypted_in_the_same_path() {
    let text = edit(EDGE, "path: [encrypt, route]", "path: [encrypt, decrypt, route]");
    let text = edit(&text, "spi: 4097", "spi: 4096");
    let text = edit(
        &text,
        "{source: 198.51.100.1, destination: 192.0.2.1}",
        "{source: 192.0.2.1, destination: 198.51.100.1}",
    );
    let text = edit(&text, "selector: {source: 10.2.0.0/16}", "selector: {source: 10.1.0.0/16}");
    let frame = udp(HOST, [10, 1, 0, 7], 4500, b"there and back");
    let explained = explain(&text, LAN, &frame);
    assert_eq!(explained.path, ["encrypt", "decrypt", "route"]);
    assert_eq!(explained.outcome, sent("lan", "02:00:00:00:01:01", frame.len()));
}

proptest! {
    #[test]
    fn no_frame_panics(frame in proptest::collection::vec(any::<u8>(), 0..200), port in 0u16..4, cut in 0usize..120) {
        let tables = compiled(EDGE).tables;
        let explainer = Explainer::new(&tables);
        let _ = explainer.explain(PortId(port), &frame);
        let mut ip = frame;
        if ip.len() >= 14 {
            ip[12..14].copy_from_slice(&[8, 0]);
        }
        let _ = explainer.explain(PortId(port), &ip);
        let good = esp(4097, &padded(&udp(PEER, HOST, 53, b"x")[14..]), None);
        let _ = explainer.explain(WAN, &good[..cut.min(good.len())]);
    }
}
