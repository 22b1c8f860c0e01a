//! SA state under kill -9: a child uses numbers as fast as it can, one write to
//! the disk every few numbers; the parent kills it somewhere, reads what it had
//! used until then, and starts the next one on the same directory.
//!
//! `crash` is the parent, `crash child DIR` the child. What a child prints it
//! has used: `o N` sent as number N, `i N` let in as number N.

mod common;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use common::{Ip, SPI, TUNNEL, header};
use hummingbird_esp::{
    Direction, EspDrop, InboundSa, OutboundSa, OwnedFrame, Refused, Sa, SaStates, StateOptions, encapsulate,
};

const ROUNDS: u64 = 60;
/// Few numbers to a write, so that most kills fall into one.
const OPTIONS: StateOptions = StateOptions { outbound_block: 12, inbound_margin: 12, number_space: None };

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, child, dir] if child == "child" => child_main(Path::new(dir)),
        _ => parent_main(),
    }
}

fn sas(states: &SaStates) -> (Arc<OutboundSa>, Arc<InboundSa>) {
    let outbound = states.outbound(&common::identity(Direction::Outbound), false).unwrap();
    let inbound = states.inbound(&common::identity(Direction::Inbound), false, 32).unwrap();
    (outbound, inbound)
}

fn child_main(dir: &Path) {
    let states = SaStates::open_with(dir, OPTIONS).unwrap();
    let (outbound, inbound) = sas(&states);
    let sa = Sa::new(SPI, TUNNEL);
    let frame = Ip::udp(1).frame();
    let header = header(&frame);
    let mut out = std::io::stdout().lock();
    let mut arriving = inbound.highest() + 1;
    loop {
        match encapsulate(&outbound, &sa, &mut OwnedFrame::new(&frame), &header, common::IV) {
            Ok(job) => writeln!(out, "o {}", job.sequence).unwrap(),
            Err(EspDrop::StateUnavailable) => std::thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
        match inbound.commit(arriving) {
            Ok(()) => {
                writeln!(out, "i {arriving}").unwrap();
                arriving += 1;
            }
            Err(EspDrop::StateUnavailable) => std::thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
}

fn parent_main() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sent, mut let_in) = (HashSet::new(), HashSet::new());
    let mut random: u64 = 0x5eed;
    for round in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let kill_after = 1 + (random >> 33) % 400;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child".as_ref(), dir.path().as_os_str()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().enumerate();
        // After the kill the pipe still holds what was printed before it.
        while let Some((at, Ok(line))) = lines.next() {
            if at as u64 + 1 == kill_after {
                child.kill().unwrap();
            }
            let (way, number) = line.split_once(' ').expect("whole lines: each is one write");
            let number: u64 = number.parse().unwrap();
            let fresh = if way == "o" { sent.insert(number) } else { let_in.insert(number) };
            assert!(fresh, "round {round}: {line} for the second time");
        }
        child.wait().unwrap();
    }
    let states = SaStates::open_with(dir.path(), OPTIONS).unwrap();
    let (outbound, inbound) = sas(&states);
    let (last_sent, last_in) = (sent.iter().max().unwrap(), let_in.iter().max().unwrap());
    assert!(outbound.number_use().last >= *last_sent);
    for number in &let_in {
        assert_eq!(inbound.check(*number as u32), Err(Refused::TooOld), "{number} came in before");
    }
    assert!(sent.len() as u64 > ROUNDS && let_in.len() as u64 > ROUNDS, "the children did some work");
    // What crashes cost: a block each, no more.
    assert!(outbound.number_use().last <= last_sent + 2 * OPTIONS.outbound_block);
    println!(
        "{ROUNDS} kills: {} numbers sent up to {last_sent}, {} let in up to {last_in}, none twice",
        sent.len(),
        let_in.len()
    );
}
