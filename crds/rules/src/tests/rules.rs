//! Random rules and packets over a small alphabet, so that they meet.

use std::net::Ipv4Addr;

use hummingbird_packet::{FiveTuple, Protocol};
use proptest::prelude::*;

use crate::{IpFields, Layer4, Options, Packet, RuleSet, Source, load};

/// Payloads of few different bytes.
pub fn payload() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'A'), Just(b'c')], 0..24)
}

/// A UDP packet with the payload.
pub fn udp(payload: &[u8]) -> Packet<'_> {
    Packet {
        tuple: FiveTuple {
            source: Ipv4Addr::new(192, 0, 2, 1),
            destination: Ipv4Addr::new(198, 51, 100, 1),
            source_port: 4000,
            destination_port: 4001,
            protocol: Protocol::UDP,
        },
        fragment: false,
        payload,
        ip: IpFields::default(),
        layer4: Layer4::None,
    }
}

/// A content as the reference matcher and the rule's text both know it.
#[derive(Clone, Debug)]
pub struct Sought {
    pub bytes: Vec<u8>,
    pub nocase: bool,
    pub negated: bool,
    pub place: Placed,
    pub at_end: bool,
}

#[derive(Clone, Debug)]
pub enum Placed {
    Absolute { offset: usize, depth: Option<usize> },
    Relative { distance: Option<i32>, within: Option<usize> },
}

/// A content of a few bytes, up to `longest`.
pub fn sought(longest: usize) -> impl Strategy<Value = Sought> {
    let letter = prop_oneof![Just(b'a'), Just(b'b'), Just(b'A'), Just(b'c')];
    let bytes = proptest::collection::vec(letter, 1..=longest);
    let place = prop_oneof![
        2 => Just((None, None, None, None)),
        2 => (proptest::option::of(0usize..8), proptest::option::of(0usize..8))
            .prop_map(|(offset, extra)| (offset, extra, None, None)),
        3 => (proptest::option::of(-4i32..6), proptest::option::of(0usize..6))
            .prop_map(|(distance, extra)| (None, None, distance, extra)),
    ];
    (bytes, any::<bool>(), prop::bool::weighted(0.2), place, prop::bool::weighted(0.15)).prop_map(
        |(bytes, nocase, negated, (offset, depth, distance, within), at_end)| {
            let len = bytes.len();
            let place = if distance.is_some() || within.is_some() {
                Placed::Relative { distance, within: within.map(|extra| extra + len) }
            } else {
                Placed::Absolute { offset: offset.unwrap_or(0), depth: depth.map(|extra| extra + len) }
            };
            Sought { bytes, nocase, negated, place, at_end }
        },
    )
}

/// The options of a rule with these contents.
pub fn text(contents: &[Sought]) -> String {
    let mut text = String::new();
    for content in contents {
        let bang = if content.negated { "!" } else { "" };
        text += &format!("content:{bang}\"{}\"; ", String::from_utf8_lossy(&content.bytes));
        match &content.place {
            Placed::Absolute { offset, depth } => {
                if *offset > 0 {
                    text += &format!("offset:{offset}; ");
                }
                if let Some(depth) = depth {
                    text += &format!("depth:{depth}; ");
                }
            }
            Placed::Relative { distance, within } => {
                if let Some(distance) = distance {
                    text += &format!("distance:{distance}; ");
                }
                if let Some(within) = within {
                    text += &format!("within:{within}; ");
                }
            }
        }
        if content.nocase {
            text += "nocase; ";
        }
        if content.at_end {
            text += "endswith; ";
        }
    }
    text
}

/// Loads rules of these option texts, all over UDP.
pub fn set(options: &[String]) -> RuleSet {
    let file: String = options
        .iter()
        .enumerate()
        .map(|(at, options)| format!("alert udp any any -> any any ({options}sid:{};)\n", at + 1))
        .collect();
    let sources = [Source { name: "random.rules", text: file.as_bytes() }];
    let (set, report) = load(&sources, &Options::default()).unwrap();
    assert_eq!(report.loaded, options.len(), "{file}\n{report}");
    set
}
