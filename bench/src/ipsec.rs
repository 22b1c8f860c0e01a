//! ESP on the CPU against intel-ipsec-mb driven directly and `openssl speed`.

use std::net::Ipv4Addr;

use anyhow::{Context as _, ensure};
use arrayvec::ArrayVec;
use hummingbird_esp::{
    CtrIv, Direction, IvSource, Mode, OutboundSa, PacketBuffer, Sa, SaIdentity, SaStates, encapsulate,
};
use hummingbird_packet::{Frame, parse};
use ipsec_mb::{Job, Key, Manager, Verdict};

use crate::{
    harness::{
        Context,
        chart::{Chart, Series},
        child::openssl,
        compare::interleave,
        cpu::seconds_of,
        document::{Bound, Section, Table, Target, figure, spread},
        say,
        traffic::{self, Random},
    },
    peers,
};

/// Packets between two readings of the clock: 1 MiB of buffers.
const BATCH: usize = 512;
/// Packets that the dataplane's cores take at once.
const BURST: usize = 32;
/// A buffer: an mbuf's data room with 128 bytes before the frame.
const SLOT: usize = 2048;
const ROOM: usize = 128;
const CIPHER: [u8; 16] = *b"hummingbird-demo";
const INTEGRITY: [u8; 20] = *b"hummingbird-icv-demo";

const ABOUT: &str = "\
One SA in tunnel mode, AES-128-CBC with HMAC-SHA1-96, the suite of the paper's table II.

- *Ours*: what the Encrypt function does for a burst of 32: parse, sequence number, fresh random IV, outer
  header, padding, ICV's room, then the safe wrapper `ipsec-mb` with all lanes flushed at the burst's end.
- *libipsec-mb*: C that submits jobs on ESP regions that are ready, of the same lengths in the same
  number of buffers. Once with a flush after 32 jobs, as a packet path must that holds no packet back;
  once with lanes kept full over 512 jobs, the most that the library gives.
- *openssl speed -evp aes-128-cbc-hmac-sha1*: long runs under one key without IV, header or HMAC set-up per
  packet; its bytes are those enciphered.";

/// Frames in fixed buffers.
struct Buffers {
    memory: Vec<u8>,
}

/// One of them.
struct Buffer<'a> {
    memory: &'a mut [u8],
    start: usize,
    end: usize,
}

impl PacketBuffer for Buffer<'_> {
    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.end]
    }

    fn prepend(&mut self, n: usize) -> bool {
        self.start.checked_sub(n).inspect(|start| self.start = *start).is_some()
    }

    fn append(&mut self, n: usize) -> bool {
        let fits = self.memory.len() - self.end >= n;
        if fits {
            self.end += n;
        }
        fits
    }

    fn trim_front(&mut self, n: usize) {
        self.start += n;
    }

    fn trim_end(&mut self, n: usize) {
        self.end -= n;
    }
}

impl Buffers {
    fn filled(&mut self, frame: &[u8]) -> Vec<Buffer<'_>> {
        self.memory
            .chunks_exact_mut(SLOT)
            .map(|memory| {
                // The IP header on 16 bytes, as in the dataplane.
                let start = ROOM + 2;
                memory[start..start + frame.len()].copy_from_slice(frame);
                Buffer { memory, start, end: start + frame.len() }
            })
            .collect()
    }
}

struct Ours {
    sa: Sa,
    state: std::sync::Arc<OutboundSa>,
    key: Key,
    manager: Manager,
    ivs: CtrIv,
}

impl Ours {
    fn new() -> anyhow::Result<Self> {
        let (source, destination) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 1));
        let identity = SaIdentity::new(Direction::Outbound, 4096, Some(destination), &CIPHER, &INTEGRITY);
        let manager = Manager::new()?;
        Ok(Self {
            sa: Sa::new(4096, Mode::Tunnel { source, destination }),
            state: SaStates::volatile().outbound(&identity, false)?,
            key: Key::new(&manager, &CIPHER, &INTEGRITY),
            manager,
            ivs: CtrIv::new()?,
        })
    }

    /// What the Encrypt function does; returns packets that are through.
    fn encrypt(&mut self, packets: &mut [Buffer<'_>]) -> usize {
        let mut through = 0;
        for burst in packets.chunks_mut(BURST) {
            let mut jobs = ArrayVec::<Job<'_>, BURST>::new();
            for packet in burst {
                let Ok(Frame::Ipv4(header)) = parse(packet.bytes()) else { continue };
                let Ok(esp) = encapsulate(&self.state, &self.sa, packet, &header, self.ivs.next_iv()) else {
                    continue;
                };
                let region = &mut packet.bytes_mut()[esp.region()];
                jobs.extend(Job::new(&self.key, region, esp.seq_high));
            }
            self.manager.encrypt_burst(&mut jobs);
            through += jobs.iter().filter(|job| job.verdict() == Verdict::Done).count();
        }
        through
    }
}

/// Calls `batch`, which returns CPU seconds for [`BATCH`] packets, until
/// `least` seconds are through: packets a CPU second.
fn rate(least: f64, mut batch: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    let (mut packets, mut seconds) = (0.0, 0.0);
    while seconds < least {
        seconds += batch()?;
        packets += BATCH as f64;
    }
    Ok(packets / seconds)
}

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let mut ours = Ours::new()?;
    let mut peer = peers::Ipsec::new(&CIPHER, &INTEGRITY).context("intel-ipsec-mb gives no manager")?;
    let mut memory = Buffers { memory: vec![0; BATCH * SLOT] };
    let mut theirs = Buffers { memory: vec![0; BATCH * SLOT] };
    let least = context.pick(0.2, 0.1);
    let mut table = Table::new([
        "frame, bytes",
        "ours, Gbit/s per CPU second",
        "libipsec-mb, bursts of 32",
        "ratio (least … most)",
        "libipsec-mb, lanes kept full",
        "ratio (least … most)",
        "openssl speed",
        "ratio",
    ]);
    let mut curves = [
        ("hummingbird Encrypt", vec![]),
        ("bursts of 32", vec![]),
        ("lanes kept full", vec![]),
        ("openssl speed", vec![]),
    ];
    let mut targets = Vec::new();
    for &size in context.pick(&[64, 128, 256, 512, 1024, 1472][..], &[64, 256, 1472]) {
        say(format!("IPsec, {size} bytes"));
        let frame = traffic::frame(size, [10, 2, 1, 1], &mut Random(3));
        let text = (size - 14 + 2).next_multiple_of(16);
        let region = peers::ESP_OVERHEAD + text;
        let mut ours = || {
            rate(least, || {
                let mut packets = memory.filled(&frame);
                let mut through = 0;
                let seconds = seconds_of(|| through = ours.encrypt(&mut packets));
                ensure!(through == BATCH, "{through} of {BATCH} packets were encrypted");
                Ok(seconds)
            })
        };
        let mut direct = |burst| {
            rate(least, || {
                let mut packets = theirs.filled(&frame);
                let mut regions: Vec<&mut [u8]> =
                    packets.iter_mut().map(|buffer| &mut buffer.memory[ROOM - 26..][..region]).collect();
                let mut done = 0;
                let seconds = seconds_of(|| done = peer.encrypt(&mut regions, burst));
                ensure!(done == BATCH, "{done} of {BATCH} jobs completed");
                Ok(seconds)
            })
        };
        let bursts = interleave(context.rounds(), &mut ours, || direct(BURST as u32))?;
        let full = interleave(context.rounds(), &mut ours, || direct(u32::MAX))?;
        let bits = 8.0 * size as f64 / 1e9;
        let openssl = openssl("aes-128-cbc-hmac-sha1", text, 1)? / text as f64 * bits;
        let gbps = bursts.ours().median * bits;
        table.row([
            size.to_string(),
            figure(gbps),
            figure(bursts.peer().median * bits),
            spread(bursts.ratio()),
            figure(full.peer().median * bits),
            spread(full.ratio()),
            figure(openssl),
            figure(gbps / openssl),
        ]);
        let values = [gbps, bursts.peer().median * bits, full.peer().median * bits, openssl];
        for (curve, value) in curves.iter_mut().zip(values) {
            curve.1.push((size as f64, value));
        }
        if size >= 256 {
            targets.push(Target {
                measure: format!("IPsec CPU against libipsec-mb in bursts of 32, {size} B"),
                figure: bursts.ratio().median,
                bound: Bound::AtLeast(0.9),
            });
        }
    }
    Ok(Section {
        title: "IPsec on the CPU".into(),
        about: ABOUT.into(),
        commands: vec!["hummingbird-bench --only ipsec".into()],
        tables: vec![table],
        charts: vec![Chart {
            file: "ipsec.svg".into(),
            title: "AES-128-CBC with HMAC-SHA1-96 on one core".into(),
            x: "frame, bytes".into(),
            y: "Gbit/s of frames per CPU second".into(),
            series: curves.into_iter().map(|(name, points)| Series { name: name.into(), points }).collect(),
            ..Chart::default()
        }],
        targets,
    })
}
