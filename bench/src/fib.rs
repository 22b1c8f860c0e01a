//! The Router's look-ups against `rte_fib` driven directly.

use std::{fs, io::Read};

use anyhow::{Context as _, ensure};
use dpdk::{Eal, EalOptions, Fib, Memory, Route};

use crate::{
    harness::{
        Context,
        compare::interleave,
        cpu::rate_of,
        document::{Bound, Section, Table, Target, figure, spread},
        say,
        traffic::Random,
    },
    peers::{self, FibRoute},
};

/// Addresses that are looked up again and again.
const ADDRESSES: usize = 1 << 20;
/// Next hops: a large router's.
const NEXT_HOPS: u64 = 100;

const ABOUT: &str = "\
A million addresses, half of them within random prefixes of the table and half anywhere, looked up again
and again on one core. *Ours* is the call that the Router makes, the wrapper's `Fib::lookup_bulk` with 64-bit
answers for a burst of 32, on the table that the Router builds (entries as small as its next hops allow).
*rte_fib* is C that calls `rte_fib_lookup_bulk` on a table of its own with the same routes and entries: in
the same bursts of 32, and in bursts of 256, the fastest for it.";

/// Routes of the public table, or as many made up.
fn routes(context: &Context) -> anyhow::Result<(String, Vec<Route>)> {
    let mut random = Random(5);
    let mut next_hop = || 1 + random.below(NEXT_HOPS);
    if let Some(path) = context.shared("routes/ipv4-20140513.prefixes.gz") {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&fs::read(path)?[..]).read_to_string(&mut text)?;
        let routes = text
            .lines()
            .map(|line| {
                let (prefix, depth) = line.split_once('/').context("a prefix without '/'")?;
                let prefix: std::net::Ipv4Addr = prefix.parse()?;
                Ok(Route { prefix: prefix.into(), depth: depth.parse()?, next_hop: next_hop() })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        return Ok(("public table".into(), routes));
    }
    say("../shared/data/routes is absent: a made-up table is measured");
    let mut places = Random(6);
    let routes = (0..500_000)
        .map(|_| {
            // About the public table's mix: most /24, some longer.
            let depth = match places.below(1000) {
                0..4 => 25 + places.below(8),
                4..600 => 24,
                _ => 12 + places.below(12),
            } as u8;
            let prefix = (places.bits() as u32) >> (32 - depth) << (32 - depth);
            Route { prefix, depth, next_hop: next_hop() }
        })
        .collect();
    Ok(("made-up table".into(), routes))
}

fn addresses(routes: &[Route]) -> Vec<u32> {
    let mut random = Random(9);
    (0..ADDRESSES)
        .map(|at| {
            let bits = random.bits() as u32;
            if at % 2 == 0 {
                return bits;
            }
            let route = routes[random.below(routes.len() as u64) as usize];
            let host =
                if route.depth == 0 { bits } else { bits & !(u32::MAX << (32 - u32::from(route.depth))) };
            route.prefix | host
        })
        .collect()
}

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let eal = Eal::init(EalOptions {
        memory: Memory::Auto { huge: 512, ordinary: 1024 },
        ..EalOptions::default()
    })?;
    let (name, routes) = routes(context)?;
    let mut addresses = addresses(&routes);
    let fib = Fib::build(&eal, routes.iter().copied(), 0)?;
    let mut sorted = routes.clone();
    sorted.sort_by_key(|route| (route.depth, route.prefix));
    let theirs: Vec<FibRoute> = sorted
        .iter()
        .map(|route| FibRoute { prefix: route.prefix, depth: route.depth.into(), next_hop: route.next_hop })
        .collect();
    let groups = 1 + routes
        .iter()
        .filter(|route| route.depth > 24)
        .map(|route| route.prefix >> 8)
        .collect::<std::collections::HashSet<_>>()
        .len() as u32;
    // One bit of an entry says whether it is a group.
    let entry = if groups.max(NEXT_HOPS as u32) < 1 << 7 {
        0
    } else if groups < 1 << 15 {
        1
    } else {
        2
    };
    let mut peer = peers::Fib::new(&eal, &theirs, groups, entry).context("rte_fib takes not the routes")?;
    let mut answers = [0; 32];
    let expected: u64 = addresses
        .chunks_exact(32)
        .map(|burst| {
            fib.lookup_bulk(burst, &mut answers);
            answers.iter().sum::<u64>()
        })
        .sum();
    ensure!(peer.lookup(&mut addresses, 32) == expected, "the two tables answer differently");

    let least = context.pick(0.3, 0.1);
    let mut table = Table::new([
        "table",
        "ours, million look-ups per CPU second",
        "rte_fib, bursts of",
        "rte_fib",
        "ratio (least … most)",
    ]);
    let mut targets = Vec::new();
    let list = addresses.clone();
    for burst in [32, 256] {
        let comparison = interleave(
            context.rounds(),
            || {
                Ok::<_, anyhow::Error>(rate_of(least, || {
                    let mut sum = 0;
                    for burst in list.chunks_exact(32) {
                        fib.lookup_bulk(burst, &mut answers);
                        sum += answers.iter().sum::<u64>();
                    }
                    std::hint::black_box(sum);
                    ADDRESSES as f64 / 1e6
                }))
            },
            || {
                Ok(rate_of(least, || {
                    std::hint::black_box(peer.lookup(&mut addresses, burst));
                    ADDRESSES as f64 / 1e6
                }))
            },
        )?;
        table.row([
            format!("{name}, {} routes", routes.len()),
            figure(comparison.ours().median),
            burst.to_string(),
            figure(comparison.peer().median),
            spread(comparison.ratio()),
        ]);
        targets.push(Target {
            measure: format!("FIB look-ups against rte_fib in bursts of {burst}"),
            figure: comparison.ratio().median,
            bound: Bound::AtLeast(0.9),
        });
    }
    Ok(Section {
        title: "FIB".into(),
        about: ABOUT.into(),
        commands: vec!["hummingbird-bench --only fib".into()],
        tables: vec![table],
        charts: vec![],
        targets,
    })
}
