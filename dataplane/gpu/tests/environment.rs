//! What must happen before any thread starts. A test binary without the test
//! harness, which would run tests in threads.

use hummingbird_gpu::{
    Geometry,
    opencl::{
        DeviceChoice, EnvironmentError, OpenClAccelerator, POCL_CAPACITY, Program, Settings, devices,
        prepare_pocl,
    },
};
use std::{collections::BTreeSet, env, fs, thread};

fn main() {
    threads_are_noticed();
    the_user_has_the_last_word();
    pocl_gets_a_thread_a_workgroup_and_a_spare();
    its_threads_stay_on_their_cores();
    println!("environment: ok");
}

fn threads_are_noticed() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let other = thread::spawn(move || stopped.recv().is_err());
    assert!(matches!(prepare_pocl(3), Err(EnvironmentError::ThreadsRunning(2))));
    drop(stop);
    assert!(other.join().unwrap());
    // A joined thread is gone for us a moment before it is for the kernel.
    while tasks().len() > 1 {
        thread::yield_now();
    }
}

fn the_user_has_the_last_word() {
    // SAFETY: the only thread.
    unsafe { env::set_var("POCL_CPU_MAX_CU_COUNT", "9") };
    prepare_pocl(3).unwrap();
    assert_eq!(env::var("POCL_MAX_PTHREAD_COUNT").unwrap(), "4");
    assert_eq!(env::var("POCL_CPU_MAX_CU_COUNT").unwrap(), "9");
    // SAFETY: as above.
    unsafe { env::set_var("POCL_CPU_MAX_CU_COUNT", "4") };
}

/// This also is the first use of OpenCL, on one core.
fn pocl_gets_a_thread_a_workgroup_and_a_spare() {
    let before = tasks();
    let settings = Settings {
        device: DeviceChoice::Name("portable computing language".into()),
        geometry: Geometry::new(3, 16, 4).unwrap(),
        packet_bytes: 1,
        table_bytes: 1,
        program: Program {
            source: include_str!("common/xor.cl"),
            kernel: "xor_syncer",
            options: "-cl-std=CL3.0",
        },
        pocl_capacity: POCL_CAPACITY,
        worker_cores: vec![first_core()],
    };
    let _accelerator = OpenClAccelerator::open(&settings).unwrap();
    assert!(tasks().difference(&before).count() >= 4);
    let pocl = devices(POCL_CAPACITY).unwrap();
    assert!(pocl.iter().any(|device| device.compute_units == 4), "{pocl:?}");
}

fn its_threads_stay_on_their_cores() {
    let own = std::process::id().to_string();
    let first = first_core().to_string();
    let placed = tasks().iter().filter(|task| **task != own && cores_of(task) == first).count();
    assert!(placed >= 4, "all of PoCL's workers");
}

fn tasks() -> BTreeSet<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn cores_of(task: &str) -> String {
    let status = fs::read_to_string(format!("/proc/self/task/{task}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn first_core() -> usize {
    let own = cores_of(&std::process::id().to_string());
    own.split([',', '-']).next().unwrap().parse().unwrap()
}
