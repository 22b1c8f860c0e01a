//! The paper's figure 3: rows of a persistent kernel over shared memory
//! against packets copied to a kernel that is launched for every batch.

mod persistent;
mod relaunch;

use anyhow::Context as _;
use hummingbird_kernels::dfa::Automaton;
use hummingbird_rules::{Options, Source, load};

use crate::{
    harness::{
        Context,
        chart::{Chart, Series},
        child::packet_cpu,
        compare::interleave,
        cpu::on_cpu,
        document::{Section, Table, figure, spread},
        say,
        traffic::{self, Random},
    },
    static_chain::example_rules,
};

/// Packets in a row, and work items of the one workgroup.
pub const ITEMS: u16 = 64;
/// Bytes between packets in memory.
pub const SLOT: usize = 1536;
/// Packets in memory: the largest batch.
pub const PACKETS: usize = 4096;
/// Rows of the persistent kernel's ring; so many are out at once.
pub const DEPTH: u16 = 16;

const ABOUT: &str = "\
The same kernel code, the NIDS' automaton with the example rules over whole packets, in one workgroup of 64
items on PoCL. Million packets per second of wall time, for both sides use two threads: the host's on one core and
the kernel's on the others. Other work on the machine counts here, and most against the side that polls.

- *Persistent rows*: packets lie where the NIC would put them, in memory that host and kernel share; the host
  fills rows of 64 descriptors, publishes them and harvests results, up to 16 rows out.
- *Copy and relaunch*: for each batch the packets and descriptors are copied to the device, the kernel is
  launched, runs to its end, and results are copied back.

The paper reports one number, ten times. The ratio depends on the batch that the relaunch may gather (and on
how long a packet may wait for that), so this is a curve. What the kernel computes is in both: the longer a
packet takes, the less the way there counts.";

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let text = std::fs::read(example_rules(context))?;
    let (rules, _) = load(&[Source { name: "example", text: &text }], &Options::default())?;
    let automaton = Automaton::build(rules.patterns())?;
    let mut table = Table::new([
        "packet, bytes",
        "batch of the relaunch",
        "persistent rows, Mpps",
        "copy and relaunch, Mpps",
        "ratio (least … most)",
    ]);
    let mut series = Vec::new();
    let rounds = context.rounds();
    for &size in context.pick(&[16, 64, 256, 1024, 1472][..], &[64, 1472]) {
        say(format!("rows, {size} bytes"));
        let mut random = Random(21);
        let packets: Vec<Vec<u8>> = (0..PACKETS)
            .map(|_| {
                let frame = traffic::frame(size.max(60) + 60, [10, 2, 1, 1], &mut random);
                frame[frame.len() - size..].to_vec()
            })
            .collect();
        let mut rows = persistent::Rows::start(automaton.as_bytes(), &packets).context("persistent rows")?;
        let mut copies =
            relaunch::Copies::new(automaton.as_bytes(), &packets).context("copy and relaunch")?;
        let mut points = Vec::new();
        for batch in [64, 256, 1024, 4096] {
            let seconds = context.pick(0.1, 0.05);
            let comparison = on_cpu(packet_cpu(), || {
                interleave(rounds, || rows.rate(seconds), || copies.rate(batch, seconds))
            })?;
            table.row([
                size.to_string(),
                batch.to_string(),
                figure(comparison.ours().median / 1e6),
                figure(comparison.peer().median / 1e6),
                spread(comparison.ratio()),
            ]);
            points.push((batch as f64, comparison.ratio().median));
        }
        rows.stop()?;
        series.push(Series { name: format!("{size} B"), points });
    }
    Ok(Section {
        title: "Persistent rows against copy and relaunch (figure 3)".into(),
        about: ABOUT.into(),
        commands: vec!["hummingbird-bench --only rows".into()],
        tables: vec![table],
        charts: vec![Chart {
            file: "rows.svg".into(),
            title: "Persistent rows by copy and relaunch, by packet size".into(),
            x: "batch of the relaunch, packets".into(),
            y: "times the throughput".into(),
            log: true,
            series,
        }],
        targets: vec![],
    })
}
