//! A rule file, and a frame for its rules: nothing may panic.
#![no_main]

use hummingbird_packet::{Frame, parse};
use hummingbird_rules::{Options, Packet, Scratch, Source, Unsupported, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (text, frame) = input;
    for unsupported in [Unsupported::Skip, Unsupported::ContentOnly] {
        let options = Options { unsupported, ..Options::default() };
        let Ok((rules, _)) = load(&[Source { name: "fuzz", text }], &options) else { continue };
        let Ok(Frame::Ipv4(header)) = parse(frame) else { continue };
        let hits: Vec<u32> = (0..rules.patterns().len() as u32).collect();
        let mut matches = Vec::new();
        rules.evaluate(&Packet::new(frame, &header), &hits, &mut Scratch::new(&rules), &mut matches);
    }
});
