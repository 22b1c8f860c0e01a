//! Packets made of frames, and what a rule file says of them.

use hummingbird_packet::{Frame, checksum, parse};
use hummingbird_rules::{LoadReport, Options, Packet, RuleSet, Scratch, Source, Unsupported, load};

/// An Ethernet frame with an IPv4 packet; the layer-4 bytes follow the header.
pub fn frame(protocol: u8, flags: u16, source: [u8; 4], destination: [u8; 4], layer4: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0x00, 0x45, 0]);
    frame.extend((20 + layer4.len() as u16).to_be_bytes());
    frame.extend([0, 7]);
    frame.extend(flags.to_be_bytes());
    frame.extend([64, protocol, 0, 0]);
    frame.extend(source);
    frame.extend(destination);
    let sum = checksum::of(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend(layer4);
    frame
}

/// A datagram from 192.0.2.1:4000 to 10.0.0.9:53.
pub fn udp(payload: &[u8]) -> Vec<u8> {
    let mut layer4 = vec![0x0f, 0xa0, 0, 53];
    layer4.extend((8 + payload.len() as u16).to_be_bytes());
    layer4.extend([0, 0]);
    layer4.extend(payload);
    frame(17, 0, [192, 0, 2, 1], [10, 0, 0, 9], &layer4)
}

/// Loads one file.
pub fn rules(text: &str, unsupported: Unsupported) -> (RuleSet, LoadReport) {
    let options = Options { unsupported, ..Options::default() };
    load(&[Source { name: "test.rules", text: text.as_bytes() }], &options).unwrap()
}

/// The sids that match a frame, with every pattern taken for hit.
pub fn sids(set: &RuleSet, frame: &[u8]) -> Vec<u32> {
    let Ok(Frame::Ipv4(header)) = parse(frame) else { panic!("not a sound IPv4 frame") };
    let hits: Vec<u32> = (0..set.patterns().len() as u32).collect();
    let mut matches = Vec::new();
    set.evaluate(&Packet::new(frame, &header), &hits, &mut Scratch::new(set), &mut matches);
    matches.iter().map(|index| set.rules()[index.index()].sid).collect()
}
