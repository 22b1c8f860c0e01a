//! Everything that must not come through, each by its reason.

mod common;

use common::{Ends, Ip, SPI, TUNNEL, header};
use hummingbird_esp::{
    Direction, EspDrop, Mode, OwnedFrame, PacketBuffer, SaStates, StateOptions, encapsulate, open,
};

#[test]
fn a_replay_and_what_is_left_of_the_window() {
    let ends = Ends::new(TUNNEL, false);
    let sealed: Vec<_> = (0..100).map(|_| ends.send(&Ip::udp(9).frame()).unwrap()).collect();
    ends.receive(&sealed[0]).unwrap();
    assert_eq!(ends.receive(&sealed[0]), Err(EspDrop::Replayed));
    ends.receive(&sealed[99]).unwrap();
    // The window of 64 now spans numbers 37 to 100.
    assert_eq!(ends.receive(&sealed[35]), Err(EspDrop::ReplayTooOld));
    ends.receive(&sealed[36]).unwrap();
    assert_eq!(ends.receive(&ends.send_payload(0, &Ip::udp(9).packet(), 4)), Err(EspDrop::ReplayTooOld));
}

#[test]
fn a_forgery_neither_passes_nor_moves_the_window() {
    let ends = Ends::new(TUNNEL, false);
    let sealed = ends.send(&Ip::udp(40).frame()).unwrap();
    for at in 38..sealed.len() {
        let mut forged = sealed.clone();
        forged[at] ^= 0x10;
        assert_eq!(ends.receive(&forged), Err(EspDrop::BadIcv), "byte {at}");
    }
    assert_eq!(ends.inbound.highest(), 0);
    ends.receive(&sealed).unwrap();
}

#[test]
fn a_twin_within_one_burst() {
    let ends = Ends::new(TUNNEL, false);
    let sealed = ends.send(&Ip::udp(40).frame()).unwrap();
    let job = open(&ends.inbound, &ends.sa, &mut OwnedFrame::new(&sealed), &header(&sealed)).unwrap();
    ends.receive(&sealed).unwrap();
    assert_eq!(ends.inbound.commit(job.sequence), Err(EspDrop::Replayed));
}

#[test]
fn lengths_that_no_esp_packet_has() {
    let ends = Ends::new(TUNNEL, false);
    for len in 4..120 {
        let mut payload = SPI.to_be_bytes().to_vec();
        payload.resize(len, 7);
        let mut ip = Ip::new(50, payload);
        ip.source = [192, 0, 2, 1];
        let frame = ip.frame();
        let got = open(&ends.inbound, &ends.sa, &mut OwnedFrame::new(&frame), &header(&frame));
        let right = len >= 52 && (len - 36) % 16 == 0;
        assert_eq!(got.is_ok(), right, "{len} bytes");
        assert!(right || got == Err(EspDrop::EspMalformed));
    }
    // A header that promises more than the frame holds.
    let frame = ends.send(&Ip::udp(40).frame()).unwrap();
    let mut cut = OwnedFrame::new(&frame[..60]);
    assert_eq!(open(&ends.inbound, &ends.sa, &mut cut, &header(&frame)), Err(EspDrop::EspMalformed));
    let frame = Ip::udp(40).frame();
    let mut cut = OwnedFrame::new(&frame[..40]);
    let got = encapsulate(&ends.outbound, &ends.sa, &mut cut, &header(&frame), common::IV);
    assert_eq!(got, Err(EspDrop::BadInner));
}

#[test]
fn fragments_and_strangers() {
    let ends = Ends::new(TUNNEL, false);
    let mut ip = Ip::new(50, vec![0; 100]);
    ip.source = [192, 0, 2, 1];
    ip.flags = 0x2000;
    assert_eq!(ends.receive(&ip.frame()), Err(EspDrop::EspFragment));
    ip.flags = 0;
    ip.source = [192, 0, 2, 2];
    assert_eq!(ends.receive(&ip.frame()), Err(EspDrop::TunnelSource));
}

#[test]
fn padding_next_header_and_inner_packet() {
    let ends = Ends::new(TUNNEL, false);
    let mut numbers = 1..;
    let mut next = || numbers.next().unwrap();
    let inner = Ip::udp(8).packet();
    let mut text = [&inner[..], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 4]].concat();
    assert_eq!(ends.receive(&ends.send_text(next(), &text)).unwrap()[14..], inner);
    text[40] = 4;
    assert_eq!(ends.receive(&ends.send_text(next(), &text)), Err(EspDrop::BadPadding));
    text[46] = 47;
    assert_eq!(
        ends.receive(&ends.send_text(next(), &text)),
        Err(EspDrop::BadPadding),
        "longer than the text"
    );
    // Padding beyond a block is right (RFC 4303, section 2.4).
    let long = [&inner[..], &(1..=250).collect::<Vec<u8>>(), &[250, 4]].concat();
    assert_eq!(long.len() % 16, 0);
    assert_eq!(ends.receive(&ends.send_text(next(), &long)).unwrap()[14..], inner);
    for (next_header, wanted) in
        [(59, EspDrop::Dummy), (41, EspDrop::BadNextHeader), (17, EspDrop::BadNextHeader)]
    {
        assert_eq!(ends.receive(&ends.send_payload(next(), &inner, next_header)), Err(wanted));
    }
    let mut broken = inner.clone();
    broken[10] ^= 1;
    assert_eq!(ends.receive(&ends.send_payload(next(), &broken, 4)), Err(EspDrop::BadInner), "checksum");
    assert_eq!(ends.receive(&ends.send_payload(next(), &inner[..30], 4)), Err(EspDrop::BadInner), "cut");
    assert_eq!(ends.receive(&ends.send_payload(next(), &[], 4)), Err(EspDrop::BadInner), "nothing");
    assert_eq!(ends.receive(&ends.send_payload(next(), &[0x60; 40], 4)), Err(EspDrop::BadInner), "version 6");
}

#[test]
fn padding_against_traffic_analysis_is_cut_off() {
    let ends = Ends::new(TUNNEL, false);
    let inner = Ip::udp(8).packet();
    let padded = [&inner[..], &[0x5a; 1000]].concat();
    assert_eq!(ends.receive(&ends.send_payload(1, &padded, 4)).unwrap()[14..], inner);
}

#[test]
fn the_selector_is_asked_about_the_inner_packet() {
    let ends = Ends::new(TUNNEL, false);
    let sealed = ends.send(&Ip::udp(8).frame()).unwrap();
    let got = ends.receive_if(&sealed, |flow, has_ports| {
        assert_eq!((flow.source.octets(), flow.destination.octets()), ([172, 16, 0, 9], [10, 1, 2, 3]));
        assert_eq!((flow.source_port, flow.destination_port, has_ports), (4000, 53, true));
        false
    });
    assert_eq!(got, Err(EspDrop::SelectorMismatch));
    assert_eq!(ends.receive(&sealed), Err(EspDrop::Replayed), "it was authentic: its number is used");
    for (protocol, flags) in [(17, 0x2000), (1, 0), (132, 0)] {
        let mut ip = Ip::new(protocol, vec![0; 64]);
        ip.flags = flags;
        let sealed = ends.send(&ip.frame()).unwrap();
        ends.receive_if(&sealed, |_, has_ports| !has_ports).unwrap();
    }
}

#[test]
fn the_number_space_warns_then_ends() {
    let options = StateOptions { number_space: Some(100), ..StateOptions::default() };
    let states = SaStates::volatile_with(options);
    let ends = Ends {
        outbound: states.outbound(&common::identity(Direction::Outbound), false).unwrap(),
        ..Ends::new(TUNNEL, false)
    };
    let frame = Ip::udp(8).frame();
    for number in 1..=100 {
        ends.send(&frame).unwrap();
        assert_eq!(ends.outbound.number_use().is_nearly_exhausted(), number >= 75, "{number}");
    }
    let mut buf = OwnedFrame::new(&frame);
    for _ in 0..2 {
        let got = encapsulate(&ends.outbound, &ends.sa, &mut buf, &header(&frame), common::IV);
        assert_eq!(got, Err(EspDrop::SequenceExhausted));
        assert_eq!(buf.bytes(), frame, "the frame is as it was");
    }
}

#[test]
fn no_room_is_a_reason_and_costs_no_number() {
    let ends = Ends::new(TUNNEL, false);
    let frame = Ip::udp(8).frame();
    for at_the_end in [false, true] {
        let mut buf = OwnedFrame::new(&frame);
        if at_the_end {
            assert!(buf.append(120));
            let long = Ip::udp(128).frame();
            buf.bytes_mut().copy_from_slice(&long);
            let got = encapsulate(&ends.outbound, &ends.sa, &mut buf, &header(&long), common::IV);
            assert_eq!(got, Err(EspDrop::NoRoom));
            assert_eq!(buf.bytes(), long);
        } else {
            assert!(buf.prepend(100));
            buf.bytes_mut().copy_within(100.., 0);
            buf.trim_end(100);
            let got = encapsulate(&ends.outbound, &ends.sa, &mut buf, &header(&frame), common::IV);
            assert_eq!(got, Err(EspDrop::NoRoom));
            assert_eq!(buf.bytes(), frame);
        }
    }
    assert_eq!(ends.outbound.number_use().last, 0);
    for (mode, most) in [(TUNNEL, 65_535 - 20 - 24 - 12 - 2), (Mode::Transport, 65_535 - 24 - 12 - 2)] {
        let frame = Ip::new(17, vec![0; most]).frame();
        assert_eq!(Ends::new(mode, false).send(&frame), Err(EspDrop::TooLong));
    }
}
