//! Bringing a chain up, running it, and taking it down.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dpdk::{Eal, EalOptions, Memory, MemoryInUse, PacketPool};
use hummingbird_crds::tables::Tables;
use hummingbird_esp::SaStates;
use hummingbird_gpu::{
    Accelerator, Geometry, LaunchSettings, Launcher, SharedRegion,
    opencl::{DeviceChoice, OpenClAccelerator, Program, Settings},
};

use super::{
    Demand, EngineError, Outcome, ROW_DEPTH, ROW_ITEMS, Reporter, StopReason,
    change::{Changer, Wanted, Workshop, move_to_cpu},
    core::{Core, Mailbox, Orders},
    memory, place,
    wire::Wire,
};
use crate::{
    control::{Operations, Refusal},
    packet::Pool,
    ports::{self, Binding, OpenPort, PortArgument},
    report::{CoreCounters, MbufReport, Report, Shape, alerts},
};

/// How often the main thread looks at what the cores report.
const WATCH: Duration = Duration::from_millis(2);
/// How long packets in flight may take to leave once nothing is admitted any more.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// Where GPU functions run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuChoice {
    /// On the CPU, one instance each.
    None,
    /// On an OpenCL device.
    OpenCl {
        /// Which one.
        device: DeviceChoice,
        /// Workgroups that PoCL is taken to hold.
        pocl_capacity: u16,
    },
}

/// How to run a chain.
#[derive(Clone, Debug)]
pub struct Options {
    /// What each port is bound to.
    pub ports: Vec<PortArgument>,
    /// Where GPU functions run.
    pub gpu: GpuChoice,
    /// CPUs for the cores, one core each; absent: as many cores as the process
    /// may use CPUs, not pinned.
    pub cpus: Option<Vec<usize>>,
    /// I/O roles.
    pub io: usize,
    /// CPUSyncers.
    pub syncers: usize,
    /// Packets that each I/O role may have in flight.
    pub in_flight: usize,
    /// Ordinary pages for DPDK even where hugepages are free.
    pub no_huge: bool,
    /// Bytes of table memory on the accelerator.
    pub table_bytes: usize,
    /// Empty polls after which a workgroup leaves.
    pub lease_polls: u32,
    /// Where alerts are logged.
    pub alerts: Option<PathBuf>,
    /// Where SA state outlives the process.
    pub state: Option<PathBuf>,
}

/// A chain that runs.
pub struct Engine {
    // Dropped in this order: first what uses packets, last what they lie in.
    threads: Vec<thread::JoinHandle<Core>>,
    launcher: Option<Launcher>,
    log: Option<alerts::AlertLog>,
    devices: Vec<dpdk::Port>,
    pool: Pool,
    handle: Arc<Handle>,
    watch: Watch,
}

/// What the process is told from outside.
#[derive(Debug, Default)]
pub struct Signals {
    /// SIGTERM or SIGINT came.
    pub end: Arc<AtomicBool>,
    /// SIGHUP came.
    pub reload: Arc<AtomicBool>,
    /// The file that SIGHUP reads anew.
    pub chain: PathBuf,
}

/// What the threads share with whoever watches them.
struct Watch {
    orders: Arc<Orders>,
    io: Vec<Arc<crate::io::IoState>>,
    error: Arc<Mutex<Option<EngineError>>>,
    has_captures: bool,
    /// A port is bound to AF_XDP.
    has_kernel_rings: bool,
    /// Somebody asked for a drain.
    drain: Arc<AtomicBool>,
}

impl Engine {
    /// Starts a chain: memory, devices, tables, the persistent kernel, threads.
    ///
    /// # Errors
    /// Whatever of it does not work; nothing runs then.
    pub fn start(mut tables: Tables, hash: String, options: &Options) -> Result<Self, EngineError> {
        let bindings = match_ports(&tables, &options.ports)?;
        if options.gpu == GpuChoice::None {
            move_to_cpu(&mut tables);
        }
        let cpus = options.cpus.as_ref().map_or_else(available_cpus, Vec::len);
        let demand = Demand { cores: cpus, io: options.io, syncers: options.syncers };
        let placement = place(&tables, demand);
        let limit = options.in_flight * placement.io;
        let mut pool_config = memory::pool_config(&tables, limit, placement.cores.len());
        let has_kernel_rings = bindings.iter().any(|binding| matches!(binding, Binding::AfXdp(_)));
        if has_kernel_rings {
            pool_config.alignment = dpdk::FrameAlignment::AfterHeader;
        }
        let packet_bytes = PacketPool::<crate::meta::PacketMeta>::size_for(&pool_config)?;

        // OpenCL first: its threads inherit the CPUs of the thread that opens it.
        let accelerator = open_accelerator(options, placement.workgroups, packet_bytes)?;
        let shared = match &accelerator {
            Some(accelerator) => Arc::clone(accelerator.packet_memory()),
            None => Arc::new(
                SharedRegion::anonymous(packet_bytes)
                    .map_err(|source| EngineError::System { what: "packet memory", source })?,
            ),
        };
        let eal = start_eal(&tables, &bindings, options.no_huge)?;
        let pool = memory::pool(&eal, &shared, &pool_config)?;
        let open = open_ports(&eal, &pool, &tables, &bindings)?;
        let macs: Vec<_> = open.iter().map(|port| port.mac).collect();
        let has_captures = open.iter().any(|port| port.source.is_finite());

        let states = Arc::new(match &options.state {
            Some(dir) => SaStates::open(dir)?,
            None => SaStates::volatile(),
        });
        let shape = Shape { io: placement.io, ports: tables.ports.len() };
        let counters: Arc<[_]> = placement.cores.iter().map(|_| Arc::new(CoreCounters::new(shape))).collect();
        let mailboxes: Vec<Mailbox> = placement.cores.iter().map(|_| Mailbox::default()).collect();
        let workshop = Workshop {
            eal: eal.clone(),
            states: Arc::clone(&states),
            manager: ipsec_mb::Manager::new()?,
            accelerator: accelerator.clone(),
            macs,
            mailboxes: mailboxes.clone(),
        };
        let cpu_only = options.gpu == GpuChoice::None;
        let (changer, placement) =
            Changer::start(workshop, &placement, tables, hash, Arc::clone(&counters), cpu_only)?;

        let (launcher, queues) = match &accelerator {
            Some(accelerator) => {
                let settings =
                    LaunchSettings { lease_polls: options.lease_polls, ..LaunchSettings::default() };
                let (launcher, queues) = Launcher::start(Arc::clone(accelerator), settings)?;
                (Some(launcher), queues)
            }
            None => (None, Vec::new()),
        };

        let (log, senders) =
            alerts::open(options.alerts.as_deref(), &counters).map_err(EngineError::Alerts)?;
        let orders = Arc::new(Orders { admit: AtomicBool::new(true), stop: AtomicBool::new(false) });
        let mut devices = Vec::new();
        let mut sources = Vec::new();
        for port in open {
            devices.extend(port.device);
            sources.push(Some((port.source, port.sink)));
        }
        let wire = Wire {
            placement: &placement,
            publication: changer.publication(),
            counters: &counters,
            shared: &shared,
            launcher: launcher.as_ref(),
            orders: &orders,
            mailboxes: &mailboxes,
            limit,
            in_flight: options.in_flight,
        };
        let (cores, io) = wire.cores(sources, queues, senders);
        let watch = Watch {
            orders,
            io,
            error: Arc::default(),
            has_captures,
            has_kernel_rings,
            drain: Arc::default(),
        };
        let threads = watch.spawn(cores, &eal, options.cpus.as_deref())?;
        let reporter = Reporter {
            publication: Arc::clone(changer.publication()),
            counters,
            states,
            accelerator,
            shared,
        };
        let handle = Handle { reporter, changer, drain: Arc::clone(&watch.drain) };
        Ok(Self { threads, launcher, log, devices, pool, handle: Arc::new(handle), watch })
    }

    /// The chain's side of the control socket.
    #[must_use]
    pub fn operations(&self) -> Arc<dyn Operations> {
        Arc::clone(&self.handle) as Arc<dyn Operations>
    }

    /// Runs until every capture is through, `duration` is over, `signal` is
    /// set, a drain is asked for or a core fails. Then drains, stops and
    /// reports. `servers` are dropped once the last packet has left.
    pub fn run<S>(self, duration: Option<Duration>, signals: &Signals, servers: S) -> Outcome {
        let deadline = duration.map(|duration| Instant::now() + duration);
        let mut reloading = None;
        let reason = loop {
            if self.watch.has_failed() {
                break Ok(StopReason::Drain);
            }
            if signals.end.load(Ordering::Acquire) {
                break Ok(StopReason::Signal);
            }
            if self.watch.drain.load(Ordering::Acquire) {
                break Ok(StopReason::Drain);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break Ok(StopReason::Duration);
            }
            if self.watch.captures_are_through() {
                break Ok(StopReason::CapturesDone);
            }
            self.handle.changer.reap();
            self.reload(signals, &mut reloading);
            thread::sleep(WATCH);
        };
        self.handle.changer.end();
        if let Some(reload) = reloading {
            let _: Result<(), _> = reload.join();
        }
        self.stop(reason, servers)
    }

    /// What is not back in the pool once every device is closed.
    fn leftovers(&self) -> MbufReport {
        let outside = u64::from(self.pool.in_use());
        if self.watch.has_kernel_rings {
            // The driver does not give back what its fill and completion rings
            // hold, so there only the packets' own account can tell.
            let leaked = self.handle.reporter.in_flight();
            MbufReport { leaked, in_kernel_rings: outside.saturating_sub(leaked) }
        } else {
            MbufReport { leaked: outside, in_kernel_rings: 0 }
        }
    }

    /// Answers SIGHUP on a thread of its own; a storm of them is one reload
    /// after the one that is on.
    fn reload(&self, signals: &Signals, reloading: &mut Option<thread::JoinHandle<()>>) {
        if reloading.as_ref().is_some_and(|reload| !reload.is_finished())
            || !signals.reload.swap(false, Ordering::AcqRel)
        {
            return;
        }
        let (handle, chain) = (Arc::clone(&self.handle), signals.chain.clone());
        let reload = thread::Builder::new().name("reload".into()).spawn(move || handle.reload(&chain));
        match reload {
            Ok(reload) => *reloading = Some(reload),
            Err(error) => tracing::error!(%error, "cannot reload"),
        }
    }

    /// Stops in order: no more admission, drain, cores, kernel, leftovers.
    fn stop<S>(mut self, reason: Result<StopReason, EngineError>, servers: S) -> Outcome {
        self.watch.drain();
        self.watch.orders.stop.store(true, Ordering::Release);
        let mut cores = Vec::with_capacity(self.threads.len());
        for (index, thread) in self.threads.drain(..).enumerate() {
            match thread.join() {
                Ok(core) => cores.push(core),
                Err(_) => self.watch.fail(EngineError::Panic(index as u8)),
            }
        }
        if let Some(launcher) = self.launcher.take()
            && let Err(error) = launcher.stop()
        {
            self.watch.fail(error.into());
        }
        for core in &mut cores {
            if let Err(error) = core.finish() {
                self.watch.fail(error);
            }
        }
        cores.iter_mut().for_each(Core::abandon);
        drop(cores);
        if let Some(log) = self.log.take()
            && let Err(error) = log.close()
        {
            self.watch.fail(EngineError::Alerts(error));
        }
        drop(servers);
        let mut report = self.handle.reporter.report();
        self.devices.clear();
        report.mbufs = self.leftovers();
        let error = self.watch.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let closed = close(self.handle).map_err(EngineError::from);
        let reason = match error {
            Some(error) => Err(error),
            None => closed.and(reason),
        };
        Outcome { report, reason }
    }
}

/// What the control socket holds of a chain.
struct Handle {
    reporter: Reporter,
    changer: Changer,
    drain: Arc<AtomicBool>,
}

impl Handle {
    /// Makes the chain's file the running generation, if it has changed.
    fn reload(&self, chain: &Path) {
        let changed = match std::fs::read(chain) {
            Ok(bundle) => self.changer.change(&bundle, Wanted::IfChanged),
            Err(error) => return tracing::error!(%error, "cannot read {}: the tables stay", chain.display()),
        };
        if let Err(refusal) = changed {
            tracing::error!("{} is refused, the tables stay: {refusal}", chain.display());
        }
    }
}

impl Operations for Handle {
    fn status(&self) -> Report {
        self.reporter.report()
    }

    fn drain(&self) {
        self.drain.store(true, Ordering::Release);
    }

    fn change(&self, bundle: &[u8], wanted: Option<u64>) -> Result<u64, Refusal> {
        self.changer.change(bundle, wanted.map_or(Wanted::Next, Wanted::Exactly))
    }
}

impl Watch {
    fn has_failed(&self) -> bool {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn fail(&self, error: EngineError) {
        // The first error is the cause; what follows mostly follows from it.
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn captures_are_through(&self) -> bool {
        self.has_captures && self.io.iter().all(|io| io.exhausted.load(Ordering::Acquire))
    }

    /// Admits nothing more and waits until what is in flight has left.
    fn drain(&self) {
        self.orders.admit.store(false, Ordering::Release);
        let deadline = Instant::now() + DRAIN_WITHIN;
        let drained = |io: &Arc<crate::io::IoState>| {
            io.quiesced.load(Ordering::Acquire) && io.in_flight.load(Ordering::Acquire) == 0
        };
        while !self.io.iter().all(drained) && !self.has_failed() {
            if Instant::now() > deadline {
                tracing::warn!("packets are still in flight after {DRAIN_WITHIN:?}: dropped as 'draining'");
                return;
            }
            thread::sleep(WATCH);
        }
    }

    fn spawn(
        &self,
        cores: Vec<Core>,
        eal: &Eal,
        cpus: Option<&[usize]>,
    ) -> Result<Vec<thread::JoinHandle<Core>>, EngineError> {
        let mut threads = Vec::with_capacity(cores.len());
        for (index, mut core) in cores.into_iter().enumerate() {
            let (eal, error) = (eal.clone(), Arc::clone(&self.error));
            let cpu = cpus.map(|cpus| cpus[index]);
            let run = move || {
                let ran = prepare_thread(&eal, cpu).and_then(|_guard| core.run());
                if let Err(cause) = ran {
                    error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
                }
                core
            };
            let thread = thread::Builder::new().name(format!("core-{index}")).spawn(run);
            threads.push(thread.map_err(|source| EngineError::System { what: "a core's thread", source })?);
        }
        Ok(threads)
    }
}

/// Makes SA state durable up to its last number, once nothing uses it any more.
fn close(handle: Arc<Handle>) -> Result<(), hummingbird_esp::StateError> {
    let states = Arc::into_inner(handle).and_then(|handle| {
        let Handle { reporter: Reporter { states, .. }, changer, .. } = handle;
        drop(changer);
        Arc::into_inner(states)
    });
    states.map_or(Ok(()), SaStates::close)
}

/// Pins the calling thread and makes it an lcore.
fn prepare_thread(eal: &Eal, cpu: Option<usize>) -> Result<dpdk::EalThread, EngineError> {
    if let Some(cpu) = cpu {
        let mut set = rustix::thread::CpuSet::new();
        set.set(cpu);
        rustix::thread::sched_setaffinity(None, &set).map_err(|errno| EngineError::System {
            what: "pinning a core to its CPU",
            source: errno.into(),
        })?;
    }
    Ok(eal.register_thread()?)
}

/// The binding of each port, in the manifest's order.
fn match_ports(tables: &Tables, arguments: &[PortArgument]) -> Result<Vec<Binding>, EngineError> {
    let known = |name: &str| tables.ports.iter().any(|port| port.name == name);
    let mut wrong: Vec<String> = arguments
        .iter()
        .filter(|argument| !known(&argument.name))
        .map(|argument| format!("--port {}: the chain has no port of that name", argument.name))
        .collect();
    let mut bindings = Vec::new();
    for port in &tables.ports {
        let mut given = arguments.iter().filter(|argument| argument.name == port.name);
        match (given.next(), given.next()) {
            (Some(argument), None) => bindings.push(argument.binding.clone()),
            (Some(_), Some(_)) => wrong.push(format!("--port {} is given twice", port.name)),
            (None, _) => wrong.push(format!("port {} needs --port {}=BINDING", port.name, port.name)),
        }
    }
    let files: Vec<_> = bindings
        .iter()
        .filter_map(|binding| match binding {
            Binding::Pcap { output, .. } => Some(output),
            _ => None,
        })
        .collect();
    for (index, output) in files.iter().enumerate() {
        let read = bindings.iter().any(|binding| {
            matches!(binding, Binding::Pcap { input, .. } | Binding::Trace { input, .. } if input == *output)
        });
        if read || files[..index].contains(output) {
            wrong.push(format!("{} is written by one port and used by another, too", output.display()));
        }
    }
    if wrong.is_empty() { Ok(bindings) } else { Err(EngineError::Ports(wrong.join("; "))) }
}

fn available_cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn open_accelerator(
    options: &Options,
    workgroups: u16,
    packet_bytes: usize,
) -> Result<Option<Arc<dyn Accelerator>>, EngineError> {
    let (GpuChoice::OpenCl { device, pocl_capacity }, 1..) = (&options.gpu, workgroups) else {
        return Ok(None);
    };
    let settings = Settings {
        device: device.clone(),
        geometry: Geometry::new(workgroups, ROW_ITEMS, ROW_DEPTH)?,
        packet_bytes,
        table_bytes: options.table_bytes,
        program: Program {
            source: hummingbird_kernels::program_source(),
            kernel: hummingbird_kernels::KERNEL_NAME,
            options: hummingbird_kernels::BUILD_OPTIONS,
        },
        pocl_capacity: *pocl_capacity,
        worker_cores: Vec::new(),
    };
    Ok(Some(Arc::new(OpenClAccelerator::open(&settings)?)))
}

fn start_eal(tables: &Tables, bindings: &[Binding], no_huge: bool) -> Result<Eal, EngineError> {
    let megabytes = memory::heap_megabytes(tables)?;
    let memory = if no_huge { Memory::NoHuge { megabytes } } else { Memory::Auto { megabytes } };
    let pci = bindings
        .iter()
        .filter_map(|binding| match binding {
            Binding::Pci(address) => Some(address.clone()),
            _ => None,
        })
        .collect();
    let eal = Eal::init(EalOptions { memory, pci, ..EalOptions::default() })?;
    if let MemoryInUse::NoHuge { reason, .. } = eal.memory()
        && !no_huge
    {
        tracing::warn!(%reason, "no hugepages: running on ordinary pages, a little slower");
    }
    Ok(eal)
}

fn open_ports(
    eal: &Eal,
    pool: &Pool,
    tables: &Tables,
    bindings: &[Binding],
) -> Result<Vec<OpenPort>, EngineError> {
    let numbered = tables.ports.iter().zip(bindings).enumerate();
    numbered
        .map(|(number, (port, binding))| {
            ports::open(eal, pool, binding, number, port.mtu)
                .map_err(|source| EngineError::Port { name: port.name.clone(), source })
        })
        .collect()
}
