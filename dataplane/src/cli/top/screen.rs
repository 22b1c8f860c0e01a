//! What the screen says, without how it looks: a pure function of one or two
//! samples.

use std::collections::BTreeMap;

use super::{
    figures::{Figures, span},
    sample::{Latency, Sample},
};

/// The whole screen.
#[derive(Debug, PartialEq, Eq)]
pub struct Screen {
    /// What runs.
    pub head: Vec<String>,
    /// Ports, functions, classes, drops.
    pub sheets: Vec<Sheet>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// One table: the first column is a name, the others are figures.
#[derive(Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Its columns' names; the first is its own.
    pub columns: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// Turns counts into rates, or leaves them where there is no earlier sample.
struct Scale {
    /// Seconds from the earlier sample, where there is one.
    elapsed: Option<f64>,
    figures: Figures,
}

impl Scale {
    fn new(now: &Sample, before: Option<&Sample>, figures: Figures) -> Self {
        // The process tells both times, so that no delay on the way counts.
        // After a restart, time and counts begin anew.
        let elapsed = before.map(|before| now.uptime_seconds - before.uptime_seconds);
        Self { elapsed: elapsed.filter(|elapsed| *elapsed > 0.0), figures }
    }

    fn count(&self, now: u64, before: Option<u64>) -> String {
        let value = match self.elapsed {
            Some(elapsed) => now.saturating_sub(before.unwrap_or(0)) as f64 / elapsed,
            None => now as f64,
        };
        self.figures.write(value)
    }

    /// Bits a second where there is a rate, else bytes.
    fn size(&self, now: u64, before: Option<u64>) -> String {
        let bits = if self.elapsed.is_some() { 8 } else { 1 };
        self.count(now * bits, before.map(|before| before * bits))
    }

    fn latency(&self, Latency { p50, p99 }: Latency) -> [String; 2] {
        [p50, p99].map(|value| self.figures.latency(value))
    }

    fn columns<const N: usize>(
        &self,
        rates: [&'static str; N],
        totals: [&'static str; N],
    ) -> Vec<&'static str> {
        if self.elapsed.is_some() { rates.into() } else { totals.into() }
    }
}

fn total(drops: &BTreeMap<String, u64>) -> u64 {
    drops.values().sum()
}

impl Screen {
    /// Rates between `before` and `now`, or totals without `before`.
    pub fn new(now: &Sample, before: Option<&Sample>, figures: Figures) -> Self {
        let scale = Scale::new(now, before, figures);
        let before = before.filter(|_| scale.elapsed.is_some());
        let head = vec![
            format!(
                "{}  generation {}  up {}  SA state {}  in flight {}",
                now.chain,
                now.generation,
                span(now.uptime_seconds),
                now.sa_state,
                now.in_flight
            ),
            format!("GPU {}", now.device),
        ];
        let sheets = vec![
            ports(&scale, now, before),
            functions(&scale, now, before),
            classes(&scale, now, before),
            drops(&scale, now, before),
        ];
        Self { head, sheets, warnings: now.warnings.clone() }
    }
}

fn ports(scale: &Scale, now: &Sample, before: Option<&Sample>) -> Sheet {
    let rows = now.ports.iter().map(|(name, port)| {
        let was = before.and_then(|before| before.ports.get(name));
        vec![
            name.clone(),
            scale.count(port.rx.packets, was.map(|was| was.rx.packets)),
            scale.size(port.rx.bytes, was.map(|was| was.rx.bytes)),
            scale.count(port.tx.packets, was.map(|was| was.tx.packets)),
            scale.size(port.tx.bytes, was.map(|was| was.tx.bytes)),
        ]
    });
    let columns = scale.columns(
        ["PORT", "rx pps", "rx bit/s", "tx pps", "tx bit/s"],
        ["PORT", "rx packets", "rx bytes", "tx packets", "tx bytes"],
    );
    Sheet { columns, rows: rows.collect() }
}

fn functions(scale: &Scale, now: &Sample, before: Option<&Sample>) -> Sheet {
    let rows = now.functions.iter().map(|(name, function)| {
        let was = before.and_then(|before| before.functions.get(name));
        let [p50, p99] = scale.latency(function.latency_us);
        let rows = match function.rows_limit {
            0 => "-".into(),
            limit => format!("{}/{limit}", function.rows_out),
        };
        vec![
            name.clone(),
            format!("{} x{}", function.compute, function.units),
            scale.count(function.traffic.packets, was.map(|was| was.traffic.packets)),
            p50,
            p99,
            scale.figures.write(function.waiting as f64),
            rows,
            scale.count(total(&function.drops), was.map(|was| total(&was.drops))),
        ]
    });
    let columns = scale.columns(
        ["FUNCTION", "runs on", "pps", "p50 us", "p99 us", "waiting", "rows", "drops/s"],
        ["FUNCTION", "runs on", "packets", "p50 us", "p99 us", "waiting", "rows", "drops"],
    );
    Sheet { columns, rows: rows.collect() }
}

fn classes(scale: &Scale, now: &Sample, before: Option<&Sample>) -> Sheet {
    let rows = now.classes.iter().map(|(name, class)| {
        let was = before.and_then(|before| before.classes.get(name));
        let [p50, p99] = scale.latency(class.latency_us);
        vec![
            name.clone(),
            scale.count(class.traffic.packets, was.map(|was| was.traffic.packets)),
            scale.size(class.traffic.bytes, was.map(|was| was.traffic.bytes)),
            p50,
            p99,
            scale.count(total(&class.drops), was.map(|was| total(&was.drops))),
        ]
    });
    let columns = scale.columns(
        ["CLASS", "pps", "bit/s", "p50 us", "p99 us", "drops/s"],
        ["CLASS", "packets", "bytes", "p50 us", "p99 us", "drops"],
    );
    Sheet { columns, rows: rows.collect() }
}

/// Reasons that occurred, the most frequent first.
fn drops(scale: &Scale, now: &Sample, before: Option<&Sample>) -> Sheet {
    let mut occurred: Vec<_> = now.drops.iter().filter(|(_, packets)| **packets > 0).collect();
    occurred.sort_by_key(|(_, packets)| std::cmp::Reverse(**packets));
    let rows = occurred.into_iter().map(|(reason, packets)| {
        let all = scale.figures.write(*packets as f64);
        match before {
            Some(before) => {
                vec![reason.clone(), scale.count(*packets, before.drops.get(reason).copied()), all]
            }
            None => vec![reason.clone(), all],
        }
    });
    let rows = rows.collect();
    let columns = if before.is_some() { vec!["DROPS", "drops/s", "total"] } else { vec!["DROPS", "total"] };
    Sheet { columns, rows }
}
