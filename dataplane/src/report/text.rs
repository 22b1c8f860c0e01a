//! The report for people.

use std::{collections::BTreeMap, fmt};

use super::{Latency, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "chain {}, generation {}, device {}, SA state {}",
            self.chain, self.generation, self.device, self.sa_state
        )?;
        writeln!(
            f,
            "\n{:<16}{:>12}{:>14}{:>12}{:>14}",
            "port", "rx packets", "rx bytes", "tx packets", "tx bytes"
        )?;
        for (name, port) in &self.ports {
            writeln!(
                f,
                "{name:<16}{:>12}{:>14}{:>12}{:>14}",
                port.rx.packets, port.rx.bytes, port.tx.packets, port.tx.bytes
            )?;
        }
        passage_head(f, "function")?;
        for (name, function) in &self.functions {
            let place = format!("{} x{}", function.compute, function.units);
            passage(f, name, &place, function.packets, function.bytes, function.latency_us, &function.drops)?;
        }
        passage_head(f, "class")?;
        for (name, class) in &self.classes {
            passage(f, name, "", class.packets, class.bytes, class.latency_us, &class.drops)?;
        }
        let dropped: u64 = self.drops.values().sum();
        writeln!(f, "\nreceived {}, sent {}, dropped {dropped}", self.rx.packets, self.tx.packets)?;
        for (reason, packets) in self.drops.iter().filter(|(_, packets)| **packets > 0) {
            writeln!(f, "  {reason:<28}{packets:>12}")?;
        }
        writeln!(
            f,
            "packets outside shared memory {}, mbufs leaked {}, alerts lost {}",
            self.memory.packets_outside_shared_region, self.mbufs.leaked, self.alerts.lost
        )?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

fn passage_head(f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
    writeln!(
        f,
        "\n{what:<16}{:<8}{:>10}{:>12}{:>10}{:>10}{:>10}  drops",
        "runs on", "packets", "bytes", "p50 us", "p99 us", "p99.9 us"
    )
}

fn passage(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    place: &str,
    packets: u64,
    bytes: u64,
    Latency { p50, p99, p999 }: Latency,
    drops: &BTreeMap<&str, u64>,
) -> fmt::Result {
    write!(f, "{name:<16}{place:<8}{packets:>10}{bytes:>12}{p50:>10.1}{p99:>10.1}{p999:>10.1}  ")?;
    if drops.is_empty() {
        return writeln!(f, "-");
    }
    let drops: Vec<_> = drops.iter().map(|(reason, packets)| format!("{reason} {packets}")).collect();
    writeln!(f, "{}", drops.join(", "))
}
