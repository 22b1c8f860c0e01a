//! Latency of each function and of the whole chain at half load.

use crate::{
    harness::{
        Context,
        chain::{Chain, On},
        child::{Asked, Run, dataplane},
        document::{Section, Table, figure},
        say, traffic,
    },
    static_chain::example_rules,
};

const ABOUT: &str = "\
IPsec → NIDS → Router at half of the rate that the chain carried just before, as the run's own report has it, in
microseconds: a function's from a packet's arrival there to its departure, the chain's from receive to send. With
the GPU's functions on PoCL and on CPU cores (`--gpu none`) in one run. A function on the GPU waits for a row to
fill or for `maxRowDelayMicroseconds`, and both share this machine's cores with the kernels: the tail is the
scheduler's.";

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let chain = Chain::default()
        .ipsec(On::Gpu(1))
        .nids(On::Gpu(1), example_rules(context))
        .router()
        .class("all", "0.0.0.0/0", &["ipsec", "nids", "router"])
        .write(context, "latency")?;
    let mut table = Table::new(["what", "on", "rate, kpps", "p50, µs", "p99", "p99.9"]);
    let size = 512;
    let trace = context.scratch.join("latency.pcap");
    traffic::write_pcap(&trace, &traffic::mix(size, 1.0, [10, 2, 1, 1], [10, 2, 1, 1]))?;
    let seconds = context.pick(4.0, 1.5);
    for (place, argument) in [("CPU", "--gpu=none"), ("GPU (PoCL)", "--gpu=opencl")] {
        say(format!("latency, {place}"));
        let run = |rate| {
            let asked = Asked { chain: &chain, trace: &trace, rate, seconds, arguments: &[argument] };
            dataplane(context, &asked)
        };
        let full = run(None)?.sent() / seconds;
        let half = run(Some((full / 2.0) as u64))?;
        let mut row = |what: &str, on: &str, pointer: &str| {
            let [p50, p99, p999] = percentiles(&half, pointer);
            table.row([what.into(), on.into(), figure(half.sent() / seconds / 1e3), p50, p99, p999]);
        };
        row("ipsec", place, "/functions/ipsec");
        row("nids", place, "/functions/nids");
        row("router", "CPU", "/functions/router");
        row("whole chain", place, "/classes/all");
    }
    Ok(Section {
        title: "Latency at half load".into(),
        about: ABOUT.into(),
        commands: vec![
            "hummingbird-dataplane run --chain latency.yaml --port lan=trace:latency.pcap,rate=HALF --port wan=null".into(),
        ],
        tables: vec![table],
        ..Section::default()
    })
}

fn percentiles(run: &Run, pointer: &str) -> [String; 3] {
    ["p50", "p99", "p999"].map(|name| figure(run.number(&format!("{pointer}/latency_us/{name}"))))
}
