//! Evaluates a rule file on a capture, packet by packet.
//!
//! `evaluate RULES PCAP` prints one JSON line for each packet (from 1, as
//! tcpdump and Suricata count) and each sid that matches it. Rules that are
//! not evaluated exactly are left out; the report goes to standard error.

use std::{error::Error, fs};

use aho_corasick::AhoCorasick;
use hummingbird_packet::{Frame, parse};
use hummingbird_rules::{Options, Packet, Scratch, Source, load};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rules, capture] = &arguments[..] else { return Err("usage: evaluate RULES PCAP".into()) };
    let text = fs::read(rules)?;
    let (set, report) = load(&[Source { name: rules, text: &text }], &Options::default())?;
    eprint!("{report}");
    let prefilter = AhoCorasick::builder().ascii_case_insensitive(true).build(set.patterns())?;
    let (mut scratch, mut matches) = (Scratch::new(&set), Vec::new());
    for (index, frame) in frames(&fs::read(capture)?)?.into_iter().enumerate() {
        let Ok(Frame::Ipv4(header)) = parse(frame) else { continue };
        let packet = Packet::new(frame, &header);
        let hits: Vec<u32> =
            prefilter.find_overlapping_iter(packet.payload).map(|hit| hit.pattern().as_u32()).collect();
        set.evaluate(&packet, &hits, &mut scratch, &mut matches);
        for index_of_rule in &matches {
            let sid = set.rules()[index_of_rule.index()].sid;
            println!("{}", serde_json::json!({"packet": index + 1, "sid": sid}));
        }
    }
    Ok(())
}

/// The frames of a classic Ethernet capture, of either byte order.
fn frames(capture: &[u8]) -> Result<Vec<&[u8]>, Box<dyn Error>> {
    let header: &[u8; 24] = capture.first_chunk().ok_or("the capture is shorter than its header")?;
    let big = match header[..4] {
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => true,
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => false,
        _ => return Err("not a classic pcap file".into()),
    };
    let word = |bytes: &[u8], at: usize| {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    };
    if word(header, 20) != 1 {
        return Err(format!("link type {} is not Ethernet", word(header, 20)).into());
    }
    let (mut frames, mut rest) = (Vec::new(), &capture[24..]);
    while let Some((record, after)) = rest.split_at_checked(16) {
        let len = word(record, 8) as usize;
        let (frame, after) = after.split_at_checked(len).ok_or("the capture ends within a frame")?;
        frames.push(frame);
        rest = after;
    }
    Ok(frames)
}
