//! FIBs against a naive longest-prefix match.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

use dpdk::{Error, Fib, FibPlan, Route};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::eal;

/// One map per length, tried from the longest: slow and obviously right.
struct Naive {
    by_depth: Vec<HashMap<u32, u64>>,
    default: u64,
}

impl Naive {
    fn new(routes: &[Route], default: u64) -> Self {
        let mut by_depth = vec![HashMap::new(); 33];
        for route in routes {
            by_depth[usize::from(route.depth)].insert(cut(route.prefix, route.depth), route.next_hop);
        }
        Self { by_depth, default }
    }

    fn lookup(&self, address: u32) -> u64 {
        let found =
            (0..=32u8).rev().find_map(|depth| self.by_depth[usize::from(depth)].get(&cut(address, depth)));
        *found.unwrap_or(&self.default)
    }
}

fn cut(address: u32, depth: u8) -> u32 {
    if depth == 0 { 0 } else { address & (u32::MAX << (32 - depth)) }
}

fn route(text: &str, next_hop: u64) -> Route {
    let (address, depth) = text.split_once('/').unwrap();
    let prefix = u32::from(address.parse::<std::net::Ipv4Addr>().unwrap());
    Route { prefix, depth: depth.parse().unwrap(), next_hop }
}

fn ip(text: &str) -> u32 {
    u32::from(text.parse::<std::net::Ipv4Addr>().unwrap())
}

fn agree(fib: &Fib, naive: &Naive, addresses: &[u32]) {
    let mut found = vec![u64::MAX; addresses.len()];
    assert_eq!(fib.lookup_bulk(addresses, &mut found), addresses.len());
    for (&address, &next_hop) in addresses.iter().zip(&found) {
        assert_eq!(next_hop, naive.lookup(address), "{}", std::net::Ipv4Addr::from(address));
    }
}

#[test]
fn every_address_is_legal_and_the_longest_prefix_wins() {
    let routes = [
        route("0.0.0.0/0", 1),
        route("10.0.0.0/8", 2),
        route("10.1.0.0/16", 3),
        route("10.1.2.0/24", 4),
        route("10.1.2.128/25", 5),
        route("10.1.2.255/32", 6),
        route("0.0.0.0/8", 7),
        route("127.0.0.1/32", 8),
        route("224.0.0.0/4", 9),
        route("240.0.0.0/4", 10),
        route("255.255.255.255/32", 11),
    ];
    let fib = Fib::build(eal(), routes, 99).unwrap();
    for (address, next_hop) in [
        ("8.8.8.8", 1),
        ("10.9.9.9", 2),
        ("10.1.9.9", 3),
        ("10.1.2.127", 4),
        ("10.1.2.128", 5),
        ("10.1.2.254", 5),
        ("10.1.2.255", 6),
        ("10.1.3.0", 3),
        ("0.0.0.0", 7),
        ("0.255.255.255", 7),
        ("127.0.0.1", 8),
        ("127.0.0.2", 1),
        ("239.1.2.3", 9),
        ("240.0.0.0", 10),
        ("255.255.255.254", 10),
        ("255.255.255.255", 11),
    ] {
        assert_eq!(fib.lookup(ip(address)), next_hop, "{address}");
    }
}

#[test]
fn without_a_route_the_default_answers() {
    let fib = Fib::build(eal(), [route("10.0.0.0/8", 5)], 77).unwrap();
    assert_eq!((fib.lookup(ip("10.0.0.0")), fib.lookup(ip("11.0.0.0"))), (5, 77));
    let empty = Fib::build(eal(), [], 3).unwrap();
    assert_eq!((empty.lookup(0), empty.lookup(u32::MAX)), (3, 3));
}

#[test]
fn bits_behind_the_length_do_not_count_and_the_later_of_two_does() {
    let routes =
        [route("10.1.2.3/8", 1), route("10.9.9.9/8", 2), route("1.2.3.4/0", 3), route("9.9.9.9/0", 4)];
    let fib = Fib::build(eal(), routes, 0).unwrap();
    assert_eq!((fib.lookup(ip("10.200.0.1")), fib.lookup(ip("11.0.0.0"))), (2, 4));
}

#[test]
fn next_hops_of_every_width_come_back_whole() {
    for largest in [0x7f, 0x80, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 0x7fff_ffff_ffff_ffff] {
        let routes = [route("10.0.0.0/8", largest), route("10.0.0.128/25", largest - 1)];
        let fib = Fib::build(eal(), routes, 0).unwrap();
        let found = (fib.lookup(ip("10.2.0.0")), fib.lookup(ip("10.0.0.200")), fib.lookup(ip("11.0.0.0")));
        assert_eq!(found, (largest, largest - 1, 0));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let build = |route| Fib::build(eal(), [route], 0).map(drop);
    let long = Route { prefix: ip("10.0.0.0"), depth: 33, next_hop: 1 };
    let refused = build(long).unwrap_err();
    assert!(refused.to_string().contains("10.0.0.0/33"), "{refused}");
    assert!(matches!(build(route("10.0.0.0/8", 1 << 63)), Err(Error::NextHop(_))));
}

#[test]
fn two_tables_differ_from_each_other_and_agree_with_the_naive_one() {
    let depth = prop_oneof![Just(0u8), 1..=32u8, 23..=32u8];
    // Few distinct addresses, so that prefixes nest.
    let prefix = prop_oneof![
        any::<u32>(),
        (0u32..4, 0u32..4).prop_map(|(a, b)| (10 << 24) | (a << 8) | (b << 6)),
        (0u32..1024).prop_map(|low| u32::MAX - low),
        0u32..1024,
    ];
    let any_route = (prefix.clone(), depth, 0u64..0x7000).prop_map(|(prefix, depth, next_hop)| Route {
        prefix,
        depth,
        next_hop,
    });
    let table = prop::collection::vec(any_route, 0..200);
    let addresses = prop::collection::vec(prefix, 300);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&(table.clone(), table, addresses), |(first, second, mut addresses)| {
            let fibs = [(first, 0x7001), (second, 0x7002)].map(|(routes, default)| {
                (Fib::build(eal(), routes.clone(), default).unwrap(), Naive::new(&routes, default), routes)
            });
            // The edges of every prefix, and their neighbours outside.
            for route in fibs.iter().flat_map(|(_, _, routes)| routes) {
                let low = cut(route.prefix, route.depth);
                let high = low | u32::MAX.checked_shr(u32::from(route.depth)).unwrap_or(0);
                addresses.extend([low, high, low.wrapping_sub(1), high.wrapping_add(1)]);
            }
            for (fib, naive, _) in &fibs {
                agree(fib, naive, &addresses);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn tbl8_groups_are_counted_exactly_enough() {
    // A prefix at the end of its /24 makes DPDK ask for a second group. 63 and 64 groups are on
    // either side of what DPDK rounds to.
    for groups in [1u32, 63, 64, 65, 200] {
        for depth in [25, 32] {
            let routes: Vec<Route> = (0..groups)
                .map(|n| Route { prefix: (n << 8) | 0xff, depth, next_hop: u64::from(n) + 1 })
                .collect();
            let fib = Fib::build(eal(), routes.clone(), 0).unwrap();
            for route in &routes {
                assert_eq!(fib.lookup(route.prefix), route.next_hop, "{groups} groups of /{depth}");
            }
            assert_eq!(fib.lookup(groups << 8), 0);
        }
    }
}

/// xorshift64: addresses that are the same in every run.
fn random_addresses(count: usize) -> Vec<u32> {
    let mut state = 88_172_645_463_325_252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as u32
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn the_internet_of_2014_agrees_with_the_naive_table() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/routes/ipv4-20140513.prefixes.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("skipped: there is no {}", path.display());
        return;
    };
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let routes: Vec<Route> =
        lines.enumerate().map(|(number, line)| route(line.unwrap().trim(), number as u64 + 1)).collect();
    assert!(routes.len() > 400_000, "{} routes", routes.len());
    let plan = FibPlan::new(routes.iter().copied(), 0).unwrap();

    let start = Instant::now();
    let fib = Fib::from_plan(eal(), &plan).unwrap();
    println!("{} routes in {:?}, {} bytes planned", routes.len(), start.elapsed(), plan.bytes());

    let naive = Naive::new(&routes, 0);
    let mut addresses = random_addresses(1 << 20);
    addresses.extend(routes.iter().flat_map(|route| [route.prefix, route.prefix.wrapping_sub(1)]));
    agree(&fib, &naive, &addresses);
}
