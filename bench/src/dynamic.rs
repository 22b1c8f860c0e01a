//! The paper's figure 7: what it costs that flows take different paths.

use crate::{
    harness::{
        Context,
        chain::{Chain, On},
        chart::{Chart, Series},
        child::{Asked, per_cpu_second},
        compare::interleave,
        document::{Bound, Section, Table, Target, figure, spread},
        say, traffic,
    },
    static_chain::example_rules,
};

const ABOUT: &str = "\
The paper's section V-F, chain as in `examples/paper-dynamic.yaml` with one workgroup for each function:
flow f1 goes IPsec (GPU) → NIDS (GPU) → Router (CPU), flow f2 IPsec (GPU) → Router (CPU). Thousand packets per
CPU second of the whole process, kernels included.

- *50/50 against 93/7* is the paper's pair; it found 93/7 a little faster, since fewer dummies fill its rows.
  The gap is how much slower 50/50 is (the paper's is about 8 %); below 0 it is the faster one. On PoCL a
  packet of f1 costs more of the same CPU than one of f2, for it is matched too, which works for 50/50.
- *2/98 against 0/100*: nearly every item of a NIDS row is a dummy, against no NIDS row at all.";

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let chain = Chain::default()
        .ipsec(On::Gpu(1))
        .nids(On::Gpu(1), example_rules(context))
        .router()
        .class("f1", "10.2.1.1/32", &["ipsec", "nids", "router"])
        .class("f2", "10.2.2.2/32", &["ipsec", "router"])
        .write(context, "dynamic")?;
    let mut table = Table::new([
        "frame, bytes",
        "50/50",
        "93/7",
        "ratio (least … most)",
        "gap, %",
        "2/98",
        "0/100",
        "ratio (least … most)",
    ]);
    let shares = [0.5, 0.93, 0.02, 0.0];
    let mut curves = ["50/50", "93/7", "2/98", "0/100"].map(|name| (name, Vec::new()));
    let mut gaps = Vec::new();
    for &size in context.pick(&[64, 512, 1400][..], &[64, 1400]) {
        say(format!("dynamic chain, {size} bytes"));
        let traces = shares.map(|share| {
            let path = context.scratch.join(format!("dynamic-{share}.pcap"));
            traffic::write_pcap(&path, &traffic::mix(size, share, [10, 2, 1, 1], [10, 2, 2, 2]))
                .map(|()| path)
        });
        let seconds = context.pick(1.5, 1.0);
        let rate = |trace: usize| {
            let trace = traces[trace].as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
            let asked = Asked { chain: &chain, trace, rate: None, seconds, arguments: &[] };
            per_cpu_second(context, &asked).map(|rate| rate / 1e3)
        };
        let rounds = context.pick(5, 3);
        let halves = interleave(rounds, || rate(0), || rate(1))?;
        let dummies = interleave(rounds, || rate(2), || rate(3))?;
        let gap = 100.0 * (1.0 - halves.ratio().median);
        gaps.push(gap);
        let medians = [halves.ours(), halves.peer(), dummies.ours(), dummies.peer()].map(|side| side.median);
        table.row([
            size.to_string(),
            figure(medians[0]),
            figure(medians[1]),
            spread(halves.ratio()),
            figure(gap),
            figure(medians[2]),
            figure(medians[3]),
            spread(dummies.ratio()),
        ]);
        for (curve, median) in curves.iter_mut().zip(medians) {
            curve.1.push((size as f64, median));
        }
    }
    Ok(Section {
        title: "Dynamic chaining (figure 7)".into(),
        about: ABOUT.into(),
        commands: vec![
            "hummingbird-dataplane run --chain dynamic.yaml --port lan=trace:MIX.pcap --port wan=null".into(),
        ],
        tables: vec![table],
        charts: vec![Chart {
            file: "dynamic.svg".into(),
            title: "Dynamic chain, shares of flows f1/f2".into(),
            x: "frame, bytes".into(),
            y: "kpps per CPU second".into(),
            series: curves.into_iter().map(|(name, points)| Series { name: name.into(), points }).collect(),
            ..Chart::default()
        }],
        targets: vec![Target {
            measure: "dynamic chain 50/50 slower than 93/7, %, mean over sizes".into(),
            figure: gaps.iter().sum::<f64>() / gaps.len() as f64,
            bound: Bound::AtMost(5.0),
        }],
    })
}
