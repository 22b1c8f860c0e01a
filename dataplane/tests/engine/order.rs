//! Packets of one flow leave in the order they came in, on every mix.

use std::collections::HashMap;

use super::chain::{capture, chain, ipsec, nids, number_of, router, run};

const FLOWS: u16 = 40;
const PACKETS: u32 = 4000;

/// The number of packets, each flow's in order and without a gap.
fn in_order(frames: &[Vec<u8>]) -> u32 {
    let mut next = HashMap::new();
    for frame in frames {
        let (flow, number) = number_of(frame);
        let next = next.entry(flow).or_insert(0);
        assert_eq!(number, *next, "flow {flow}");
        *next += 1;
    }
    next.values().sum()
}

/// Both directions at once through two NIDS and Routers.
fn both_ways(first: &str, second: &str, routers: u16, arguments: &[&str]) {
    let chain = chain(&[nids("one", first), nids("two", second), router(routers)], "one, two, route");
    let outcome = run(&chain, &capture(FLOWS, PACKETS, false), &capture(FLOWS, PACKETS, true), arguments);
    assert_eq!(outcome.drops(), 0);
    assert_eq!(in_order(&outcome.wan), PACKETS, "{first}, {second}, {arguments:?}");
    assert_eq!(in_order(&outcome.lan), PACKETS, "{first}, {second}, {arguments:?}");
    for function in ["one", "two", "route"] {
        assert_eq!(outcome.number(&format!("/functions/{function}/packets")), u64::from(2 * PACKETS));
    }
}

#[test]
fn on_cpu_and_gpu_in_any_order() {
    both_ways("CPU x2", "CPU x3", 2, &[]);
    both_ways("CPU x2", "GPU x2", 2, &[]);
    both_ways("GPU x3", "CPU x2", 1, &[]);
    both_ways("GPU x1", "GPU x4", 2, &[]);
}

#[test]
fn with_two_syncers_that_share_functions() {
    both_ways("GPU x2", "GPU x3", 2, &["--syncers", "2"]);
    both_ways("GPU x1", "CPU x2", 2, &["--syncers", "2"]);
}

#[test]
fn with_two_io_roles_on_pinned_cores() {
    both_ways("CPU x2", "GPU x2", 2, &["--io-roles", "2"]);
    both_ways("GPU x2", "CPU x2", 2, &["--cores", "0,1"]);
    both_ways("GPU x2", "GPU x2", 2, &["--io-roles", "2", "--cores", "0,1", "--syncers", "2"]);
    both_ways("CPU x1", "GPU x1", 1, &["--cores", "0"]);
}

#[test]
fn with_a_lease_that_is_over_at_once() {
    both_ways("GPU x2", "GPU x2", 2, &["--lease-polls", "1000"]);
    both_ways("GPU x2", "GPU x1", 1, &["--lease-polls", "1", "--syncers", "2"]);
}

#[test]
fn with_little_credit() {
    both_ways("GPU x2", "CPU x2", 2, &["--in-flight", "64", "--io-roles", "2"]);
    both_ways("CPU x2", "GPU x1", 2, &["--in-flight", "64", "--syncers", "2"]);
}

#[test]
fn without_a_gpu() {
    both_ways("GPU x2", "GPU x2", 2, &["--gpu", "none"]);
}

/// There and back: what is encrypted in one run is decrypted in the next.
#[test]
fn through_a_tunnel() {
    for (seal, open) in [("CPU x2", "GPU x2"), ("GPU x2", "CPU x2")] {
        let encrypt =
            chain(&[nids("ids", "CPU x2"), ipsec("Encrypt", seal, ""), router(2)], "ids, esp, route");
        let sealed = run(&encrypt, &capture(FLOWS, PACKETS, false), &[], &["--syncers", "2"]);
        assert_eq!(sealed.drops(), 0);
        let decrypt =
            chain(&[ipsec("Decrypt", open, ""), nids("ids", "GPU x2"), router(2)], "esp, ids, route");
        let opened = run(&decrypt, &sealed.wan, &[], &["--io-roles", "2", "--syncers", "2"]);
        assert_eq!(opened.drops(), 0);
        assert_eq!(in_order(&opened.wan), PACKETS);
    }
}
