//! The report: what `--report` writes and the control socket answers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use histogram::Histogram;
use hummingbird_crds::{DropReason, tables::Compute};
use serde::Serialize;

use super::{
    CoreCounters, Counter,
    counters::{Passage, Residence, Traffic},
};
use crate::tables::View;

/// Everything that happened, all fields always there.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The chain's `namespace/name`.
    pub chain: String,
    /// The generation that new packets are classified in.
    pub generation: u64,
    /// The accelerator, or `none`.
    pub device: String,
    /// `volatile`, or `durable` with `--state`.
    pub sa_state: &'static str,
    /// Seconds since the chain started.
    pub uptime_seconds: f64,
    /// Packets that were admitted and have not left yet.
    pub in_flight: u64,
    /// Received, all ports.
    pub rx: TrafficReport,
    /// Sent, all ports.
    pub tx: TrafficReport,
    /// By port.
    pub ports: BTreeMap<String, PortReport>,
    /// Packets dropped, by reason; every reason is there.
    pub drops: BTreeMap<&'static str, u64>,
    /// By function.
    pub functions: BTreeMap<String, FunctionReport>,
    /// By the class that packets were classified in.
    pub classes: BTreeMap<String, ClassReport>,
    /// Shared memory.
    #[serde(rename = "memory")]
    pub memory: MemoryReport,
    /// Packet buffers.
    pub mbufs: MbufReport,
    /// The alert log.
    pub alerts: AlertReport,
    /// Security associations that encrypt: how much of their number space is used.
    pub security_associations: Vec<SaReport>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// Packets and bytes of frames.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct TrafficReport {
    /// Packets.
    pub packets: u64,
    /// Bytes, Ethernet header included, FCS not.
    pub bytes: u64,
}

/// A port's traffic.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PortReport {
    /// Received.
    pub rx: TrafficReport,
    /// Sent.
    pub tx: TrafficReport,
}

/// A function's work.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionReport {
    /// Where it runs: `CPU` or `GPU`.
    pub compute: &'static str,
    /// Its instances (CPU) or workgroups (GPU).
    pub units: u16,
    /// Packets that went in.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that it dropped, by reason; only reasons that occurred.
    pub drops: BTreeMap<&'static str, u64>,
    /// From a packet's arrival there to its departure.
    pub latency_us: Latency,
    /// Packets there now: queued, in rows, at work.
    pub waiting: u64,
    /// Rows that its workgroups hold now; 0 on the CPU.
    pub rows_out: u64,
    /// Rows that its workgroups can hold; 0 on the CPU.
    pub rows_limit: u64,
}

/// A class's traffic.
#[derive(Clone, Debug, Serialize)]
pub struct ClassReport {
    /// Packets classified in it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets of it that were dropped, by reason; only reasons that occurred.
    pub drops: BTreeMap<&'static str, u64>,
    /// From receive to send.
    pub latency_us: Latency,
}

/// Percentiles in microseconds; 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// Half were at most this.
    pub p50: f64,
    /// 99 in 100.
    pub p99: f64,
    /// 999 in 1000.
    pub p999: f64,
}

/// The zero-copy proof.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MemoryReport {
    /// Packets whose data lay outside the memory that NIC, CPU and GPU share: 0.
    pub packets_outside_shared_region: u64,
    /// Bytes of packet memory.
    pub packet_bytes: u64,
    /// Bytes of table memory in use, of the GPU's tables.
    pub table_bytes: u64,
}

/// Packet buffers.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MbufReport {
    /// Not back in the pool after the end: 0. While the chain runs, always 0.
    pub leaked: u64,
    /// Held by the kernel's rings of AF_XDP ports, whose driver does not give
    /// them back one by one when it closes.
    pub in_kernel_rings: u64,
}

/// The alert log.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct AlertReport {
    /// Alerts that the log could not take in time.
    pub lost: u64,
}

/// How much of an SA's numbers is used.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SaReport {
    /// Direction, SPI, destination and key fingerprint.
    pub identity: String,
    /// Last sequence number that was given.
    pub last: u64,
    /// Last that there is.
    pub limit: u64,
    /// Three quarters are used: it is time for new keys.
    pub nearly_exhausted: bool,
}

/// What a report says beside the counters.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The accelerator, or `none`.
    pub device: String,
    /// Whether SA state outlives the process.
    pub sa_state: &'static str,
    /// Since the chain started.
    pub uptime: Duration,
    /// Rows that a workgroup can hold.
    pub row_depth: u16,
    /// Bytes of packet memory.
    pub packet_bytes: u64,
    /// Bytes of table memory in use.
    pub table_bytes: u64,
    /// Encrypt SAs.
    pub security_associations: Vec<SaReport>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

impl Report {
    /// Adds up the counters of all cores.
    #[must_use]
    pub fn new(view: &View, cores: &[Arc<CoreCounters>], facts: RunFacts) -> Self {
        let (tables, roster) = (&view.current().tables, &view.roster);
        let traffic = |pick: &dyn Fn(&CoreCounters) -> &Traffic| {
            cores.iter().fold(TrafficReport::default(), |sum, core| sum.and(pick(core)))
        };
        let count =
            |pick: &dyn Fn(&CoreCounters) -> &Counter| cores.iter().map(|core| pick(core).get()).sum();
        let ports: BTreeMap<_, _> = (0..tables.ports.len())
            .map(|port| {
                let report =
                    PortReport { rx: traffic(&|core| &core.rx[port]), tx: traffic(&|core| &core.tx[port]) };
                (tables.ports[port].name.clone(), report)
            })
            .collect();
        let total = |pick: fn(&PortReport) -> TrafficReport| {
            ports.values().map(pick).fold(TrafficReport::default(), |a, b| TrafficReport {
                packets: a.packets + b.packets,
                bytes: a.bytes + b.bytes,
            })
        };
        let functions = roster.functions.iter().enumerate().map(|(slot, function)| {
            let passages: Vec<_> = cores.iter().map(|core| &core.functions[slot]).collect();
            let (compute, units, rows_limit) = match function.compute {
                Compute::Cpu { cores } => ("CPU", cores, 0),
                Compute::Gpu { workgroups } => {
                    ("GPU", workgroups, u64::from(workgroups) * u64::from(facts.row_depth))
                }
            };
            // What left is read before what came, so that no difference is negative.
            let latencies = latencies(&passages);
            let left = latencies.as_ref().map_or(0, |all| all.as_slice().iter().sum());
            let harvested: u64 = count(&|core| &core.functions[slot].rows_harvested);
            let TrafficReport { packets, bytes } = traffic(&|core| &core.functions[slot].traffic);
            let report = FunctionReport {
                compute,
                units,
                packets,
                bytes,
                drops: drops(&passages),
                latency_us: Latency::of(latencies.as_ref()),
                waiting: packets.saturating_sub(left),
                rows_out: count(&|core| &core.functions[slot].rows_published).saturating_sub(harvested),
                rows_limit,
            };
            (function.name.clone(), report)
        });
        let classes = roster.classes.iter().enumerate().map(|(index, class)| {
            let passages: Vec<_> = cores.iter().map(|core| &core.classes[index]).collect();
            let TrafficReport { packets, bytes } = traffic(&|core| &core.classes[index].traffic);
            let (drops, latency_us) = (drops(&passages), Latency::of(latencies(&passages).as_ref()));
            (class.clone(), ClassReport { packets, bytes, drops, latency_us })
        });
        let retired = sum(cores, |one| &one.retired);
        let in_flight = sum(cores, |one| &one.admitted).saturating_sub(retired);
        Self {
            chain: tables.chain.clone(),
            generation: tables.generation.0,
            device: facts.device,
            sa_state: facts.sa_state,
            uptime_seconds: facts.uptime.as_secs_f64(),
            in_flight,
            rx: total(|port| port.rx),
            tx: total(|port| port.tx),
            drops: DropReason::ALL
                .iter()
                .map(|reason| (reason.as_str(), count(&|core| &core.drops[reason.index()])))
                .collect(),
            functions: functions.collect(),
            classes: classes.collect(),
            ports,
            memory: MemoryReport {
                packets_outside_shared_region: count(&|core| &core.outside),
                packet_bytes: facts.packet_bytes,
                table_bytes: facts.table_bytes,
            },
            mbufs: MbufReport::default(),
            alerts: AlertReport { lost: count(&|core| &core.alerts_lost) },
            security_associations: facts.security_associations,
            warnings: facts.warnings,
        }
    }
}

impl TrafficReport {
    fn and(self, traffic: &Traffic) -> Self {
        Self { packets: self.packets + traffic.packets.get(), bytes: self.bytes + traffic.bytes.get() }
    }
}

fn drops(passages: &[&Passage]) -> BTreeMap<&'static str, u64> {
    DropReason::ALL
        .iter()
        .map(|reason| {
            let packets = passages.iter().map(|passage| passage.drops[reason.index()].get()).sum();
            (reason.as_str(), packets)
        })
        .filter(|(_, packets)| *packets > 0)
        .collect()
}

/// The latencies of all cores.
fn latencies(passages: &[&Passage]) -> Option<Histogram> {
    passages.iter().fold(None, |all, passage| {
        let one = passage.latency.load();
        match all {
            None => Some(one),
            Some(sum) => sum.checked_add(&one).ok().or(Some(one)),
        }
    })
}

/// Packets of all generations that came or went.
fn sum(cores: &[Arc<CoreCounters>], pick: impl Fn(&Residence) -> &Counter) -> u64 {
    cores.iter().flat_map(|core| &core.generations).map(|one| pick(one).get()).sum()
}

impl Latency {
    /// The percentiles of latencies in nanoseconds.
    fn of(all: Option<&Histogram>) -> Self {
        let at = |quantile| {
            let bucket = all.and_then(|all| all.quantile_bucket(quantile).ok().flatten());
            bucket.map_or(0.0, |bucket| bucket.end() as f64 / 1000.0)
        };
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

#[cfg(test)]
mod tests {
    use hummingbird_crds::tables::Egress;
    use serde_json::Value;

    use super::*;
    use crate::{
        forward::Wiring,
        report::Shape,
        tables::{LiveTables, Roster, Slot},
        testing,
    };

    fn report(count: impl FnOnce(&[Arc<CoreCounters>])) -> Report {
        let functions = [Compute::Cpu { cores: 2 }, Compute::Gpu { workgroups: 3 }];
        let tables = testing::tables(2, &functions, &[(&[0, 1], Egress::Opposite)]);
        let mut roster = Roster::default();
        tables.functions.iter().for_each(|function| assert!(roster.function(function).is_ok()));
        tables.classes.iter().for_each(|class| assert!(roster.class(class).is_ok()));
        let live = Arc::new(LiveTables { tables, functions: Vec::new(), classes: vec![0] });
        let view = View {
            epoch: 0,
            current: Slot(0),
            tables: std::array::from_fn(|slot| (slot == 0).then(|| Arc::clone(&live))),
            wiring: Arc::new(Wiring { stations: Vec::new(), ports: Vec::new() }),
            roster: Arc::new(roster),
        };
        let cores = [(); 2].map(|()| Arc::new(CoreCounters::new(Shape { io: 1, ports: 2 })));
        count(&cores);
        let facts = RunFacts {
            device: "none".into(),
            sa_state: "volatile",
            uptime: Duration::from_secs(1),
            row_depth: 4,
            packet_bytes: 0,
            table_bytes: 0,
            security_associations: Vec::new(),
            warnings: Vec::new(),
        };
        Report::new(&view, &cores, facts)
    }

    #[test]
    fn every_field_of_the_contract_is_a_number_also_when_nothing_happened() {
        let json = serde_json::to_value(report(|_| {})).unwrap();
        let mut fields: Vec<String> = ["/rx", "/tx", "/ports/port-0/rx", "/ports/port-1/tx"]
            .iter()
            .chain(&["/functions/nf-0", "/functions/nf-1", "/classes/class-0"])
            .flat_map(|place| ["packets", "bytes"].map(|field| format!("{place}/{field}")))
            .collect();
        fields.extend(["p50", "p99", "p999"].map(|field| format!("/functions/nf-1/latency_us/{field}")));
        fields.extend(DropReason::ALL.iter().map(|reason| format!("/drops/{}", reason.as_str())));
        fields.extend(["/memory/packets_outside_shared_region".into(), "/mbufs/leaked".into()]);
        for field in fields {
            let value = json.pointer(&field).and_then(Value::as_f64);
            assert_eq!(value, Some(0.0), "{field}");
        }
        assert_eq!(json["generation"], 1);
        assert_eq!(json["functions"]["nf-0"]["compute"], "CPU");
        assert_eq!(json["functions"]["nf-1"]["compute"], "GPU");
    }

    #[test]
    fn cores_are_added_up() {
        let report = report(|cores| {
            for core in cores {
                core.rx[0].count(100);
                core.rx[1].count(60);
                core.tx[1].count(90);
                core.drops[DropReason::NoRoute.index()].add(1);
                core.functions[1].drops[DropReason::NoRoute.index()].add(1);
                core.functions[1].traffic.count(100);
                core.classes[0].traffic.count(100);
                core.outside.add(2);
                for nanoseconds in 1..=1000 {
                    core.classes[0].record(nanoseconds * 1000);
                }
            }
        });
        assert_eq!((report.rx.packets, report.rx.bytes), (4, 320));
        assert_eq!((report.ports["port-0"].rx.packets, report.ports["port-0"].tx.packets), (2, 0));
        assert_eq!((report.tx.packets, report.tx.bytes), (2, 180));
        assert_eq!(report.drops["no_route"], 2);
        assert_eq!(report.functions["nf-1"].drops["no_route"], 2);
        assert!(report.functions["nf-0"].drops.is_empty());
        assert_eq!(report.memory.packets_outside_shared_region, 4);
        let Latency { p50, p99, p999 } = report.classes["class-0"].latency_us;
        for (measured, exact) in [(p50, 500.0), (p99, 990.0), (p999, 999.0)] {
            assert!((measured - exact).abs() <= exact * 0.04, "{measured} is about {exact}");
        }
    }

    #[test]
    fn the_text_says_what_was_lost_and_nothing_of_what_did_not_happen() {
        let quiet = report(|_| {}).to_string();
        assert!(quiet.contains("chain default/test, generation 1, device none"));
        assert!(quiet.contains("received 0, sent 0, dropped 0"));
        assert!(DropReason::ALL.iter().all(|reason| !quiet.contains(reason.as_str())), "{quiet}");
        let text = report(|cores| {
            cores[1].rx[0].count(100);
            cores[1].drops[DropReason::TtlExpired.index()].add(1);
            cores[0].functions[0].drops[DropReason::TtlExpired.index()].add(1);
        })
        .to_string();
        assert!(text.contains("received 1, sent 0, dropped 1"), "{text}");
        let of_function = text.lines().find(|line| line.starts_with("nf-0")).unwrap();
        assert!(of_function.contains("CPU x2") && of_function.ends_with("ttl_expired 1"), "{of_function}");
    }
}
