//! Bringing a chain up, in order.

use std::{
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Instant,
};

use dpdk::{Eal, EalOptions, MemoryInUse, PacketPool};
use hummingbird_crds::tables::Tables;
use hummingbird_esp::SaStates;
use hummingbird_gpu::{
    Accelerator, Geometry, LaunchSettings, Launcher, SharedRegion,
    opencl::{OpenClAccelerator, Program, Settings},
};

use super::{
    Demand, Engine, EngineError, GpuChoice, Options, ROW_DEPTH, ROW_ITEMS, Reporter,
    bindings::match_ports,
    change::{Changer, Workshop, move_to_cpu},
    core::{Mailbox, Orders},
    handle::Handle,
    memory, place,
    watch::Watch,
    wire::Wire,
};
use crate::{
    meta::PacketMeta,
    packet::Pool,
    ports::{self, Binding, OpenPort},
    report::{CoreCounters, Shape, alerts},
};

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
        let packet_bytes = PacketPool::<PacketMeta>::size_for(&pool_config)?;

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
            started: Instant::now(),
        };
        let handle = Handle { reporter, changer, drain: Arc::clone(&watch.drain) };
        Ok(Self { threads, launcher, log, devices, pool, handle: Arc::new(handle), watch })
    }
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
    let memory = memory::heap(tables, no_huge)?;
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
