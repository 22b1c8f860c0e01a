//! The example of `docs/writing-an-nf.md`, run on both computes, and the
//! document held to it.

use std::path::Path;

use hummingbird_dataplane::{forward::Verdict, nf::FunctionData, packet::Packet};
use hummingbird_packet::{Frame, parse};

use crate::{
    bench::{Bench, alone},
    frames::{Random, udp},
    marker::{MarkerData, Marking},
};

const DOCUMENT: &str = include_str!("../../../docs/writing-an-nf.md");
const EXAMPLE: &str = include_str!("marker.rs");
const EXPEDITED: u8 = 46;

fn marking() -> Marking {
    Marking { words: vec!["voice".into(), "alarm".into()], dscp: EXPEDITED }
}

/// DSCP and ECN of a packet whose header has a right checksum.
fn tos(packet: &Packet) -> u8 {
    match parse(packet.data()) {
        Ok(Frame::Ipv4(header)) => header.tos,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packets_that_hold_a_word_are_marked_and_no_other() {
    let mut bench = Bench::cpu();
    let data = MarkerData::build(&marking(), None).unwrap();
    let mut half = data.on_cpu().unwrap();
    let tables = alone(Box::new(data));
    let mut ecn = udp(1, 2, b"ALARM");
    ecn[15] |= 0b10;
    ecn[24..26].copy_from_slice(&[0, 0]);
    let sum = hummingbird_packet::checksum::of(&ecn[14..34]);
    ecn[24..26].copy_from_slice(&sum.to_be_bytes());
    let frames = [udp(1, 2, b"a Voice call"), udp(1, 2, b"voic"), udp(1, 2, b""), ecn, vec![0; 13]];

    let mut packets = bench.packets(&frames);
    let verdicts = bench.on_cpu(&mut *half, &tables, &mut packets);
    assert_eq!(verdicts[..4], [Verdict::Match, Verdict::Pass, Verdict::Pass, Verdict::Match]);
    assert!(matches!(verdicts[4], Verdict::Drop(_)), "what is no IPv4 packet cannot be marked");
    assert_eq!(
        packets[..4].iter().map(tos).collect::<Vec<_>>(),
        [EXPEDITED << 2, 0, 0, EXPEDITED << 2 | 0b10]
    );
    for (packet, frame) in packets.iter().zip(&frames) {
        let header = 14..26.min(frame.len());
        assert_eq!(packet.data()[..14.min(frame.len())], frame[..14.min(frame.len())]);
        assert_eq!(packet.data()[header.end..], frame[header.end..], "the rest of the packet is untouched");
    }
    drop(packets);
    bench.close();
}

#[test]
fn both_computes_leave_the_same_bytes() {
    let mut bench = Bench::gpu();
    let data = MarkerData::build(&marking(), Some(bench.accelerator())).unwrap();
    let (mut cpu, mut gpu) = (data.on_cpu().unwrap(), data.on_gpu().unwrap());
    let tables = alone(Box::new(data));
    let mut random = Random(2026);
    let frames: Vec<Vec<u8>> = (0..500)
        .map(|_| {
            let len = random.below(1400);
            let mut payload = random.bytes(len);
            if random.below(2) == 0 {
                let word = [&b"Voice"[..], b"alarm", b"VOICE", b"alar"][random.below(4)];
                payload.splice(random.below(len + 1).., word.iter().copied());
            }
            udp(random.below(9) as u16, 4000, &payload)
        })
        .collect();

    let (mut here, mut there) = (bench.packets(&frames), bench.packets(&frames));
    let on_cpu = bench.on_cpu(&mut *cpu, &tables, &mut here);
    let on_gpu = bench.on_gpu(&mut *gpu, &tables, &mut there);
    assert_eq!(on_cpu, on_gpu);
    for (here, there) in here.iter().zip(&there) {
        assert_eq!(here.data(), there.data());
    }
    let marked = on_cpu.iter().filter(|verdict| **verdict == Verdict::Match).count();
    assert!((100..400).contains(&marked), "{marked} of 500 held a word");
    drop((here, there, tables));
    bench.close();
}

#[test]
fn the_documents_code_is_the_example() {
    let mut code = String::new();
    let mut blocks = DOCUMENT.split("```rust\n");
    blocks.next();
    for block in blocks {
        let (block, _) = block.split_once("```").expect("a block ends");
        if !code.is_empty() {
            code.push('\n');
        }
        code.push_str(block);
    }
    assert_eq!(code, EXAMPLE, "docs/writing-an-nf.md and {}", file!());
}

#[test]
fn the_files_that_the_document_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = 0;
    for word in DOCUMENT.split('`').filter(|word| word.contains('/') && !word.contains(char::is_whitespace)) {
        // `nf/NAME.rs` and the like stand for what a reader will write.
        if word.contains("NAME") {
            continue;
        }
        assert!(root.join(word).exists(), "docs/writing-an-nf.md names {word}");
        paths += 1;
    }
    assert!(paths > 10);
}
