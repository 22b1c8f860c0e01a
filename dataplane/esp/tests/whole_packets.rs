//! Whole packets there and back, header by header.

mod common;

use common::{Ends, IV, Ip, KEYS, Keys, SPI, TUNNEL, header};
use hummingbird_esp::{
    Direction, EspDrop, Mode, OwnedFrame, PacketBuffer, Sa, SaStates, StateOptions, encapsulate,
    encapsulated_len,
};
use hummingbird_packet::Protocol;
use ipsec_mb::{Job, Key, Manager, Verdict};

#[test]
fn every_payload_length_comes_back_byte_for_byte() {
    for mode in [TUNNEL, Mode::Transport] {
        for esn in [false, true] {
            let ends = Ends::new(mode, esn);
            for len in (0..200).chain(1400..1480) {
                let frame = Ip::udp(len).frame();
                let sealed = ends.send(&frame).unwrap();
                assert_eq!(header(&sealed).spi, SPI);
                assert_eq!(
                    usize::from(header(&sealed).total_len),
                    encapsulated_len(&ends.sa, &header(&frame))
                );
                assert_eq!(ends.receive(&sealed).unwrap(), frame, "{mode:?} esn {esn} {len} bytes");
            }
        }
    }
}

#[test]
fn ipsec_mb_does_what_the_job_says() {
    let mut manager = Manager::new().unwrap();
    let key = Key::new(&manager, &KEYS.cipher, &KEYS.integrity);
    for esn in [false, true] {
        let ends = Ends::new(TUNNEL, esn);
        for len in 0..100 {
            let frame = Ip::udp(len).frame();
            let mut buf = OwnedFrame::new(&frame);
            let job = encapsulate(&ends.outbound, &ends.sa, &mut buf, &header(&frame), IV).unwrap();
            let mut jobs = [Job::new(&key, &mut buf.bytes_mut()[job.region()], job.seq_high).unwrap()];
            manager.encrypt_burst(&mut jobs);
            assert_eq!(jobs[0].verdict(), Verdict::Done);
            assert_eq!(ends.receive(buf.bytes()).unwrap(), frame);
        }
    }
}

#[test]
fn the_outer_header_says_what_the_rules_say() {
    let ends = Ends::new(TUNNEL, false);
    for (number, tos) in (0..=255).enumerate() {
        let mut ip = Ip::udp(50);
        ip.tos = tos;
        ip.flags = if number % 2 == 0 { 0x4000 } else { 0 };
        let frame = ip.frame();
        let sealed = ends.send(&frame).unwrap();
        let outer = header(&sealed);
        assert_eq!(sealed[..14], frame[..14], "the Ethernet header is in front");
        assert_eq!((outer.header_len, outer.ttl, outer.tos), (20, 64, tos));
        assert_eq!(outer.dont_fragment, number % 2 == 0);
        let id = if outer.dont_fragment { 0 } else { number as u16 / 2 };
        assert_eq!(outer.fragment.id, id, "0 with DF, else a counter");
        assert_eq!(outer.tuple.protocol, Protocol::ESP);
        assert_eq!(outer.tuple.source.octets(), [192, 0, 2, 1]);
        assert_eq!(outer.tuple.destination.octets(), [198, 51, 100, 1]);
        assert_eq!(sealed[38..42], (number as u32 + 1).to_be_bytes(), "numbers start at 1");
        assert_eq!(sealed[42..58], IV);
    }
}

#[test]
fn transport_keeps_the_header_but_for_length_protocol_and_checksum() {
    let ends = Ends::new(Mode::Transport, false);
    let mut ip = Ip::udp(33);
    ip.options = vec![7, 7, 4, 10, 0, 0, 1, 0];
    let frame = ip.frame();
    let sealed = ends.send(&frame).unwrap();
    let outer = header(&sealed);
    assert_eq!(outer.tuple.protocol, Protocol::ESP);
    assert_eq!(sealed[..16], frame[..16]);
    assert_eq!(sealed[18..23], frame[18..23], "identification, flags, TTL");
    assert_eq!(sealed[26..42], frame[26..42], "addresses and options");
    assert_eq!(ends.receive(&sealed).unwrap(), frame);
}

#[test]
fn fragments_travel_in_tunnels_only() {
    let mut ip = Ip::udp(40);
    for flags in [0x2000, 0x2005, 0x0005] {
        ip.flags = flags;
        let frame = ip.frame();
        let ends = Ends::new(TUNNEL, false);
        assert_eq!(ends.receive(&ends.send(&frame).unwrap()).unwrap(), frame);
        let ends = Ends::new(Mode::Transport, false);
        assert_eq!(ends.send(&frame), Err(EspDrop::TransportFragment));
        assert_eq!(ends.outbound.number_use().last, 0, "no number is spent");
    }
}

#[test]
fn ethernet_padding_is_not_carried() {
    for mode in [TUNNEL, Mode::Transport] {
        let ends = Ends::new(mode, false);
        let frame = Ip::udp(2).frame();
        let sealed = ends.send(&[&frame[..], &[0xaa; 16]].concat()).unwrap();
        let opened = ends.receive(&[&sealed[..], &[0xbb; 9]].concat()).unwrap();
        assert_eq!(opened, frame);
    }
}

#[test]
fn ecn_of_the_outer_header_reaches_the_inner_one() {
    let cases =
        [(0b10, 0b11, Some(0b11)), (0b10, 0b01, Some(0b01)), (0b11, 0b00, Some(0b11)), (0b00, 0b11, None)];
    for (inner, underway, wanted) in cases {
        let ends = Ends::new(TUNNEL, false);
        let mut ip = Ip::udp(50);
        ip.tos = 0x28 | inner;
        let mut sealed = ends.send(&ip.frame()).unwrap();
        sealed[15] = 0x28 | underway;
        sealed[24..26].fill(0);
        let sum = hummingbird_packet::checksum::of(&sealed[14..34]);
        sealed[24..26].copy_from_slice(&sum.to_be_bytes());
        let wanted = wanted.ok_or(EspDrop::Ecn).map(|ecn| {
            ip.tos = 0x28 | ecn;
            ip.frame()
        });
        assert_eq!(ends.receive(&sealed), wanted, "inner {inner:02b}, {underway:02b} underway");
    }
}

#[test]
fn numbers_beyond_32_bits_are_inferred() {
    let dir = tempfile::tempdir().unwrap();
    let options = StateOptions { outbound_block: (1 << 32) - 3, ..StateOptions::default() };
    let identity = common::identity(Direction::Outbound);
    // An SA that is still held when its process ends goes on behind its block.
    let states = SaStates::open_with(dir.path(), options).unwrap();
    let held = states.outbound(&identity, true).unwrap();
    states.close().unwrap();
    drop(held);
    let states = SaStates::open_with(dir.path(), options).unwrap();
    let ends = Ends { outbound: states.outbound(&identity, true).unwrap(), ..Ends::new(TUNNEL, true) };
    ends.inbound.commit((1 << 32) - 4).unwrap();
    let sealed: Vec<_> = (0..8).map(|len| ends.send(&Ip::udp(len).frame()).unwrap()).collect();
    assert_eq!(sealed[0][38..42], (u32::MAX - 1).to_be_bytes());
    assert_eq!(sealed[2][38..42], [0; 4]);
    // The other side of 2³² comes first, and what was before it late.
    for at in [4, 0, 2, 7, 1, 3, 6, 5] {
        assert_eq!(ends.receive(&sealed[at]).unwrap(), Ip::udp(at).frame());
        assert_eq!(ends.receive(&sealed[at]), Err(EspDrop::Replayed));
    }
    assert_eq!(ends.inbound.highest(), (1 << 32) + 5);
}

/// RFC 3602, section 4, cases 5 (transport) and 7 (tunnel), whole packets but
/// for the ICV, which the RFC leaves out.
#[test]
fn rfc_3602_packets() {
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    let ping = |head: &str| [hex(head), (8..=0x37).collect()].concat();
    let array = |text: &str| <[u8; 16]>::try_from(hex(text)).unwrap();

    let keys = Keys { cipher: array("90d382b410eeba7ad938c46cec1a82bf"), integrity: [1; 20] };
    let packet = ping("45000054 08f20000 4001f9fe c0a87b03 c0a87b64 08000ebd a70a0000 8e9c083d b95b0700");
    let frame = common::ether(&packet);
    let states = SaStates::volatile();
    let outbound = states.outbound(&keys.identity(Direction::Outbound, 0x4321, None), false).unwrap();
    let mut buf = OwnedFrame::new(&frame);
    let iv = array("e96e8c08ab465763fd098d45dd3ff893");
    let job =
        encapsulate(&outbound, &Sa::new(0x4321, Mode::Transport), &mut buf, &header(&frame), iv).unwrap();
    keys.seal(buf.bytes_mut(), &job);
    let text =
        hex("f663c25d 325c18c6 a9453e19 4e120849 a4870b66 cc6b9965 330013b4 898dc856 a4699e52 3a55db08
        0b59ec3a 8e4b7e52 775b07d1 db34ed9c 538ab50c 551b874a a269add0 47ad2d59 13ac19b7 cfbad4a6");
    assert_eq!(buf.bytes()[34..42], hex("00004321 00000001"));
    assert_eq!(buf.bytes()[58..buf.bytes().len() - 12], text);

    let keys = Keys { cipher: array("0123456789abcdef0123456789abcdef"), integrity: [1; 20] };
    let packet = ping("45000054 09040000 4001f988 c0a87b03 c0a87bc8 08009f76 a90a0100 b49c083d 02a20400");
    let frame = common::ether(&packet);
    let outbound = states.outbound(&keys.identity(Direction::Outbound, 0x8765, None), false).unwrap();
    let mode = Mode::Tunnel { source: [192, 168, 123, 3].into(), destination: [192, 168, 123, 200].into() };
    let iv = array("f4e765244f6407adf13dc1380f673f37");
    let mut buf = OwnedFrame::new(&frame);
    let job = [(); 2].map(|()| {
        buf = OwnedFrame::new(&frame);
        encapsulate(&outbound, &Sa::new(0x8765, mode), &mut buf, &header(&frame), iv).unwrap()
    });
    keys.seal(buf.bytes_mut(), &job[1]);
    let text =
        hex("773b5241 a4c44922 5e4f3ce5 ed611b0c 237ca96c f74a9301 3c1b0ea1 a0cf70f8 e4ecaec7 8ac53aad
        7a0f022b 859243c6 47752e94 a859352b 8a4d4d2d ecd136e5 c177f132 ad3fbfb2 201ac990 4c74ee0a 109e0ca1
        e4dfe9d5 a100b842 f1c22f0d");
    assert_eq!(buf.bytes()[34..42], hex("00008765 00000002"));
    assert_eq!(buf.bytes()[58..buf.bytes().len() - 12], text);
}
