//! The packet path does not allocate: the example chain over its captures in a
//! loop, with an allocator that counts what core threads ask of it. A test
//! binary without the harness, for PoCL must be prepared before any thread.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use hummingbird_crds::{
    Bundle, Capacity, compile,
    tables::{Compute, Generation},
};
use hummingbird_dataplane::{
    control::Operations,
    engine::{Engine, GpuChoice, Options, Signals},
    report::Report,
};
use hummingbird_gpu::opencl::{self, DeviceChoice};

/// Whether allocations of core threads are counted.
static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNTED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

struct Allocator;

/// Counts a call by a core's thread, known by its name.
fn count() {
    if !COUNTING.load(Ordering::Relaxed) {
        return;
    }
    // Asking for the thread may allocate itself, and fails while one ends.
    let _ = ASKING.try_with(|asking| {
        if !asking.replace(true) {
            if thread::current().name().is_some_and(|name| name.starts_with("core-")) {
                COUNTED.fetch_add(1, Ordering::Relaxed);
            }
            asking.set(false);
        }
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Packets before the count begins: the captures many times over, so that
/// every buffer has its size.
const WARM_UP: u64 = 30_000;
/// Packets that are counted over.
const MEASURED: u64 = 60_000;

fn main() {
    the_allocator_sees_a_core();
    the_packet_path_does_not_allocate();
    println!("no_allocation: ok");
}

fn the_allocator_sees_a_core() {
    let allocate = |name: &str| {
        COUNTED.store(0, Ordering::Relaxed);
        let thread = thread::Builder::new().name(name.into()).spawn(|| {
            COUNTING.store(true, Ordering::Relaxed);
            black_box(Vec::<u8>::with_capacity(black_box(10)));
            COUNTING.store(false, Ordering::Relaxed);
        });
        thread.unwrap().join().unwrap();
        COUNTED.load(Ordering::Relaxed)
    };
    assert_eq!(allocate("core-0"), 2, "one allocation, one release");
    assert_eq!(allocate("writer"), 0);
    // A joined thread is gone for us a moment before it is for the kernel.
    while std::fs::read_dir("/proc/self/task").unwrap().count() > 1 {
        thread::yield_now();
    }
}

fn the_packet_path_does_not_allocate() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let bundle = Bundle::read(&std::fs::read(examples.join("site-gateway.yaml")).unwrap()).unwrap();
    let compiled = compile(&bundle, Generation(1), Capacity::default()).unwrap();
    let workgroups = compiled.tables.functions.iter().map(|function| match function.compute {
        Compute::Gpu { workgroups } => workgroups,
        Compute::Cpu { .. } => 0,
    });
    opencl::prepare_pocl(workgroups.sum()).unwrap();
    let port = |name: &str| {
        format!("{name}=trace:{}", examples.join(format!("demo/{name}.pcap")).display()).parse().unwrap()
    };
    let options = Options {
        ports: vec![port("lan"), port("wan")],
        gpu: GpuChoice::OpenCl { device: DeviceChoice::Auto, pocl_capacity: opencl::POCL_CAPACITY },
        cpus: None,
        io: 2,
        syncers: 2,
        in_flight: 1024,
        no_huge: true,
        table_bytes: 64 << 20,
        lease_polls: 100_000,
        alerts: None,
        state: None,
    };
    let engine = Engine::start(compiled.tables, compiled.hash, &options).unwrap();
    let chain = engine.operations();
    let watcher = thread::spawn(move || {
        after(&*chain, WARM_UP);
        COUNTED.store(0, Ordering::Relaxed);
        COUNTING.store(true, Ordering::Relaxed);
        after(&*chain, WARM_UP + MEASURED);
        COUNTING.store(false, Ordering::Relaxed);
        chain.drain();
    });
    let outcome = engine.run(None, &Signals::default(), ());
    outcome.reason.unwrap();
    watcher.join().unwrap();
    let Report { rx, tx, functions, mbufs, .. } = outcome.report;
    assert!(rx.packets >= WARM_UP + MEASURED && tx.packets > 0);
    for (name, function) in &functions {
        println!("{name} on the {}: {} packets", function.compute, function.packets);
    }
    assert!(functions.values().any(|function| function.compute == "GPU" && function.packets > 0));
    assert_eq!(mbufs.leaked, 0);
    assert_eq!(COUNTED.load(Ordering::Relaxed), 0, "allocations on the packet path");
}

/// Waits until the chain has received that many packets.
fn after(chain: &dyn Operations, packets: u64) {
    while chain.status().rx.packets < packets {
        thread::yield_now();
    }
}
