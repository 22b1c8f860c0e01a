//! The paper's figure 4: CPUSyncers and mDPDK cores.

use crate::{
    harness::{
        Context,
        chain::{Chain, On},
        child::{Asked, per_cpu_second},
        compare::interleave,
        document::{Section, Table, figure, spread},
        say, traffic,
    },
    static_chain::example_rules,
};

const ABOUT: &str = "\
The paper's section V-C: x CPUSyncers and y I/O roles (`--syncers`, `--io-roles`), named cXdY, each against c1d1.
*1 NF*: IPsec on two workgroups; *2 NFs*: IPsec and NIDS with two each. Thousand packets per CPU second of the whole
process, kernels included. The roles share this machine's few cores, so what is seen is what more roles *cost*;
what they gain needs as many cores as roles.";

const CONFIGURATIONS: [(&str, &str, &str); 3] = [("c1d2", "1", "2"), ("c2d1", "2", "1"), ("c2d2", "2", "2")];

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let one = Chain::default().ipsec(On::Gpu(2)).class("all", "0.0.0.0/0", &["ipsec"]);
    let two = Chain::default().ipsec(On::Gpu(2)).nids(On::Gpu(2), example_rules(context)).class(
        "all",
        "0.0.0.0/0",
        &["ipsec", "nids"],
    );
    let chains = [("1 NF", one.write(context, "one")?), ("2 NFs", two.write(context, "two")?)];
    let mut table =
        Table::new(["GPU functions, frame", "configuration", "it", "c1d1", "ratio (least … most)"]);
    let trace = context.scratch.join("syncers.pcap");
    for &size in context.pick(&[64, 1400][..], &[64]) {
        traffic::write_pcap(&trace, &traffic::mix(size, 1.0, [10, 2, 1, 1], [10, 2, 1, 1]))?;
        for (name, chain) in &chains {
            say(format!("{name}, {size} bytes"));
            let rate = |syncers: &str, roles: &str| {
                let arguments = [format!("--syncers={syncers}"), format!("--io-roles={roles}")];
                let arguments = [&*arguments[0], &*arguments[1]];
                let seconds = context.pick(1.5, 1.0);
                let asked = Asked { chain, trace: &trace, rate: None, seconds, arguments: &arguments };
                per_cpu_second(context, &asked).map(|rate| rate / 1e3)
            };
            for (configuration, syncers, roles) in CONFIGURATIONS {
                let comparison = interleave(context.pick(3, 1), || rate(syncers, roles), || rate("1", "1"))?;
                table.row([
                    format!("{name}, {size} B"),
                    configuration.into(),
                    figure(comparison.ours().median),
                    figure(comparison.peer().median),
                    spread(comparison.ratio()),
                ]);
            }
        }
    }
    Ok(Section {
        title: "CPUSyncers and I/O roles (figure 4)".into(),
        about: ABOUT.into(),
        commands: vec![
            "hummingbird-dataplane run --chain two.yaml --port lan=trace:syncers.pcap --port wan=null --syncers 2 --io-roles 2".into(),
        ],
        tables: vec![table],
        ..Section::default()
    })
}
