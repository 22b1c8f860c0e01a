//! The paper's figure 6: the static chain with its NIDS on GPU and CPU; and
//! the whole chain on CPU cores alone.

use std::path::PathBuf;

use crate::harness::{
    Context,
    chain::{Chain, On},
    chart::{Chart, Series},
    child::{Asked, packet_cpu, per_cpu_second},
    compare::interleave,
    document::{Section, Table, figure, spread},
    say, traffic,
};

const ABOUT: &str = "\
The paper's section V-E: IPsec → NIDS → Router for every packet, in Gbit/s of received frames per CPU second of
the whole process, kernels included. *g-chain*: IPsec and NIDS on the GPU; *c-chain*: IPsec alone on the GPU;
*CPU*: all three on one core (`--gpu none`), which is the whole chain's rate per core. The NIDS sees
cipher text, as the paper's order has it.

With PoCL as the GPU all three run on the same cores, and what differs is code: libipsec-mb and vectorscan
against the OpenCL kernels, and the cost of rows.";

/// The example rules.
pub fn example_rules(context: &Context) -> PathBuf {
    context.root.join("examples/rules/local.rules")
}

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let chain = |name: &str, nids| {
        Chain::default()
            .ipsec(On::Gpu(1))
            .nids(nids, example_rules(context))
            .router()
            .class("all", "0.0.0.0/0", &["ipsec", "nids", "router"])
            .write(context, name)
    };
    let on_gpu = chain("g-chain", On::Gpu(1))?;
    let on_cpu = chain("c-chain", On::Cpu(1))?;
    let core = format!("--cores={}", packet_cpu());
    let mut table = Table::new([
        "frame, bytes",
        "g-chain",
        "c-chain",
        "g by c (least … most)",
        "CPU",
        "g by CPU (least … most)",
    ]);
    let mut curves = ["g-chain", "c-chain", "CPU"].map(|name| (name, Vec::new()));
    let trace = context.scratch.join("static.pcap");
    for &size in context.pick(&[64, 512, 1400][..], &[64, 1400]) {
        say(format!("static chain, {size} bytes"));
        traffic::write_pcap(&trace, &traffic::mix(size, 1.0, [10, 2, 1, 1], [10, 2, 1, 1]))?;
        let rate = |chain: &PathBuf, arguments: &[&str]| {
            let seconds = context.pick(1.5, 1.0);
            let asked = Asked { chain, trace: &trace, rate: None, seconds, arguments };
            per_cpu_second(context, &asked).map(|rate| rate * 8.0 * size as f64 / 1e9)
        };
        let rounds = context.pick(5, 3);
        let by_c = interleave(rounds, || rate(&on_gpu, &[]), || rate(&on_cpu, &[]))?;
        let by_cpu = interleave(rounds, || rate(&on_gpu, &[]), || rate(&on_cpu, &["--gpu=none", &core]))?;
        let medians = [by_c.ours(), by_c.peer(), by_cpu.peer()].map(|side| side.median);
        table.row([
            size.to_string(),
            figure(medians[0]),
            figure(medians[1]),
            spread(by_c.ratio()),
            figure(medians[2]),
            spread(by_cpu.ratio()),
        ]);
        for (curve, median) in curves.iter_mut().zip(medians) {
            curve.1.push((size as f64, median));
        }
    }
    Ok(Section {
        title: "Static chain (figure 6)".into(),
        about: ABOUT.into(),
        commands: vec![
            "hummingbird-dataplane run --chain g-chain.yaml --port lan=trace:static.pcap --port wan=null"
                .into(),
        ],
        tables: vec![table],
        charts: vec![Chart {
            file: "static.svg".into(),
            title: "IPsec → NIDS → Router".into(),
            x: "frame, bytes".into(),
            y: "Gbit/s per CPU second".into(),
            series: curves.into_iter().map(|(name, points)| Series { name: name.into(), points }).collect(),
            ..Chart::default()
        }],
        targets: vec![],
    })
}
