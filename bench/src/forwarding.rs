//! Our I/O loop and Router against testpmd.

use crate::harness::{
    Context,
    chain::Chain,
    chart::{Chart, Series},
    child::{Asked, Testpmd, dataplane, packet_cpu},
    compare::interleave,
    document::{Bound, Section, Table, Target, figure, spread},
    say, traffic,
};

const ABOUT: &str = "\
One core between a looped capture in memory and a null device. Both sides take an mbuf, copy the frame
into it, rewrite it and hand it to `net_null`.

- *Ours*: header checks and checksum, classification, credit, counters and latency for each packet, the
  Router's FIB look-up (one route), TTL, checksum and MAC addresses.
- *testpmd macswap*: `net_pcap` with `infinite_rx`, the MAC addresses swapped. It looks at nothing else, so
  it is the floor of what forwarding costs.

DPDK's `l3fwd` would be the nearer peer. Debian packages it only as text within `dpdk-doc`'s HTML, and its
build wants DPDK's own source tree, so it is not run here.";

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let chain = Chain::default().router().class("all", "0.0.0.0/0", &["router"]).write(context, "forward")?;
    let mut table =
        Table::new(["frame, bytes", "ours, Mpps per CPU second", "testpmd", "ratio (least … most)"]);
    let mut curves = [("hummingbird", vec![]), ("testpmd macswap", vec![])];
    let mut targets = Vec::new();
    let cores = format!("--cores={}", packet_cpu());
    let arguments = ["--gpu=none", &cores];
    for &size in context.pick(&[64, 256, 1024, 1472][..], &[64, 1472]) {
        say(format!("forwarding, {size} bytes"));
        let trace = context.scratch.join("forward.pcap");
        traffic::write_pcap(&trace, &traffic::mix(size, 1.0, [10, 2, 1, 1], [10, 2, 1, 1]))?;
        let seconds = context.pick(1.5, 1.0);
        let asked = Asked { chain: &chain, trace: &trace, rate: None, seconds, arguments: &arguments };
        let mut testpmd = Testpmd::start(&trace)?;
        let comparison = interleave(
            context.rounds(),
            || dataplane(context, &asked).map(|run| run.sent() / run.cores),
            || testpmd.measure(seconds),
        )?;
        let (ours, peer, ratio) = (comparison.ours(), comparison.peer(), comparison.ratio());
        table.row([size.to_string(), figure(ours.median / 1e6), figure(peer.median / 1e6), spread(ratio)]);
        for (curve, rate) in curves.iter_mut().zip([ours, peer]) {
            curve.1.push((size as f64, rate.median / 1e6));
        }
        if [64, 1472].contains(&size) {
            targets.push(Target {
                measure: format!("forwarding against testpmd macswap, {size} B"),
                figure: ratio.median,
                bound: Bound::AtLeast(0.7),
            });
        }
    }
    Ok(Section {
        title: "Forwarding".into(),
        about: ABOUT.into(),
        commands: vec![
            format!(
                "hummingbird-dataplane run --chain forward.yaml --port lan=trace:forward.pcap --port wan=null --gpu none {cores}"
            ),
            Testpmd::command("forward.pcap".as_ref()).join(" "),
        ],
        tables: vec![table],
        charts: vec![Chart {
            file: "forwarding.svg".into(),
            title: "Forwarding on one core".into(),
            x: "frame, bytes".into(),
            y: "Mpps per CPU second".into(),
            series: curves.into_iter().map(|(name, points)| Series { name: name.into(), points }).collect(),
            ..Chart::default()
        }],
        targets,
    })
}
