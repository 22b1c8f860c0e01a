//! `run`.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use hummingbird_crds::{Bundle, Capacity, Compiled, tables::Compute, validate};
use hummingbird_gpu::opencl::{self, DeviceChoice, OpenError};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{
    INVALID,
    bundle::{self, Read},
};
use crate::{
    control,
    engine::{Engine, EngineError, GpuChoice, Options, Signals},
    ports::PortArgument,
};

/// What `run` takes.
#[derive(Args)]
pub struct RunArguments {
    /// The bundle: NfChain, ConfigMaps and Secrets in one YAML or JSON file
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// What a port is bound to, once for each port of the chain: pcap:IN,OUT[,rate=PPS], null,
    /// trace:FILE[,rate=PPS], tap:NAME, af_packet:IF, af_xdp:IF or pci:ADDR
    #[arg(long = "port", value_name = "NAME=BINDING", required = true)]
    ports: Vec<PortArgument>,
    /// Write the report there, as JSON, when the run ends
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write alerts there, as JSON lines
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    /// Answer on this Unix socket: GET /v1/status, PUT /v1/tables, POST /v1/drain, GET /metrics
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Serve Prometheus metrics at this address, /metrics
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Keep SA state in this directory, so that it outlives the process
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// End after that long, for example 10s, 500ms or 2m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// Where GPU functions run: opencl (or opencl:NAME, opencl:INDEX), or none for the CPU
    #[arg(long, value_name = "WHERE", default_value = "opencl", value_parser = gpu)]
    gpu: Gpu,
    /// CPUs for the packet cores, one core each, pinned, for example 0-3,6; any number of roles share
    /// a core [default: as many unpinned cores as there are CPUs]
    #[arg(long, value_name = "CPUS", value_parser = cpus)]
    cores: Option<Cpus>,
    /// I/O roles (the paper's mDPDK cores), at most one for each port
    #[arg(long, value_name = "N", default_value_t = 1)]
    io_roles: usize,
    /// CPUSyncer roles, at most one for each workgroup
    #[arg(long, value_name = "N", default_value_t = 1)]
    syncers: usize,
    /// Packets in flight for each I/O role
    #[arg(long, value_name = "PACKETS", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(64..=65536))]
    in_flight: u32,
    /// Ordinary pages even where hugepages are free
    #[arg(long)]
    no_huge: bool,
    /// Table memory on the accelerator, MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4095))]
    table_memory: u16,
    /// Empty polls after which an idle workgroup leaves the device
    #[arg(long, value_name = "POLLS", default_value_t = 100_000)]
    lease_polls: u32,
    /// Workgroups that PoCL is taken to hold
    #[arg(long, value_name = "N", default_value_t = opencl::POCL_CAPACITY)]
    pocl_capacity: u16,
}

#[derive(Clone, Debug)]
enum Gpu {
    None,
    OpenCl(DeviceChoice),
}

#[derive(Clone, Debug)]
struct Cpus(Vec<usize>);

impl RunArguments {
    /// Runs the chain and reports.
    ///
    /// # Errors
    /// Whatever keeps it from starting or ends it.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let (bundle, compiled) = match bundle::read(&self.chain, Capacity::default())? {
            Read::Valid(valid) => *valid,
            Read::Invalid(errors) => {
                bundle::complain(&self.chain, &errors);
                return Ok(ExitCode::from(INVALID));
            }
        };
        bundle::warn(&self.chain, &compiled.warnings);
        for (function, report) in &compiled.rule_reports {
            tracing::info!("rules of {function}: {}", report.summary());
        }
        self.prepare(&compiled)?;
        let signals = Signals { chain: self.chain.clone(), ..Signals::default() };
        for (number, flag) in [(SIGTERM, &signals.end), (SIGINT, &signals.end), (SIGHUP, &signals.reload)] {
            signal_hook::flag::register(number, Arc::clone(flag)).context("cannot handle signals")?;
        }
        let engine = match Engine::start(compiled.tables, compiled.hash, &self.options()) {
            Ok(engine) => engine,
            Err(EngineError::OpenCl(OpenError::TooManyWorkgroups { capacity, device, .. })) => {
                return Ok(self.too_many_workgroups(&bundle, capacity, &device));
            }
            Err(error) => return Err(error.into()),
        };
        let servers = control::Servers::start(self.control.as_deref(), self.metrics, engine.operations())?;
        let outcome = engine.run(self.duration, &signals, servers);
        print!("{}", outcome.report);
        if let Some(path) = &self.report {
            let json = serde_json::to_string_pretty(&outcome.report)?;
            std::fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        }
        let reason = outcome.reason?;
        tracing::info!(?reason, "the run has ended");
        Ok(ExitCode::SUCCESS)
    }

    /// Settings that OpenCL reads once; must come before any thread.
    fn prepare(&self, compiled: &Compiled) -> anyhow::Result<()> {
        let workgroups: u16 = compiled
            .tables
            .functions
            .iter()
            .map(|function| match function.compute {
                Compute::Gpu { workgroups } => workgroups,
                Compute::Cpu { .. } => 0,
            })
            .fold(0, u16::saturating_add);
        if matches!(self.gpu, Gpu::OpenCl(_)) && workgroups > 0 {
            opencl::prepare_pocl(workgroups)?;
        }
        Ok(())
    }

    fn too_many_workgroups(&self, bundle: &Bundle, capacity: u16, device: &str) -> ExitCode {
        let judged = validate(bundle, Capacity { workgroups: Some(u32::from(capacity)) });
        bundle::complain(&self.chain, &judged.violations);
        eprintln!("error: {device} holds {capacity} workgroups");
        ExitCode::from(INVALID)
    }

    fn options(&self) -> Options {
        Options {
            ports: self.ports.clone(),
            gpu: match &self.gpu {
                Gpu::None => GpuChoice::None,
                Gpu::OpenCl(device) => {
                    GpuChoice::OpenCl { device: device.clone(), pocl_capacity: self.pocl_capacity }
                }
            },
            cpus: self.cores.as_ref().map(|cpus| cpus.0.clone()),
            io: self.io_roles,
            syncers: self.syncers,
            in_flight: self.in_flight as usize,
            no_huge: self.no_huge,
            table_bytes: usize::from(self.table_memory) << 20,
            lease_polls: self.lease_polls,
            alerts: self.alerts.clone(),
            state: self.state.clone(),
        }
    }
}

fn gpu(text: &str) -> Result<Gpu, String> {
    match text.split_once(':') {
        None if text == "none" => Ok(Gpu::None),
        None if text == "opencl" => Ok(Gpu::OpenCl(DeviceChoice::Auto)),
        Some(("opencl", device)) => match device.parse() {
            Ok(choice) => Ok(Gpu::OpenCl(choice)),
        },
        _ => Err("it is opencl, opencl:NAME, opencl:INDEX or none".into()),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_| format!("'{digits}' is no number"))?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        unit => return Err(format!("'{unit}' is no unit: ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A list of CPUs as the kernel writes them: `0-3,6`.
fn cpus(text: &str) -> Result<Cpus, String> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            text.parse::<usize>().ok().filter(|cpu| *cpu < 1024).ok_or(format!("'{text}' is no CPU number"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("'{part}' ends before it begins"));
        }
        cpus.extend(first..=last);
    }
    let mut once = cpus.clone();
    once.sort_unstable();
    once.dedup();
    if once.len() < cpus.len() { Err("a CPU is named twice".into()) } else { Ok(Cpus(cpus)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert!(duration("10").is_err() && duration("s").is_err() && duration("-1s").is_err());
    }

    #[test]
    fn reads_cpu_lists() {
        assert_eq!(cpus("0-2,5").unwrap().0, [0, 1, 2, 5]);
        assert!(cpus("").is_err() && cpus("2-1").is_err() && cpus("1,0-1").is_err());
    }
}
