//! The report for Prometheus (OpenMetrics text). [`METRICS`] is the whole list;
//! `docs/metrics.md` explains each, and a test holds the two equal.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};

use crate::report::{FunctionReport, Latency, Report};

/// What [`encode`] writes.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a metric's value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; `_total` is added to its name.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1: its labels say it; `_info` is added to its name.
    Info,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, without a suffix of its kind.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it is, a sentence without its full stop.
    pub help: &'static str,
    samples: fn(&Report, &mut Samples),
}

impl Kind {
    /// As in a `# TYPE` line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Info => "info",
        }
    }
}

/// Values with those of their labels.
struct Samples(Vec<(Vec<String>, Value)>);

enum Value {
    Count(u64),
    Level(f64),
}

impl Samples {
    fn count(&mut self, labels: &[&str], value: u64) {
        self.0.push((labels.iter().map(|label| (*label).into()).collect(), Value::Count(value)));
    }

    fn level(&mut self, labels: &[&str], value: f64) {
        self.0.push((labels.iter().map(|label| (*label).into()).collect(), Value::Level(value)));
    }

    fn quantiles(&mut self, labels: &[&str], Latency { p50, p99, p999 }: Latency) {
        for (quantile, value) in [("0.5", p50), ("0.99", p99), ("0.999", p999)] {
            self.level(&[labels, &[quantile]].concat(), value);
        }
    }
}

/// Calls `each` for every function with its labels.
fn functions(report: &Report, mut each: impl FnMut(&[&str], &FunctionReport)) {
    for (name, function) in &report.functions {
        each(&[name, function.compute], function);
    }
}

const PORT: &[&str] = &["port"];
const FUNCTION: &[&str] = &["function", "compute"];
const CLASS: &[&str] = &["class"];
const SA: &[&str] = &["sa"];

/// Every metric there is.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "hummingbird_build",
        kind: Kind::Info,
        labels: &["version"],
        help: "The release that runs",
        samples: |_, to| to.count(&[env!("CARGO_PKG_VERSION")], 1),
    },
    Metric {
        name: "hummingbird_chain",
        kind: Kind::Info,
        labels: &["chain", "device", "sa_state"],
        help: "The chain that runs, its accelerator, and whether SA state outlives the process",
        samples: |report, to| to.count(&[&report.chain, &report.device, report.sa_state], 1),
    },
    Metric {
        name: "hummingbird_uptime_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "Time since the chain started",
        samples: |report, to| to.level(&[], report.uptime_seconds),
    },
    Metric {
        name: "hummingbird_generation",
        kind: Kind::Gauge,
        labels: &[],
        help: "Generation that new packets are classified in",
        samples: |report, to| to.level(&[], report.generation as f64),
    },
    Metric {
        name: "hummingbird_warnings",
        kind: Kind::Gauge,
        labels: &[],
        help: "Warnings in the report of now",
        samples: |report, to| to.level(&[], report.warnings.len() as f64),
    },
    Metric {
        name: "hummingbird_port_receive_packets",
        kind: Kind::Counter,
        labels: PORT,
        help: "Packets received",
        samples: |report, to| report.ports.iter().for_each(|(name, port)| to.count(&[name], port.rx.packets)),
    },
    Metric {
        name: "hummingbird_port_receive_bytes",
        kind: Kind::Counter,
        labels: PORT,
        help: "Bytes received, Ethernet header included, FCS not",
        samples: |report, to| report.ports.iter().for_each(|(name, port)| to.count(&[name], port.rx.bytes)),
    },
    Metric {
        name: "hummingbird_port_transmit_packets",
        kind: Kind::Counter,
        labels: PORT,
        help: "Packets sent",
        samples: |report, to| report.ports.iter().for_each(|(name, port)| to.count(&[name], port.tx.packets)),
    },
    Metric {
        name: "hummingbird_port_transmit_bytes",
        kind: Kind::Counter,
        labels: PORT,
        help: "Bytes sent, Ethernet header included, FCS not",
        samples: |report, to| report.ports.iter().for_each(|(name, port)| to.count(&[name], port.tx.bytes)),
    },
    Metric {
        name: "hummingbird_dropped_packets",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Packets dropped anywhere in the chain",
        samples: |report, to| report.drops.iter().for_each(|(reason, packets)| to.count(&[reason], *packets)),
    },
    Metric {
        name: "hummingbird_in_flight_packets",
        kind: Kind::Gauge,
        labels: &[],
        help: "Packets that were admitted and have not left yet",
        samples: |report, to| to.level(&[], report.in_flight as f64),
    },
    Metric {
        name: "hummingbird_outside_shared_region_packets",
        kind: Kind::Counter,
        labels: &[],
        help: "Packets whose data lay outside the memory that NIC, CPU and GPU share; always 0",
        samples: |report, to| to.count(&[], report.memory.packets_outside_shared_region),
    },
    Metric {
        name: "hummingbird_function_units",
        kind: Kind::Gauge,
        labels: FUNCTION,
        help: "Instances on the CPU, or workgroups on the GPU",
        samples: |report, to| functions(report, |labels, one| to.level(labels, f64::from(one.units))),
    },
    Metric {
        name: "hummingbird_function_packets",
        kind: Kind::Counter,
        labels: FUNCTION,
        help: "Packets that went into the function",
        samples: |report, to| functions(report, |labels, one| to.count(labels, one.packets)),
    },
    Metric {
        name: "hummingbird_function_bytes",
        kind: Kind::Counter,
        labels: FUNCTION,
        help: "Bytes of the packets that went into the function",
        samples: |report, to| functions(report, |labels, one| to.count(labels, one.bytes)),
    },
    Metric {
        name: "hummingbird_function_dropped_packets",
        kind: Kind::Counter,
        labels: &["function", "compute", "reason"],
        help: "Packets that the function dropped; only reasons that occurred",
        samples: |report, to| {
            functions(report, |labels, one| {
                one.drops
                    .iter()
                    .for_each(|(reason, packets)| to.count(&[labels, &[reason]].concat(), *packets));
            });
        },
    },
    Metric {
        name: "hummingbird_function_latency_microseconds",
        kind: Kind::Gauge,
        labels: &["function", "compute", "quantile"],
        help: "Latency from a packet's arrival at the function to its departure, since the start",
        samples: |report, to| functions(report, |labels, one| to.quantiles(labels, one.latency_us)),
    },
    Metric {
        name: "hummingbird_function_waiting_packets",
        kind: Kind::Gauge,
        labels: FUNCTION,
        help: "Packets at the function now: queued, in rows, at work",
        samples: |report, to| functions(report, |labels, one| to.level(labels, one.waiting as f64)),
    },
    Metric {
        name: "hummingbird_function_rows_out",
        kind: Kind::Gauge,
        labels: FUNCTION,
        help: "Rows that the function's workgroups hold now; 0 on the CPU",
        samples: |report, to| functions(report, |labels, one| to.level(labels, one.rows_out as f64)),
    },
    Metric {
        name: "hummingbird_function_rows_limit",
        kind: Kind::Gauge,
        labels: FUNCTION,
        help: "Rows that the function's workgroups can hold; 0 on the CPU",
        samples: |report, to| functions(report, |labels, one| to.level(labels, one.rows_limit as f64)),
    },
    Metric {
        name: "hummingbird_class_packets",
        kind: Kind::Counter,
        labels: CLASS,
        help: "Packets classified in the class",
        samples: |report, to| report.classes.iter().for_each(|(name, one)| to.count(&[name], one.packets)),
    },
    Metric {
        name: "hummingbird_class_bytes",
        kind: Kind::Counter,
        labels: CLASS,
        help: "Bytes of the packets classified in the class",
        samples: |report, to| report.classes.iter().for_each(|(name, one)| to.count(&[name], one.bytes)),
    },
    Metric {
        name: "hummingbird_class_dropped_packets",
        kind: Kind::Counter,
        labels: &["class", "reason"],
        help: "Packets of the class that were dropped; only reasons that occurred",
        samples: |report, to| {
            for (name, one) in &report.classes {
                one.drops.iter().for_each(|(reason, packets)| to.count(&[name, reason], *packets));
            }
        },
    },
    Metric {
        name: "hummingbird_class_latency_microseconds",
        kind: Kind::Gauge,
        labels: &["class", "quantile"],
        help: "Latency from receive to send, since the start",
        samples: |report, to| {
            report.classes.iter().for_each(|(name, one)| to.quantiles(&[name], one.latency_us));
        },
    },
    Metric {
        name: "hummingbird_alerts_lost",
        kind: Kind::Counter,
        labels: &[],
        help: "Alerts that the alert log could not take in time",
        samples: |report, to| to.count(&[], report.alerts.lost),
    },
    Metric {
        name: "hummingbird_packet_memory_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Memory for packets",
        samples: |report, to| to.level(&[], report.memory.packet_bytes as f64),
    },
    Metric {
        name: "hummingbird_table_memory_bytes",
        kind: Kind::Gauge,
        labels: &[],
        help: "Table memory in use on the accelerator",
        samples: |report, to| to.level(&[], report.memory.table_bytes as f64),
    },
    Metric {
        name: "hummingbird_sa_numbers_used",
        kind: Kind::Gauge,
        labels: SA,
        help: "Last sequence number that an encrypting SA gave",
        samples: |report, to| {
            report.security_associations.iter().for_each(|sa| to.level(&[&sa.identity], sa.last as f64));
        },
    },
    Metric {
        name: "hummingbird_sa_numbers_limit",
        kind: Kind::Gauge,
        labels: SA,
        help: "Last sequence number that there is for an encrypting SA",
        samples: |report, to| {
            report.security_associations.iter().for_each(|sa| to.level(&[&sa.identity], sa.limit as f64));
        },
    },
];

/// A report as [`MEDIA_TYPE`].
///
/// # Errors
/// It cannot be written as text.
pub fn encode(report: Report) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(report)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape(Report);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in METRICS {
            let mut samples = Samples(Vec::new());
            (metric.samples)(&self.0, &mut samples);
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Info => MetricType::Info,
            };
            let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            for (values, value) in &samples.0 {
                let labels: Vec<_> =
                    metric.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
                if metric.kind == Kind::Info {
                    family.encode_info(&labels)?;
                } else if labels.is_empty() {
                    value.encode(&mut family)?;
                } else {
                    value.encode(&mut family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, to: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Count(value) => to.encode_counter::<NoLabelSet, _, u64>(value, None),
            Self::Level(value) => to.encode_gauge(value),
        }
    }
}
