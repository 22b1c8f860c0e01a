//! A host for the persistent kernel: the least that a CPUSyncer must do.
//!
//! Each test file uses its own part of it.
#![allow(dead_code, reason = "every test binary has its own copy and uses a part")]

pub mod scene;

use hummingbird_kernels::layout::{Control, KernelId, LaunchControl, row_bytes, row_offset};
use hummingbird_kernels::{BUILD_OPTIONS, KERNEL_NAME, program_source};
use opencl3::command_queue::CommandQueue;
use opencl3::context::Context;
use opencl3::device::{CL_DEVICE_SVM_ATOMICS, CL_DEVICE_SVM_FINE_GRAIN_BUFFER, CL_DEVICE_TYPE_ALL, Device};
use opencl3::event::Event;
use opencl3::kernel::Kernel;
use opencl3::memory::{
    CL_MEM_READ_WRITE, CL_MEM_SVM_ATOMICS, CL_MEM_SVM_FINE_GRAIN_BUFFER, svm_alloc, svm_free,
};
use opencl3::platform::get_platforms;
use opencl3::program::Program;
use scene::{Scene, Slot};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most workgroups of a launch here; PoCL gets a thread for each and a spare.
pub const MAX_GROUPS: usize = 4;
/// How long anything may take before a test fails. Compiling the program for a
/// new workgroup size is the longest.
const PATIENCE: Duration = Duration::from_secs(120);

struct Opencl {
    context: Context,
    program: Program,
}

/// The one device, and the program built for it. Persistent launches would starve
/// one another of threads, so whoever uses it holds the lock.
static OPENCL: LazyLock<Mutex<Opencl>> = LazyLock::new(|| {
    // SAFETY: this runs before the first OpenCL call, and no other thread of the
    // test binary reads or writes the environment.
    unsafe { std::env::set_var("POCL_MAX_PTHREAD_COUNT", (MAX_GROUPS + 1).to_string()) };
    let platforms = get_platforms().expect("an OpenCL platform (Debian: pocl-opencl-icd)");
    let wanted = CL_DEVICE_SVM_FINE_GRAIN_BUFFER | CL_DEVICE_SVM_ATOMICS;
    let device = platforms
        .iter()
        .flat_map(|platform| platform.get_devices(CL_DEVICE_TYPE_ALL).unwrap_or_default())
        .map(Device::new)
        .find(|device| device.svm_mem_capability() & wanted == wanted)
        .expect("an OpenCL device with fine-grained SVM and SVM atomics");
    let context = Context::from_device(&device).expect("a context");
    let program = Program::create_and_build_from_source(&context, program_source(), BUILD_OPTIONS)
        .unwrap_or_else(|log| panic!("the program does not build:\n{log}"));
    Mutex::new(Opencl { context, program })
});

/// Memory that host and running kernel both see.
struct Svm {
    start: *mut u8,
    len: usize,
}

impl Svm {
    fn new(context: &Context, len: usize) -> Self {
        let flags = CL_MEM_READ_WRITE | CL_MEM_SVM_FINE_GRAIN_BUFFER | CL_MEM_SVM_ATOMICS;
        // SAFETY: the context is alive; the result is checked by opencl3.
        let start = unsafe { svm_alloc(context.get(), flags, len, 128) }.expect("shared memory").cast::<u8>();
        // SAFETY: `start` is the start of `len` fresh bytes.
        unsafe { start.write_bytes(0, len) };
        Self { start, len }
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.len);
        // SAFETY: aligned, inside the region, and only accessed atomically.
        unsafe { AtomicU32::from_ptr(self.start.add(offset).cast()) }
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.len);
        // SAFETY: inside the region; the row protocol gives the host these bytes
        // until it publishes them.
        unsafe { self.start.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset + len <= self.len);
        let mut bytes = vec![0; len];
        // SAFETY: inside the region; the row protocol gave the bytes back.
        unsafe { self.start.add(offset).copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
        bytes
    }
}

/// Shape of a launch.
#[derive(Clone, Copy)]
pub struct Shape {
    pub groups: usize,
    pub depth: u32,
    /// Packets a row holds.
    pub items: usize,
    /// Work items of a group.
    pub local: usize,
    pub lease_polls: u32,
    /// Where all counters start.
    pub first_row: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { groups: 1, depth: 4, items: 64, local: 64, lease_polls: 0, first_row: 0 }
    }
}

/// Rings, memory and launch of a persistent kernel. Leaves and waits on drop.
pub struct Rig {
    opencl: MutexGuard<'static, Opencl>,
    shape: Shape,
    control: Svm,
    launch: Svm,
    rows: Svm,
    packets: Svm,
    tables: Svm,
    queue: CommandQueue,
    running: Option<Event>,
}

impl Rig {
    /// Memory for `scene`, nothing launched yet.
    pub fn new(shape: Shape, scene: &Scene) -> Self {
        assert!(shape.groups <= MAX_GROUPS);
        let opencl = OPENCL.lock().unwrap_or_else(PoisonError::into_inner);
        let context = &opencl.context;
        let region = |bytes: &[u8]| {
            let svm = Svm::new(context, bytes.len().max(1));
            svm.write(0, bytes);
            svm
        };
        let (packets, tables) = (region(&scene.packets), region(&scene.tables));
        let control = Svm::new(context, shape.groups * size_of::<Control>());
        let launch = Svm::new(context, size_of::<LaunchControl>());
        let rows = Svm::new(context, shape.groups * shape.depth as usize * row_bytes(shape.items));
        // SAFETY: the device is the context's.
        let queue = unsafe { CommandQueue::create_with_properties(context, context.default_device(), 0, 0) };
        let queue = queue.expect("a queue");
        let rig = Self { opencl, shape, control, launch, rows, packets, tables, queue, running: None };
        for group in 0..shape.groups {
            rig.control_word(group, offset_of!(Control, cpu_index)).store(shape.first_row, Ordering::Relaxed);
            rig.control_word(group, offset_of!(Control, gpu_index)).store(shape.first_row, Ordering::Relaxed);
        }
        rig
    }

    fn control_word(&self, group: usize, field: usize) -> &AtomicU32 {
        self.control.word(group * size_of::<Control>() + field)
    }

    pub fn cpu_index(&self, group: usize) -> u32 {
        self.control_word(group, offset_of!(Control, cpu_index)).load(Ordering::Relaxed)
    }

    pub fn gpu_index(&self, group: usize) -> u32 {
        self.control_word(group, offset_of!(Control, gpu_index)).load(Ordering::Acquire)
    }

    pub fn left(&self, group: usize) -> bool {
        self.control_word(group, offset_of!(Control, left)).load(Ordering::SeqCst) == 1
    }

    pub fn alive(&self, group: usize) -> u32 {
        self.control_word(group, offset_of!(Control, alive)).load(Ordering::Acquire)
    }

    /// Orders the groups to leave, or takes the order back.
    pub fn order_leave(&self, leave: bool) {
        self.launch.word(offset_of!(LaunchControl, leave)).store(u32::from(leave), Ordering::SeqCst);
    }

    /// Clears `left` and `leave` and launches.
    pub fn launch(&mut self) {
        self.launch_with_order(false);
    }

    /// Launches with the order to leave given from the start or not.
    pub fn launch_with_order(&mut self, leave: bool) {
        assert!(self.running.is_none(), "one launch at a time");
        self.order_leave(leave);
        for group in 0..self.shape.groups {
            self.control_word(group, offset_of!(Control, left)).store(0, Ordering::SeqCst);
        }
        let Shape { groups, depth, items, local, lease_polls, .. } = self.shape;
        let kernel = Kernel::create(&self.opencl.program, KERNEL_NAME).expect("the kernel");
        // SAFETY: types and order are those of `gpu_syncer`; the regions outlive
        // the launch, which `finish` and `drop` wait for.
        let event = unsafe {
            kernel.set_arg_svm_pointer(0, self.control.start.cast()).expect("control");
            kernel.set_arg_svm_pointer(1, self.launch.start.cast()).expect("launch");
            kernel.set_arg_svm_pointer(2, self.rows.start.cast()).expect("rows");
            kernel.set_arg(3, &(depth - 1)).expect("depth_mask");
            kernel.set_arg(4, &(items as u32)).expect("items");
            kernel.set_arg_svm_pointer(5, self.packets.start.cast()).expect("packets");
            kernel.set_arg_svm_pointer(6, self.tables.start.cast()).expect("tables");
            kernel.set_arg(7, &lease_polls).expect("lease_polls");
            let global = [groups * local];
            self.queue
                .enqueue_nd_range_kernel(
                    kernel.get(),
                    1,
                    std::ptr::null(),
                    global.as_ptr(),
                    [local].as_ptr(),
                    &[],
                )
                .expect("the launch")
        };
        self.queue.flush().expect("flush");
        self.running = Some(event);
    }

    /// Waits for the end of the launch.
    pub fn finish(&mut self) {
        self.running.take().expect("a launch").wait().expect("the launch ends well");
    }

    /// Waits until `done`.
    pub fn wait_until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "waited too long until {what}");
            std::thread::yield_now();
        }
    }

    /// Writes a row and publishes it.
    pub fn publish(&self, group: usize, row: &[u8]) {
        let index = self.cpu_index(group);
        assert!(index.wrapping_sub(self.gpu_index(group)) < self.shape.depth, "the ring has room");
        self.rows.write(row_offset(group, index, self.shape.depth, self.shape.items), row);
        let word = self.control_word(group, offset_of!(Control, cpu_index));
        word.store(index.wrapping_add(1), Ordering::SeqCst);
    }

    /// Waits for row `index` and reads it back.
    pub fn harvest(&self, group: usize, index: u32) -> Vec<u8> {
        let done = |rig: &Self| rig.gpu_index(group).wrapping_sub(index.wrapping_add(1)) < u32::MAX / 2;
        self.wait_until("a row is done", done);
        self.rows
            .read(row_offset(group, index, self.shape.depth, self.shape.items), row_bytes(self.shape.items))
    }

    pub fn packets(&self) -> Vec<u8> {
        self.packets.read(0, self.packets.len)
    }

    pub fn tables(&self) -> Vec<u8> {
        self.tables.read(0, self.tables.len)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.order_leave(true);
        if let Some(event) = self.running.take() {
            event.wait().expect("the launch ends well");
        }
        for region in [&self.control, &self.launch, &self.rows, &self.packets, &self.tables] {
            // SAFETY: allocated from this context, and no launch runs any more.
            unsafe { svm_free(self.opencl.context.get(), region.start.cast()) }.expect("free");
        }
    }
}

/// Runs rows of slots, one after the other and round robin over the groups,
/// and compares every byte of rows, packets and tables with the oracle's.
pub fn check_rows(shape: Shape, scene: &Scene, rows: &[(KernelId, Vec<Slot>)]) {
    let mut rig = Rig::new(shape, scene);
    rig.launch();
    let mut packets = scene.packets.clone();
    let mut owed: Vec<(usize, u32, Vec<u8>)> = Vec::new();
    let settle = |rig: &Rig, (group, index, expected): (usize, u32, Vec<u8>)| {
        assert!(
            rig.harvest(group, index) == expected,
            "row {index} of group {group} differs from the oracle's"
        );
    };
    for (n, (kernel, slots)) in rows.iter().enumerate() {
        let group = n % shape.groups;
        if owed.len() == shape.groups * shape.depth as usize {
            settle(&rig, owed.remove(0));
        }
        let row = scene::row(*kernel, shape.items, slots);
        let index = rig.cpu_index(group);
        rig.publish(group, &row);
        let mut expected = row;
        scene.oracle.run_row(&mut expected, shape.items, &mut packets);
        owed.push((group, index, expected));
    }
    owed.into_iter().for_each(|row| settle(&rig, row));
    let differs = rig.packets().iter().zip(&packets).position(|(a, b)| a != b);
    assert_eq!(differs, None, "packet memory differs from the oracle's at this offset");
    assert!(rig.tables() == scene.tables, "tables are read only");
}
