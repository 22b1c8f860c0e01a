//! One SA has one writer: its packets leave in the sequence of their numbers.

use std::collections::HashSet;

use super::chain::{capture, chain, ipsec, number_of, router, run};

const PACKETS: u32 = 5000;

#[test]
fn a_window_of_64_refuses_nothing_of_an_sa_on_four_workgroups() {
    let encrypt = chain(&[ipsec("Encrypt", "GPU x4", ""), router(2)], "esp, route");
    for arguments in [&[][..], &["--syncers", "2", "--io-roles", "2"], &["--lease-polls", "1000"]] {
        let sealed = run(&encrypt, &capture(50, PACKETS, false), &[], arguments);
        assert_eq!(sealed.drops(), 0);
        let numbers: Vec<u32> = sealed
            .wan
            .iter()
            .map(|frame| u32::from_be_bytes([frame[38], frame[39], frame[40], frame[41]]))
            .collect();
        assert!(numbers.iter().copied().eq(1..=PACKETS), "{arguments:?}: numbers leave in sequence");

        for place in ["CPU x1", "GPU x4"] {
            let decrypt = chain(&[ipsec("Decrypt", place, ", replayWindow: 64"), router(2)], "esp, route");
            let opened = run(&decrypt, &sealed.wan, &[], arguments);
            assert_eq!(opened.drops(), 0, "{arguments:?}, {place}: {}", opened.report["drops"]);
            let seen: HashSet<_> = opened.wan.iter().map(|frame| number_of(frame)).collect();
            assert_eq!(seen.len(), PACKETS as usize);
        }
    }
}

#[test]
fn a_packet_that_comes_twice_is_refused_once() {
    let encrypt = chain(&[ipsec("Encrypt", "GPU x1", ""), router(1)], "esp, route");
    let sealed = run(&encrypt, &capture(10, 500, false), &[], &[]);
    let twice: Vec<_> = sealed.wan.iter().flat_map(|frame| [frame.clone(), frame.clone()]).collect();
    for place in ["CPU x2", "GPU x2"] {
        let decrypt = chain(&[ipsec("Decrypt", place, ""), router(2)], "esp, route");
        let opened = run(&decrypt, &twice, &[], &[]);
        assert_eq!(opened.wan.len(), 500);
        assert_eq!(opened.number("/drops/replayed"), 500, "{}", opened.report["drops"]);
    }
}
