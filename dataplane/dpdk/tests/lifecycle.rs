//! Start and end of the EAL. Each scenario is a process of its own, for DPDK starts once in a
//! process: this program runs itself with the scenario's name.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dpdk::{Eal, EalOptions, Error, EthDev, LogLevel, Memory, MemoryInUse, NoHugepages, Vdev};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const SCENARIOS: &[(&str, fn())] = &[
    ("auto_takes_what_the_machine_has", auto_takes_what_the_machine_has),
    ("hugepages_are_an_error_where_there_are_none", hugepages_are_an_error_where_there_are_none),
    ("a_second_start_is_refused", a_second_start_is_refused),
    ("threads_keep_their_cpus", threads_keep_their_cpus),
    ("the_log_goes_to_the_sink_and_nowhere_else", the_log_goes_to_the_sink_and_nowhere_else),
    ("the_runtime_directory_goes_with_the_last_handle", the_runtime_directory_goes_with_the_last_handle),
    ("the_clock_ticks", the_clock_ticks),
];

fn main() {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("wait-to-be-killed") {
        return wait_to_be_killed();
    }
    if let Some((_, scenario)) = SCENARIOS.iter().find(|(name, _)| argument.as_deref() == Some(*name)) {
        return scenario();
    }
    // Cargo's own arguments (a filter, --nocapture) choose nothing here: all run.
    for (name, _) in SCENARIOS {
        let output = run(name);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{text}", output.status);
        assert!(output.stdout.is_empty(), "{name}: DPDK wrote to standard output: {output:?}");
        println!("test {name} ... ok");
    }
    a_killed_process_stops_nobody();
    println!("test a_killed_process_stops_nobody ... ok");
}

fn run(scenario: &str) -> Output {
    Command::new(std::env::current_exe().unwrap()).arg(scenario).output().unwrap()
}

fn ordinary() -> EalOptions {
    EalOptions { memory: Memory::NoHuge { megabytes: 64 }, ..EalOptions::default() }
}

fn free_hugepages() -> Option<usize> {
    let text = std::fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").ok()?;
    text.trim().parse().ok()
}

fn auto_takes_what_the_machine_has() {
    let memory = Memory::Auto { huge: 64, ordinary: 96 };
    let enough = free_hugepages().is_some_and(|free| free >= 32);
    let eal = Eal::init(EalOptions { memory, ..EalOptions::default() }).unwrap();
    match eal.memory() {
        MemoryInUse::Huge { megabytes } => assert!(enough && megabytes == 64),
        // A cgroup may refuse what sysfs counts as free.
        MemoryInUse::NoHuge { megabytes, reason } => {
            assert!(megabytes == 96 && reason != NoHugepages::Asked);
            assert!(!enough || matches!(reason, NoHugepages::Refused { .. }), "{reason}");
        }
    }
    assert!(eal.heap().total >= 60 << 20, "{:?}", eal.heap());
}

fn hugepages_are_an_error_where_there_are_none() {
    let megabytes = (free_hugepages().unwrap_or(0) + 512) * 2;
    let memory = Memory::Huge { megabytes };
    let error = Eal::init(EalOptions { memory, ..EalOptions::default() }).map(drop).unwrap_err();
    assert!(matches!(error, Error::Init { memory: MemoryInUse::Huge { .. }, .. }), "{error}");
    let again = Eal::init(ordinary()).map(drop).unwrap_err();
    assert!(matches!(again, Error::AlreadyInitialised), "{again}");
}

fn a_second_start_is_refused() {
    let eal = Eal::init(ordinary()).unwrap();
    assert!(matches!(Eal::init(ordinary()), Err(Error::AlreadyInitialised)));
    drop(eal);
    assert!(matches!(Eal::init(ordinary()), Err(Error::AlreadyInitialised)), "nor after the end");
}

fn threads_keep_their_cpus() {
    let before = sched_getaffinity(None).unwrap();
    let eal = Eal::init(ordinary()).unwrap();
    let after = sched_getaffinity(None).unwrap();
    assert!((0..CpuSet::MAX_CPU).all(|cpu| before.is_set(cpu) == after.is_set(cpu)), "pinned");
    // A thread that has pinned itself stays so through its registration.
    let last = (0..CpuSet::MAX_CPU).rfind(|&cpu| before.is_set(cpu)).unwrap();
    std::thread::spawn(move || {
        let mut one = CpuSet::new();
        one.set(last);
        sched_setaffinity(None, &one).unwrap();
        let guard = eal.register_thread().unwrap();
        let during = sched_getaffinity(None).unwrap();
        assert!(guard.is_owner() && during.count() == 1 && during.is_set(last));
    })
    .join()
    .unwrap();
}

fn the_log_goes_to_the_sink_and_nowhere_else() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&lines);
    let log_sink: dpdk::LogSink =
        Box::new(move |level, line| taken.lock().unwrap().push((level, line.to_owned())));
    let options = EalOptions { log_level: LogLevel::Info, log_sink: Some(log_sink), ..ordinary() };
    let eal = Eal::init(options).unwrap();
    let nowhere = EthDev::open_pci(&eal, "0000:ff:1f.7").map(drop);
    assert!(nowhere.is_err());
    let lines = lines.lock().unwrap();
    assert!(
        lines.iter().any(|(level, line)| *level == LogLevel::Info && line.contains("Detected CPU lcores"))
    );
    assert!(lines.iter().any(|(level, line)| *level == LogLevel::Error && line.contains("0000:ff:1f.7")));
    assert!(lines.iter().all(|(level, line)| *level <= LogLevel::Info && !line.contains('\n')), "{lines:?}");
}

/// Where DPDK keeps what belongs to a process, for a privileged user.
fn runtime_directory(process: u32) -> std::path::PathBuf {
    Path::new("/var/run/dpdk").join(format!("hummingbird-{process}"))
}

fn the_runtime_directory_goes_with_the_last_handle() {
    let own = runtime_directory(std::process::id());
    let eal = Eal::init(ordinary()).unwrap();
    if !own.exists() {
        // An unprivileged user's lies elsewhere.
        eprintln!("skipped: no {}", own.display());
        return;
    }
    let device = EthDev::create(&eal, &Vdev::Null { receive: None }).unwrap();
    drop(eal);
    assert!(own.exists(), "the device still needs DPDK");
    drop(device);
    assert!(!own.exists(), "{} is left", own.display());
}

fn the_clock_ticks() {
    let _eal = Eal::init(ordinary()).unwrap();
    let hz = dpdk::tsc_hz();
    assert!(hz > 100_000_000, "{hz} Hz");
    // One clock read inside, one outside: however long the thread is held up in between, the
    // counter's time lies between the two.
    let (outer, first, inner) = (Instant::now(), dpdk::tsc(), Instant::now());
    while inner.elapsed() < Duration::from_millis(20) {
        dpdk::pause();
    }
    let (inner, last, outer) = (inner.elapsed(), dpdk::tsc(), outer.elapsed());
    let ticked = (last - first) as f64 / hz as f64;
    let (least, most) = (inner.as_secs_f64() * 0.98, outer.as_secs_f64() * 1.02);
    assert!(
        (least..most).contains(&ticked),
        "{ticked} s by the counter, {inner:?} to {outer:?} by the clock"
    );
}

/// The other half of the scenario below: says that it runs, and runs.
fn wait_to_be_killed() {
    let eal = Eal::init(ordinary()).unwrap();
    let _device = EthDev::create(&eal, &Vdev::Ring).unwrap();
    println!("running");
    loop {
        std::thread::park();
    }
}

fn a_killed_process_stops_nobody() {
    let mut killed = Command::new(std::env::current_exe().unwrap())
        .arg("wait-to-be-killed")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(killed.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "running\n");
    // Two processes at a time do not disturb each other.
    assert!(run("a_second_start_is_refused").status.success());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(run("a_second_start_is_refused").status.success(), "after kill -9");
    let left = runtime_directory(killed.id());
    assert!(!left.exists(), "{} was not swept", left.display());
}
