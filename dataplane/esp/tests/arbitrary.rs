//! Whatever arrives, nothing panics.

mod common;

use common::{Ends, Ip, TUNNEL};
use hummingbird_esp::{EspJob, Mode, OwnedFrame, encapsulate, finish_decrypt, open};
use hummingbird_packet::{Frame, parse};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any bytes behind an ESP header, in either mode, with any header's worth
    /// of options, whether the cipher liked them or not.
    #[test]
    fn any_payload(
        bytes in prop::collection::vec(any::<u8>(), 4..200),
        options in 0usize..=10,
        flags in prop_oneof![Just(0u16), any::<u16>()],
        cut in 0usize..60,
        transport: bool,
        esn: bool,
    ) {
        let ends = Ends::new(if transport { Mode::Transport } else { TUNNEL }, esn);
        let mut ip = Ip::new(50, bytes);
        ip.source = [192, 0, 2, 1];
        ip.flags = flags;
        ip.options = vec![1; options * 4];
        let frame = ip.frame();
        if let Ok(Frame::Ipv4(header)) = parse(&frame) {
            // A header that does not fit the frame must not panic either.
            for frame in [&frame[..], &frame[..frame.len().saturating_sub(cut)]] {
                let mut buf = OwnedFrame::new(frame);
                if let Ok(job) = open(&ends.inbound, &ends.sa, &mut buf, &header) {
                    let _ = finish_decrypt(&ends.inbound, &ends.sa, &mut buf, &header, &job, |_, _| true);
                }
                let mut buf = OwnedFrame::new(frame);
                let _ = encapsulate(&ends.outbound, &ends.sa, &mut buf, &header, common::IV);
            }
        }
    }

    /// Authentic nonsense: any text under a right ICV.
    #[test]
    fn any_authentic_text(blocks in prop::collection::vec(any::<[u8; 16]>(), 1..20), last in any::<[u8; 2]>(), transport: bool) {
        let ends = Ends::new(if transport { Mode::Transport } else { TUNNEL }, false);
        let mut text = blocks.concat();
        let end = text.len();
        text[end - 2..].copy_from_slice(&[last[0] % 20, if last[1] % 2 == 0 { 4 } else { last[1] }]);
        let _ = ends.receive(&ends.send_text(1, &text));
    }

    /// A job that does not fit the frame.
    #[test]
    fn any_job(
        esp_offset in prop_oneof![Just(34u32), 0u32..200],
        cipher_len in 0u32..400,
        len in 0usize..300,
        transport: bool,
    ) {
        let ends = Ends::new(if transport { Mode::Transport } else { TUNNEL }, false);
        let sealed = ends.send(&Ip::udp(40).frame()).unwrap();
        let header = common::header(&sealed);
        let mut buf = OwnedFrame::new(&vec![0; len]);
        let job = EspJob { esp_offset, cipher_len, sequence: 1, seq_high: None };
        let _ = finish_decrypt(&ends.inbound, &ends.sa, &mut buf, &header, &job, |_, _| true);
    }

    /// Any packet there and back.
    #[test]
    fn any_packet_round_trips(
        payload in prop::collection::vec(any::<u8>(), 0..600),
        protocol in prop_oneof![Just(1u8), Just(47), Just(89), Just(132)],
        (tos, id, df, ttl) in any::<(u8, u16, bool, u8)>(),
        transport: bool,
        esn: bool,
    ) {
        let ends = Ends::new(if transport { Mode::Transport } else { TUNNEL }, esn);
        let ip = Ip { tos, id, flags: if df { 0x4000 } else { 0 }, ttl, ..Ip::new(protocol, payload) };
        let frame = ip.frame();
        prop_assert_eq!(ends.receive(&ends.send(&frame).unwrap()).unwrap(), frame);
    }
}
