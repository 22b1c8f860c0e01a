//! Every length and alignment, every burst size, against RustCrypto.

mod common;

use common::{cbc_decrypt, seal};
use ipsec_mb::{BURST, Job, Key, Manager, OVERHEAD, Verdict};

/// A small generator of test bytes (xorshift64*): the same on every run.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 32) % bound
    }

    fn vec(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 56) as u8).collect()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.vec(N).try_into().unwrap()
    }
}

struct Sa {
    cipher: [u8; 16],
    integrity: [u8; 20],
    key: Key,
}

impl Sa {
    fn new(manager: &Manager, bytes: &mut Bytes) -> Self {
        let (cipher, integrity) = (bytes.array(), bytes.array());
        Self { cipher, integrity, key: Key::new(manager, &cipher, &integrity) }
    }
}

#[test]
fn every_length_at_every_alignment() {
    let mut manager = Manager::new().unwrap();
    let mut bytes = Bytes(1);
    let sa = Sa::new(&manager, &mut bytes);
    for text in (16..=1536).step_by(16) {
        let shift = text / 16 % 16;
        for (shift, seq_high) in [(shift, None), (15 - shift, Some(7)), (4, Some(u32::MAX)), (12, None)] {
            let len = text + OVERHEAD;
            let plain = bytes.vec(len);
            let mut wanted = plain.clone();
            seal(&sa.cipher, &sa.integrity, &mut wanted, seq_high);
            let mut place = [&vec![0xee; shift][..], &plain, &[0xee; 40]].concat();
            let mut jobs = [Job::new(&sa.key, &mut place[shift..][..len], seq_high).unwrap()];
            manager.encrypt_burst(&mut jobs);
            assert_eq!(jobs[0].verdict(), Verdict::Done);
            assert_eq!(place[shift..][..len], wanted, "{text} bytes at {shift}");
            let around = place[..shift].iter().chain(&place[shift + len..]);
            assert!(around.clone().all(|byte| *byte == 0xee), "{text} bytes at {shift}: written outside");
            let mut jobs = [Job::new(&sa.key, &mut place[shift..][..len], seq_high).unwrap()];
            manager.decrypt_burst(&mut jobs);
            assert_eq!(jobs[0].verdict(), Verdict::Done);
            assert_eq!(place[shift..][..len - 12], plain[..len - 12], "{text} bytes at {shift}");
            assert_eq!(place[shift..][len - 12..len], wanted[len - 12..], "the ICV stays");
        }
    }
}

#[test]
fn every_burst_size_with_mixed_lengths_keys_and_tampering() {
    let mut manager = Manager::new().unwrap();
    let mut bytes = Bytes(2);
    let sas: Vec<Sa> = (0..5).map(|_| Sa::new(&manager, &mut bytes)).collect();
    for burst in (1..=BURST).chain([65, 200]) {
        let packets: Vec<(usize, Option<u32>, Vec<u8>)> = (0..burst)
            .map(|_| {
                let text = 16 * (1 + bytes.below(96) as usize);
                let seq_high = (bytes.below(2) == 1).then(|| bytes.next() as u32);
                (bytes.below(5) as usize, seq_high, bytes.vec(text + OVERHEAD))
            })
            .collect();
        let mut frames: Vec<Vec<u8>> = packets.iter().map(|(_, _, plain)| plain.clone()).collect();
        let mut jobs: Vec<Job<'_>> = packets
            .iter()
            .zip(&mut frames)
            .map(|((sa, seq_high, _), frame)| Job::new(&sas[*sa].key, frame, *seq_high).unwrap())
            .collect();
        manager.encrypt_burst(&mut jobs);
        assert!(jobs.iter().all(|job| job.verdict() == Verdict::Done));
        for ((sa, seq_high, plain), frame) in packets.iter().zip(&frames) {
            let mut wanted = plain.clone();
            seal(&sas[*sa].cipher, &sas[*sa].integrity, &mut wanted, *seq_high);
            assert_eq!(*frame, wanted, "burst of {burst}");
        }
        // One bit of every third packet flips, anywhere: header, IV, text, ICV.
        for frame in frames.iter_mut().skip(1).step_by(3) {
            let at = bytes.below(frame.len() as u64) as usize;
            frame[at] ^= 1 << bytes.below(8);
        }
        let mut jobs: Vec<Job<'_>> = packets
            .iter()
            .zip(&mut frames)
            .map(|((sa, seq_high, _), frame)| Job::new(&sas[*sa].key, frame, *seq_high).unwrap())
            .collect();
        manager.decrypt_burst(&mut jobs);
        for (at, job) in jobs.iter().enumerate() {
            let wanted = if at % 3 == 1 { Verdict::BadIcv } else { Verdict::Done };
            assert_eq!(job.verdict(), wanted, "packet {at} of {burst}");
        }
        for (at, ((_, _, plain), frame)) in packets.iter().zip(&frames).enumerate() {
            if at % 3 != 1 {
                assert_eq!(frame[..frame.len() - 12], plain[..plain.len() - 12], "packet {at} of {burst}");
            }
        }
    }
}

#[test]
fn the_high_half_is_part_of_the_icv() {
    let mut manager = Manager::new().unwrap();
    let mut bytes = Bytes(3);
    let sa = Sa::new(&manager, &mut bytes);
    let mut esp = bytes.vec(OVERHEAD + 64);
    seal(&sa.cipher, &sa.integrity, &mut esp, Some(4));
    for (high, wanted) in [
        (None, Verdict::BadIcv),
        (Some(5), Verdict::BadIcv),
        (Some(0), Verdict::BadIcv),
        (Some(4), Verdict::Done),
    ] {
        let mut copy = esp.clone();
        let mut jobs = [Job::new(&sa.key, &mut copy, high).unwrap()];
        manager.decrypt_burst(&mut jobs);
        assert_eq!(jobs[0].verdict(), wanted, "{high:?}");
    }
}

#[test]
fn managers_of_several_threads_share_keys() {
    let manager = Manager::new().unwrap();
    let mut bytes = Bytes(4);
    let sa = Sa::new(&manager, &mut bytes);
    let plain = bytes.vec(OVERHEAD + 400);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut manager = Manager::new().unwrap();
                for _ in 0..100 {
                    let mut esp = plain.clone();
                    manager.encrypt_burst(&mut [Job::new(&sa.key, &mut esp, None).unwrap()]);
                    let (head, text) = esp.split_at_mut(24);
                    cbc_decrypt(&sa.cipher, &head[8..], &mut text[..400]);
                    assert_eq!(text[..400], plain[24..424]);
                }
            });
        }
    });
    let moved = std::thread::spawn(move || manager.arch()).join().unwrap();
    assert_ne!(moved, "none");
}
