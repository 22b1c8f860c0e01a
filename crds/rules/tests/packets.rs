//! Which packets rules are for, from frames on.

mod common;

use common::{frame, rules, sids, udp};
use hummingbird_packet::{Frame, parse};
use hummingbird_rules::{Packet, RuleIndex, Scratch, Unsupported};

const NONE: [u32; 0] = [];

#[test]
fn headers_choose_by_protocol_address_port_and_direction() {
    let (set, _) = rules(
        "alert udp $EXTERNAL_NET any -> $HOME_NET 53 (sid:1;)\n\
         alert udp $HOME_NET any -> $EXTERNAL_NET any (sid:2;)\n\
         alert udp any 53 <> any 4000 (sid:3;)\n\
         alert tcp any any -> any any (sid:4;)\n\
         alert ip any any -> any any (sid:5;)\n\
         alert ip any any -> any [50:60,!53] (sid:6;)\n\
         alert icmp any any -> any any (sid:7;)\n",
        Unsupported::Skip,
    );
    assert_eq!(sids(&set, &udp(b"")), [1, 3, 5]);
    assert_eq!(sids(&set, &frame(47, 0, [192, 0, 2, 1], [10, 0, 0, 9], &[0; 8])), [5]);
    assert_eq!(sids(&set, &frame(1, 0, [10, 0, 0, 9], [192, 0, 2, 1], &[8, 0, 0, 0, 0, 0, 0, 0])), [5, 7]);
}

#[test]
fn a_payload_ends_where_the_udp_length_says() {
    let (set, _) = rules("alert udp any any -> any any (content:\"tail\"; sid:1;)", Unsupported::Skip);
    let mut short = udp(b"a tail");
    assert_eq!(sids(&set, &short), [1]);
    short[38..40].copy_from_slice(&10u16.to_be_bytes());
    assert_eq!(sids(&set, &short), NONE);
}

#[test]
fn fragments_are_tried_only_where_that_makes_sense() {
    let (set, _) = rules(
        "alert udp any any -> any any (content:\"evil\"; sid:1;)\n\
         alert udp any any -> any 53 (content:\"evil\"; sid:2;)\n\
         alert udp any any -> any any (content:\"evil\"; offset:8; sid:3;)\n\
         alert udp any any -> any any (content:\"evil\"; content:!\"good\"; sid:4;)\n\
         alert udp any any -> any any (dsize:>0; sid:5;)\n\
         alert ip any any -> any any (fragbits:M; fragoffset:2; sid:6;)\n\
         alert udp any any -> any any (content:\"very\"; content:\"evil\"; distance:1; sid:7;)\n",
        Unsupported::Skip,
    );
    let fragment = frame(17, 0x2002, [192, 0, 2, 1], [10, 0, 0, 9], b"something very evil indeed");
    assert_eq!(sids(&set, &fragment), [1, 6, 7]);
}

#[test]
fn hits_may_repeat_and_be_wrong() {
    let (set, _) = rules(
        "alert udp any any -> any any (content:\"first\"; sid:1;)\n\
         alert udp any any -> any any (content:\"First\"; sid:2;)\n\
         alert udp any any -> any any (content:\"second\"; sid:3;)\n",
        Unsupported::Skip,
    );
    assert_eq!(set.patterns(), [Box::from(*b"first"), Box::from(*b"second")]);
    let bytes = udp(b"first");
    let Ok(Frame::Ipv4(header)) = parse(&bytes) else { panic!() };
    let packet = Packet::new(&bytes, &header);
    let (mut scratch, mut matches) = (Scratch::default(), vec![RuleIndex(7)]);
    for (hits, expected) in
        [(&[0, 0, 1, 0, 99][..], &[RuleIndex(0)][..]), (&[], &[]), (&[1], &[]), (&[0], &[RuleIndex(0)])]
    {
        set.evaluate(&packet, hits, &mut scratch, &mut matches);
        assert_eq!(matches, expected, "{hits:?}");
    }
}

#[test]
fn no_prefix_of_a_frame_makes_a_packet_panic() {
    let whole = udp(b"some payload");
    let Ok(Frame::Ipv4(header)) = parse(&whole) else { panic!() };
    for len in 0..whole.len() {
        assert!(Packet::new(&whole[..len], &header).payload.len() <= 12);
    }
}

#[test]
fn backtracking_has_a_limit() {
    let chain = "content:\"a\"; within:900; ".repeat(12);
    let text =
        format!("alert udp any any -> any any (content:\"a\"; {chain} content:\"b\"; within:9; sid:1;)");
    let (set, _) = rules(&text, Unsupported::Skip);
    let start = std::time::Instant::now();
    assert_eq!(sids(&set, &udp(&[b'a'; 1400])), NONE);
    assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
}
