//! The prefilter hides no match.

use aho_corasick::AhoCorasick;
use proptest::prelude::*;

use super::rules::{payload, set, sought, text, udp};
use crate::{Options, RuleSet, Scratch, Source, Unsupported, load};

/// The patterns that occur in a payload, as a prefilter finds them.
fn hits(set: &RuleSet, payload: &[u8]) -> Vec<u32> {
    let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(set.patterns()).unwrap();
    automaton.find_overlapping_iter(payload).map(|hit| hit.pattern().as_u32()).collect()
}

/// What rules are made of, for the loader to stumble over.
const FRAGMENTS: &[&[u8]] = &[
    b"alert udp any any -> any any (",
    b"alert udp any any -> any any (sid:1; content:\"abc\";",
    b")\n",
    b";",
    b"sid:1;",
    b"content:",
    b"\"a|0",
    b"0|\"",
    b"!",
    b"within:5;",
    b"distance:-2;",
    b"nocase;",
    b"http_uri;",
    b"isdataat:!1,relative;",
    b"byte_jump:1,0,relative;",
    b"byte_test:1,>,3,0;",
    b"dsize:<9;",
    b"fast_pattern:0,1;",
    b"http.uri;",
    b"pkt_data;",
    b"pcre:\"/a/\";",
    b"\\",
    b"\xff",
    b"[",
    b"$",
];

proptest! {
    #[test]
    fn hits_of_the_patterns_find_what_trying_every_rule_finds(
        rules in proptest::collection::vec(proptest::collection::vec(sought(12), 0..4), 1..12),
        payloads in proptest::collection::vec(payload(), 1..6),
    ) {
        let set = set(&rules.iter().map(|contents| text(contents)).collect::<Vec<_>>());
        let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
        for payload in &payloads {
            let packet = udp(payload);
            set.evaluate(&packet, &hits(&set, payload), &mut scratch, &mut matches);
            prop_assert_eq!(&matches, &set.evaluate_all(&packet));
        }
    }

    #[test]
    fn no_bytes_make_the_loader_panic(
        text in proptest::collection::vec(
            proptest::sample::select(FRAGMENTS),
            0..40,
        ),
        payload in payload(),
    ) {
        let text = text.concat();
        for unsupported in [Unsupported::Skip, Unsupported::ContentOnly] {
            let options = Options { unsupported, ..Options::default() };
            if let Ok((set, report)) = load(&[Source { name: "x", text: &text }], &options) {
                prop_assert_eq!(set.len(), report.loaded + report.approximate);
                let (mut scratch, mut matches) = (Scratch::new(&set), Vec::new());
                set.evaluate(&udp(&payload), &hits(&set, &payload), &mut scratch, &mut matches);
                prop_assert_eq!(matches, set.evaluate_all(&udp(&payload)));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_make_the_loader_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let framed = [b"alert tcp any any -> any any (sid:1;", &text[..], b")"].concat();
        for text in [&text, &framed] {
            drop(load(&[Source { name: "x", text }], &Options::default()));
        }
    }
}
