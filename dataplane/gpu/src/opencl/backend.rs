//! The OpenCL accelerator.

use super::{
    affinity,
    device::{self, Found},
    error::OpenError,
    select::{DeviceChoice, select},
    svm,
};
use crate::{
    accelerator::{Accelerator, Capabilities, LaunchError, LaunchStatus},
    geometry::Geometry,
    region::{self, SharedRegion},
    rows::RowMemory,
    tables::{SharedTables, TableMemoryFull, TableRef, Tables},
};
use hummingbird_kernels::layout::LaunchControl;
use opencl3::{
    command_queue::CommandQueue, context::Context, device::Device, error_codes::ClError, event::Event,
    kernel::Kernel, program::Program as ClProgram,
};
use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long the last resort waits for a launch that nobody ended.
const END_WITHIN: Duration = Duration::from_secs(10);

/// The persistent kernel. Its arguments, in order: control blocks, launch word,
/// rows (SVM pointers), the ring depth less one, packets of a row (`uint`s),
/// packet memory, table memory (SVM pointers), empty polls before a group
/// leaves (`uint`).
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// OpenCL C.
    pub source: &'a str,
    /// Name of the kernel function.
    pub kernel: &'a str,
    /// Options of the compiler.
    pub options: &'a str,
}

/// What to open.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// Which device.
    pub device: DeviceChoice,
    /// Shape of the launch.
    pub geometry: Geometry,
    /// Bytes of packet memory; rounded up to whole huge pages.
    pub packet_bytes: usize,
    /// Bytes of table memory; rounded up likewise.
    pub table_bytes: usize,
    /// The persistent kernel.
    pub program: Program<'a>,
    /// Workgroups that PoCL is taken to hold.
    pub pocl_capacity: u16,
    /// Cores for the threads of a runtime that runs kernels on the CPU; none:
    /// those of the calling thread. PoCL starts its threads at the process's
    /// first OpenCL call, and they stay where they start: open the accelerator
    /// before any other use of OpenCL, and keep CPUSyncers off these cores. A
    /// worker that the kernel wakes on a polling CPUSyncer's core waits for the
    /// rest of its time slice.
    pub worker_cores: Vec<usize>,
}

/// An OpenCL device with its shared memory and the persistent kernel, built.
///
/// On drop a launch that still runs is ended first. Should it not end, its
/// memory is leaked, not freed under it.
pub struct OpenClAccelerator {
    description: String,
    capabilities: Capabilities,
    // Fields are dropped in this order: what uses memory goes before it.
    launch: Mutex<Launch>,
    queue: CommandQueue,
    rows: Arc<RowMemory>,
    packets: Arc<SharedRegion>,
    tables: Arc<Tables>,
}

struct Launch {
    event: Option<Event>,
    kernel: Kernel,
    /// The kernel's code.
    _program: ClProgram,
}

impl OpenClAccelerator {
    /// Opens a device, allocates what it shares with the host, and builds the
    /// kernel. The runtime caches what it built, if it does (PoCL: in
    /// `POCL_CACHE_DIR`).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(settings: &Settings<'_>) -> Result<Self, OpenError> {
        for (what, bytes) in [("packet", settings.packet_bytes), ("table", settings.table_bytes)] {
            if region::huge_pages(bytes).is_none_or(|bytes| u32::try_from(bytes).is_err()) {
                return Err(OpenError::TooLarge { what, bytes });
            }
        }
        affinity::on_cores(&settings.worker_cores, || Self::open_here(settings))
            .map_err(|error| OpenError::Affinity { cores: settings.worker_cores.clone(), error })?
    }

    fn open_here(settings: &Settings<'_>) -> Result<Self, OpenError> {
        let Found { id, report, .. } = select(&settings.device, device::find(settings.pocl_capacity)?)?;
        let description = report.description();
        let geometry = settings.geometry;
        let (wanted, capacity) = (geometry.workgroups(), report.workgroup_capacity);
        if wanted > capacity {
            return Err(OpenError::TooManyWorkgroups { device: description, wanted, capacity });
        }
        let context =
            Arc::new(Context::from_device(&Device::new(id)).map_err(OpenError::of("clCreateContext"))?);
        let Program { source, kernel, options } = settings.program;
        let program = ClProgram::create_and_build_from_source(&context, source, options)
            .map_err(|log| OpenError::Build { device: description.clone(), log })?;
        let kernel = Kernel::create(&program, kernel).map_err(OpenError::of("clCreateKernel"))?;
        let most = kernel
            .get_work_group_size(id)
            .map_err(OpenError::of("clGetKernelWorkGroupInfo"))?
            .min(report.max_workgroup_size);
        if usize::from(geometry.items()) > most {
            return Err(OpenError::WorkgroupTooLarge { device: description, wanted: geometry.items(), most });
        }
        // SAFETY: the device belongs to the context.
        let queue = unsafe { CommandQueue::create_with_properties(&context, id, 0, 0) }
            .map_err(OpenError::of("clCreateCommandQueueWithProperties"))?;

        let memory = Memory { context: &context, device: &description };
        let rows = RowMemory::new(
            geometry,
            memory.get("control", svm::words, geometry.control_bytes())?,
            memory.get("launch", svm::words, size_of::<LaunchControl>())?,
            memory.get("row", svm::words, geometry.rows_bytes())?,
        )
        .map_err(|bad| OpenError::Call { call: "clSVMAlloc", code: bad.to_string() })?;
        let packets = memory.get("packet", svm::pages, settings.packet_bytes)?;
        let table_region = Arc::new(memory.get("table", svm::pages, settings.table_bytes)?);
        set_arguments(&kernel, &rows, &packets, &table_region).map_err(OpenError::of("clSetKernelArg"))?;
        let table_bytes = u32::try_from(table_region.len())
            .map_err(|_| OpenError::TooLarge { what: "table", bytes: table_region.len() })?;

        tracing::info!(device = %description, version = %report.version, workgroups = wanted, "GPU opened");
        Ok(Self {
            description,
            capabilities: Capabilities { workgroups: capacity, items: most },
            launch: Mutex::new(Launch { event: None, kernel, _program: program }),
            queue,
            rows: Arc::new(rows),
            packets: Arc::new(packets),
            tables: Tables::new(table_bytes, Box::new(SharedTables(table_region))),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Launch> {
        self.launch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Place of `lease_polls` among the kernel's arguments.
const LEASE_ARGUMENT: u32 = 7;

fn set_arguments(
    kernel: &Kernel,
    rows: &RowMemory,
    packets: &SharedRegion,
    tables: &SharedRegion,
) -> Result<(), ClError> {
    let geometry = rows.geometry();
    let pointers =
        [(0, rows.control()), (1, rows.launch()), (2, rows.rows()), (5, packets.base()), (6, tables.base())];
    for (place, pointer) in pointers {
        // SAFETY: SVM memory of the kernel's context, which the accelerator
        // keeps longer than the kernel; the kernel takes pointers there.
        unsafe { kernel.set_arg_svm_pointer(place, pointer.as_ptr().cast()) }?;
    }
    for (place, number) in [(3, u32::from(geometry.depth()) - 1), (4, u32::from(geometry.items()))] {
        // SAFETY: the kernel takes a `uint` there.
        unsafe { kernel.set_arg(place, &number) }?;
    }
    Ok(())
}

/// Allocates and names what could not be allocated.
struct Memory<'a> {
    context: &'a Arc<Context>,
    device: &'a str,
}

impl Memory<'_> {
    fn get(
        &self,
        what: &'static str,
        allocate: fn(&Arc<Context>, usize) -> Result<SharedRegion, ClError>,
        bytes: usize,
    ) -> Result<SharedRegion, OpenError> {
        allocate(self.context, bytes).map_err(|code| OpenError::OutOfMemory {
            device: self.device.to_owned(),
            what,
            bytes,
            code: code.to_string(),
        })
    }
}

impl Accelerator for OpenClAccelerator {
    fn description(&self) -> &str {
        &self.description
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn packet_memory(&self) -> &Arc<SharedRegion> {
        &self.packets
    }

    fn rows(&self) -> &Arc<RowMemory> {
        &self.rows
    }

    fn publish(&self, bytes: &[u8]) -> Result<TableRef, TableMemoryFull> {
        self.tables.publish(bytes)
    }

    fn table_usage(&self) -> (u32, u32) {
        self.tables.usage()
    }

    fn launch(&self, lease_polls: u32) -> Result<(), LaunchError> {
        let refused = |error: ClError| LaunchError::Refused(error.to_string());
        let geometry = self.rows.geometry();
        let items = usize::from(geometry.items());
        let (all, group) = ([items * usize::from(geometry.workgroups())], [items]);
        let mut launch = self.lock();
        // SAFETY: the kernel takes a `uint` there. All arguments are set, and
        // their memory lives until the launch has ended (see `Drop`).
        let event = unsafe {
            launch.kernel.set_arg(LEASE_ARGUMENT, &lease_polls).map_err(refused)?;
            self.queue
                .enqueue_nd_range_kernel(
                    launch.kernel.get(),
                    1,
                    std::ptr::null(),
                    all.as_ptr(),
                    group.as_ptr(),
                    &[],
                )
                .map_err(refused)?
        };
        launch.event = Some(event);
        // Without it nothing starts on some runtimes.
        self.queue.flush().map_err(refused)
    }

    fn poll(&self) -> LaunchStatus {
        const COMPLETE: i32 = opencl3::event::CL_COMPLETE;
        let mut launch = self.lock();
        let Some(event) = &launch.event else { return LaunchStatus::Ended };
        match event.command_execution_status() {
            Ok(status) if status.0 == COMPLETE => {
                launch.event = None;
                LaunchStatus::Ended
            }
            Ok(status) if status.0 > COMPLETE => LaunchStatus::Running,
            Ok(status) => LaunchStatus::Failed(LaunchError::Died(ClError(status.0).to_string())),
            Err(error) => LaunchStatus::Failed(LaunchError::Died(error.to_string())),
        }
    }
}

impl Drop for OpenClAccelerator {
    fn drop(&mut self) {
        if let Err(error @ LaunchError::DoesNotEnd { .. }) = self.end_launch(END_WITHIN) {
            tracing::error!(%error, "the GPU's memory is left to it");
            mem::forget((self.rows.clone(), self.packets.clone(), self.tables.clone()));
        }
    }
}

impl fmt::Debug for OpenClAccelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenClAccelerator")
            .field("description", &self.description)
            .field("capabilities", &self.capabilities)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}
