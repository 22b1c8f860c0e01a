//! A network function on the bench: packets of a DPDK pool, its half on the
//! CPU, and its half on the GPU through rows and the persistent kernel.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
};

use dpdk::{Eal, EalOptions, Memory, PoolConfig, Region};
use hummingbird_crds::{
    Bundle, Capacity, compile,
    tables::{
        Class, ClassId, Classifier, Egress, Generation, NfId, NonIpv4, Port, PortBinding, RouteTable, Tables,
    },
};
use hummingbird_dataplane::{
    forward::Verdict,
    nf::{CpuFunction, Env, FunctionData, GpuFunction},
    packet::{BURST, Packet, Pool},
    report::{
        CoreCounters, Shape,
        alerts::{self, AlertLog, AlertSender},
    },
    tables::{Home, LiveFunction, LiveTables},
};
use hummingbird_gpu::{
    Accelerator, Geometry, LaunchSettings, Launcher, RowQueue, SharedRegion,
    layout::Descriptor,
    opencl::{DeviceChoice, OpenClAccelerator, POCL_CAPACITY, Program, Settings},
};

/// Mbufs of the pool.
const MBUFS: u32 = 2048;
/// Packets of a row.
const ROW: u16 = 64;

/// The EAL of this test process, on ordinary pages.
pub fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| {
        let memory = Memory::NoHuge { megabytes: 384 };
        Eal::init(EalOptions { memory, ..EalOptions::default() }).expect("the EAL starts without hugepages")
    })
}

/// A pool, alert senders and, if wanted, an accelerator. One at a time.
pub struct Bench {
    // Dropped in this order: what runs, what is used, what it lies in.
    gpu: Option<(Launcher, RowQueue)>,
    alerts: AlertSender,
    log: Option<AlertLog>,
    pool: Pool,
    accelerator: Option<Arc<dyn Accelerator>>,
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    /// A bench without a GPU.
    pub fn cpu() -> Self {
        Self::new(false, None)
    }

    /// A bench whose packets lie in the memory of an OpenCL device.
    pub fn gpu() -> Self {
        Self::new(true, None)
    }

    /// Such a bench, with an alert log.
    pub fn gpu_with_alerts(path: &std::path::Path) -> Self {
        Self::new(true, Some(path))
    }

    fn new(gpu: bool, log: Option<&std::path::Path>) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let config = PoolConfig::for_mtu(MBUFS, 1500);
        let bytes = Pool::size_for(&config).unwrap();
        let accelerator: Option<Arc<dyn Accelerator>> = gpu.then(|| open(bytes));
        let shared = match &accelerator {
            Some(accelerator) => Arc::clone(accelerator.packet_memory()),
            None => Arc::new(SharedRegion::anonymous(bytes).unwrap()),
        };
        // SAFETY: mapped for as long as the owner lives, which the region holds;
        // nothing else is placed there.
        let region = unsafe { Region::new(eal(), shared.base(), shared.len(), Arc::clone(&shared)) }.unwrap();
        let pool = Pool::new(eal(), &region, &config).unwrap();
        let gpu = accelerator.as_ref().map(|accelerator| {
            let (launcher, queues) =
                Launcher::start(Arc::clone(accelerator), LaunchSettings::default()).unwrap();
            (launcher, queues.into_iter().next().unwrap())
        });
        let counters = CoreCounters::new(Shape { io: 1, ports: 1 });
        let (log, senders) = alerts::open(log, &[Arc::new(counters)]).unwrap();
        let alerts = senders.into_iter().next().unwrap();
        Self { gpu, alerts, log, pool, accelerator, _turn: turn }
    }

    /// The device.
    pub fn accelerator(&self) -> &dyn Accelerator {
        &**self.accelerator.as_ref().expect("the bench has a GPU")
    }

    /// Packets of these bytes.
    pub fn packets(&self, frames: &[Vec<u8>]) -> Vec<Packet> {
        let packet = |frame: &Vec<u8>| {
            let mut packet = self.pool.alloc().expect("the pool is large enough");
            packet.append(frame.len()).expect("the frame fits").copy_from_slice(frame);
            packet.private_mut().class = ClassId(0);
            packet
        };
        frames.iter().map(packet).collect()
    }

    /// Runs packets through the half on the CPU, a burst at a time.
    pub fn on_cpu(
        &mut self,
        function: &mut dyn CpuFunction,
        tables: &Arc<LiveTables>,
        packets: &mut [Packet],
    ) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::Pass; packets.len()];
        let mut env = Env { tables, nf: NfId(0), alerts: &mut self.alerts };
        for (packets, verdicts) in packets.chunks_mut(BURST).zip(verdicts.chunks_mut(BURST)) {
            function.process(&mut env, packets, verdicts);
        }
        verdicts
    }

    /// Runs packets through the half on the GPU, a row at a time.
    pub fn on_gpu(
        &mut self,
        function: &mut dyn GpuFunction,
        tables: &Arc<LiveTables>,
        packets: &mut [Packet],
    ) -> Vec<Verdict> {
        let region = Arc::clone(self.accelerator().packet_memory());
        let (launcher, queue) = self.gpu.as_mut().expect("the bench has a GPU");
        let mut relauncher = launcher.relauncher();
        let mut env = Env { tables, nf: NfId(0), alerts: &mut self.alerts };
        let mut verdicts = Vec::new();
        for packets in packets.chunks_mut(usize::from(ROW)) {
            let mut row = queue.begin(function.kernel()).expect("no row is out");
            let prepared: Vec<_> = packets
                .iter_mut()
                .map(|packet| {
                    let work = function.prepare(&mut env, packet)?;
                    let start = packet.data_address() + work.start;
                    let data = region.offset_of(start as *const u8).expect("the pool lies in the region");
                    row.push(
                        Descriptor { table: work.table, data, len: work.len, ..Descriptor::default() },
                        work.side,
                    );
                    Ok(())
                })
                .collect();
            let number = row.publish();
            while queue.finished(number).is_none() {
                relauncher.turn().unwrap();
                thread::yield_now();
            }
            let finished = queue.finished(number).unwrap();
            let mut outcomes = finished.outcomes();
            for (packet, prepared) in packets.iter_mut().zip(prepared) {
                verdicts.push(match prepared {
                    Ok(()) => function.finish(&mut env, packet, &outcomes.next().unwrap()),
                    Err(reason) => Verdict::Drop(reason),
                });
            }
            drop(outcomes);
            finished.release();
        }
        verdicts
    }

    /// Ends the bench once all packets are back; the alert log is complete then.
    pub fn close(mut self) {
        assert_eq!(self.pool.in_use(), 0, "a packet was lost");
        if let Some((launcher, _)) = self.gpu.take() {
            launcher.stop().unwrap();
        }
        if let Some(log) = self.log.take() {
            log.close().unwrap();
        }
    }
}

fn open(packet_bytes: usize) -> Arc<dyn Accelerator> {
    let settings = Settings {
        device: DeviceChoice::Auto,
        geometry: Geometry::new(1, ROW, 4).unwrap(),
        packet_bytes,
        table_bytes: 16 << 20,
        program: Program {
            source: hummingbird_kernels::program_source(),
            kernel: hummingbird_kernels::KERNEL_NAME,
            options: hummingbird_kernels::BUILD_OPTIONS,
        },
        pocl_capacity: POCL_CAPACITY,
        worker_cores: Vec::new(),
    };
    Arc::new(OpenClAccelerator::open(&settings).expect("an OpenCL device that can run a chain"))
}

/// A generation with one class, whose path is the one function `data`.
pub fn alone(data: Box<dyn FunctionData>) -> Arc<LiveTables> {
    let tables = Tables {
        generation: Generation(1),
        chain: "default/bench".into(),
        ports: vec![Port { name: "lan".into(), binding: PortBinding::PciSelector, mtu: 1500 }],
        functions: Vec::new(),
        classes: vec![Class { name: "all".into(), path: vec![NfId(0)], egress: Egress::Opposite }],
        classifier: Classifier { rules: Vec::new(), default: Some(ClassId(0)) },
        route_table: RouteTable::new(1, &[&[NfId(0)]], &[]),
        non_ipv4: NonIpv4::Drop,
        max_row_delay_us: 50,
    };
    live(tables, data)
}

/// The generation of `tables`, whose one function has `data`.
pub fn live(tables: Tables, data: Box<dyn FunctionData>) -> Arc<LiveTables> {
    let home = Home { slot: 0, stations: Vec::new(), workgroups: Vec::new() };
    Arc::new(LiveTables { tables, functions: vec![LiveFunction { data, home }], classes: vec![0] })
}

/// Compiles a chain of one function on the GPU: the lines of `block`, in YAML,
/// belong to the function's item. `documents` follow the chain.
pub fn compiled(block: &str, documents: &str) -> Tables {
    let block: String = block.lines().map(|line| format!("    {line}\n")).collect();
    let bundle = format!(
        "apiVersion: hummingbird.dev/v1alpha1\nkind: NfChain\nmetadata: {{name: bench, namespace: default}}\nspec:\n  \
         ports:\n  - {{name: lan, pci: {{address: '0000:00:03.0'}}}}\n  functions:\n  - name: it\n    compute: GPU\n    \
         workgroups: 1\n{block}  classes:\n  - {{name: all, path: [it]}}\n  defaultClass: all\n---\n{documents}"
    );
    let bundle = Bundle::read(bundle.as_bytes()).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let compiled = compile(&bundle, Generation(1), Capacity::default());
    compiled.unwrap_or_else(|wrong| panic!("{wrong:?}")).tables
}
