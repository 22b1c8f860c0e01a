//! IPsec: the two computes leave equal bytes, and each opens what the other sealed.

use std::sync::Arc;

use hummingbird_crds::tables::{EspMode, Match, SaKeys, SecurityAssociation};
use hummingbird_dataplane::{
    DropReason,
    forward::Verdict,
    nf::{
        FunctionData, GpuFunction,
        ipsec::{CpuEncrypt, DecryptData, EncryptData, GpuEncrypt},
    },
    packet::Packet,
};
use hummingbird_esp::{SaStates, SeededIv};
use hummingbird_packet::{Frame, Protocol, parse};
use ipsec_mb::Manager;

use crate::{
    bench::{Bench, alone},
    frames::{Random, udp},
};

fn association(spi: u32, mode: EspMode, esn: bool) -> SecurityAssociation {
    SecurityAssociation {
        name: format!("sa-{spi}"),
        spi,
        mode,
        esn,
        keys: SaKeys { cipher: *b"a cipher key: 16", integrity: *b"an integrity key: 20" },
        selector: Match::default(),
        replay_window: 1024,
    }
}

/// Tunnel and transport, with and without extended numbers.
fn associations() -> Vec<SecurityAssociation> {
    let tunnel = EspMode::Tunnel {
        source: "192.0.2.9".parse().unwrap(),
        destination: "198.51.100.9".parse().unwrap(),
    };
    [(tunnel, false), (tunnel, true), (EspMode::Transport, false), (EspMode::Transport, true)]
        .into_iter()
        .zip(256..)
        .map(|((mode, esn), spi)| association(spi, mode, esn))
        .collect()
}

/// UDP datagrams of every length up to a tunnel's, with Ethernet padding where they are short.
fn frames(random: &mut Random, count: usize) -> Vec<Vec<u8>> {
    let frame = |_| {
        let len = random.below(1400);
        let mut frame = udp(random.below(100) as u16, 4000, &random.bytes(len));
        frame.resize(frame.len().max(60), 0);
        frame
    };
    (0..count).map(frame).collect()
}

fn steered(data: &EncryptData, mut packets: Vec<Packet>) -> Vec<Packet> {
    packets.iter_mut().for_each(|packet| data.steer(packet).unwrap());
    packets
}

fn bytes(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(|packet| packet.data().to_vec()).collect()
}

/// Frames sealed on the CPU and, with the same IVs and numbers, on the GPU.
fn sealed(bench: &mut Bench, sa: &SecurityAssociation, frames: &[Vec<u8>]) -> [Vec<Vec<u8>>; 2] {
    let sas = Arc::new(vec![sa.clone()]);
    let manager = Manager::new().unwrap();
    let data = |bench: &Bench| {
        // A state of its own for each, so that both count from the same number.
        EncryptData::build(&sas, &SaStates::volatile(), &manager, Some(bench.accelerator())).unwrap()
    };
    let (here, there) = (data(bench), data(bench));
    let mut on_cpu = steered(&here, bench.packets(frames));
    let mut on_gpu = steered(&there, bench.packets(frames));
    let mut cpu = CpuEncrypt::new(Manager::new().unwrap(), SeededIv::new(7));
    let mut gpu = GpuEncrypt::new(SeededIv::new(7));
    let cpu_verdicts = bench.on_cpu(&mut cpu, &alone(Box::new(here)), &mut on_cpu);
    let gpu_verdicts = bench.on_gpu(&mut gpu, &alone(Box::new(there)), &mut on_gpu);
    assert!(cpu_verdicts.iter().chain(&gpu_verdicts).all(|verdict| *verdict == Verdict::Pass));
    [bytes(&on_cpu), bytes(&on_gpu)]
}

/// What comes of frames on a compute, in a window of their own.
fn opened(
    bench: &mut Bench,
    sa: &SecurityAssociation,
    frames: &[Vec<u8>],
    gpu: bool,
) -> (Vec<Verdict>, Vec<Vec<u8>>) {
    let sas = vec![sa.clone()];
    let manager = Manager::new().unwrap();
    let data = DecryptData::build(&sas, &SaStates::volatile(), &manager, Some(bench.accelerator())).unwrap();
    let (mut on_cpu, mut on_gpu) = (data.on_cpu().unwrap(), data.on_gpu().unwrap());
    let tables = alone(Box::new(data));
    let mut packets = bench.packets(frames);
    let verdicts = if gpu {
        bench.on_gpu(&mut *on_gpu, &tables, &mut packets)
    } else {
        bench.on_cpu(&mut *on_cpu, &tables, &mut packets)
    };
    (verdicts, bytes(&packets))
}

#[test]
fn the_same_ivs_give_the_same_bytes_and_each_compute_opens_them() {
    let mut bench = Bench::gpu();
    let mut random = Random(42);
    for sa in associations() {
        let frames = frames(&mut random, 200);
        let [cpu, gpu] = sealed(&mut bench, &sa, &frames);
        assert_eq!(cpu, gpu, "{:?}, esn {}", sa.mode, sa.esn);
        for (sealed, frame) in cpu.iter().zip(&frames) {
            let Ok(Frame::Ipv4(header)) = parse(sealed) else { panic!("an IPv4 packet") };
            assert_eq!((header.tuple.protocol, header.spi), (Protocol::ESP, sa.spi));
            assert!(
                !sealed.windows(16).any(|window| window == &frame[frame.len() - 16..]) || frame.len() == 60
            );
        }
        for on_gpu in [false, true] {
            let (verdicts, packets) = opened(&mut bench, &sa, &cpu, on_gpu);
            assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Pass));
            for (packet, frame) in packets.iter().zip(&frames) {
                let Ok(Frame::Ipv4(header)) = parse(frame) else { panic!("an IPv4 packet") };
                assert_eq!(packet[14..], frame[14..header.end()]);
            }
        }
    }
    bench.close();
}

#[test]
fn forged_and_replayed_packets_are_refused_alike() {
    let mut bench = Bench::gpu();
    let mut random = Random(43);
    for sa in associations() {
        let plain = frames(&mut random, 64);
        let [mut packets, _] = sealed(&mut bench, &sa, &plain);
        let (mut bad, mut stranger, mut cut) = (0, 0, 0);
        for (at, packet) in packets.iter_mut().enumerate() {
            let Ok(Frame::Ipv4(header)) = parse(packet) else { panic!("an IPv4 packet") };
            match at % 4 {
                // A bit of the number, the IV, the cipher text or the ICV.
                0 => {
                    let from = header.l4_start() + 8;
                    let bit = random.below((header.end() - from) * 8);
                    packet[from + bit / 8] ^= 1 << (bit % 8);
                    bad += 1;
                }
                1 if at % 8 == 1 => {
                    packet[header.l4_start()] ^= 1;
                    stranger += 1;
                }
                2 if at % 8 == 2 => {
                    // One block less, and the header says so.
                    let len = (header.total_len - 4).to_be_bytes();
                    packet[16..18].copy_from_slice(&len);
                    packet[24..26].fill(0);
                    let sum = hummingbird_packet::checksum::of(&packet[14..34]);
                    packet[24..26].copy_from_slice(&sum.to_be_bytes());
                    packet.truncate(header.end() - 4);
                    cut += 1;
                }
                _ => {}
            }
        }
        let again = packets.clone();
        packets.extend(again);

        let here = opened(&mut bench, &sa, &packets, false);
        let there = opened(&mut bench, &sa, &packets, true);
        assert_eq!(here.0, there.0);
        for ((verdict, here), there) in here.0.iter().zip(&here.1).zip(&there.1) {
            assert!(*verdict != Verdict::Pass || here == there);
        }
        let count = |reason| here.0.iter().filter(|verdict| **verdict == Verdict::Drop(reason)).count();
        assert_eq!(count(DropReason::BadIcv), 2 * bad);
        assert_eq!(count(DropReason::UnknownSpi), 2 * stranger);
        assert_eq!(count(DropReason::EspTooShort), 2 * cut);
        let good = 64 - bad - stranger - cut;
        assert_eq!(count(DropReason::Replayed), good);
        assert_eq!(here.0.iter().filter(|verdict| **verdict == Verdict::Pass).count(), good);
    }
    bench.close();
}

#[test]
fn a_kernel_that_did_not_run_lets_nothing_through() {
    let mut bench = Bench::gpu();
    let sa = association(256, EspMode::Transport, false);
    let manager = Manager::new().unwrap();
    let data = EncryptData::build(&[sa], &SaStates::volatile(), &manager, Some(bench.accelerator())).unwrap();
    let mut packets = steered(&data, bench.packets(&frames(&mut Random(1), 1)));
    let mut half = IdleKernel(GpuEncrypt::new(SeededIv::new(7)));
    let verdicts = bench.on_gpu(&mut half, &alone(Box::new(data)), &mut packets);
    assert_eq!(verdicts, [Verdict::Drop(DropReason::CipherFailed)]);
    drop(packets);
    bench.close();
}

/// Encrypt whose outcome is that of an item which never ran.
struct IdleKernel(GpuEncrypt<SeededIv>);

impl GpuFunction for IdleKernel {
    fn kernel(&self) -> hummingbird_kernels::layout::KernelId {
        self.0.kernel()
    }

    fn prepare(
        &mut self,
        env: &mut hummingbird_dataplane::nf::Env<'_>,
        packet: &mut Packet,
    ) -> Result<hummingbird_dataplane::nf::KernelWork, DropReason> {
        self.0.prepare(env, packet)
    }

    fn finish(
        &mut self,
        env: &mut hummingbird_dataplane::nf::Env<'_>,
        packet: &mut Packet,
        _outcome: &hummingbird_kernels::layout::Outcome,
    ) -> Verdict {
        self.0.finish(env, packet, &[0; 8])
    }
}
