//! CPU time: what a thread or process ran, whatever else the machine did.

use std::{collections::BTreeMap, fs, time::Duration};

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

/// CPU time of the calling thread.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs `work` with the calling thread on that CPU alone.
///
/// # Errors
/// The system does not let it, or those of `work`.
pub fn on_cpu<T>(cpu: usize, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let own = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one)?;
    let result = work();
    sched_setaffinity(None, &own)?;
    result
}

/// CPU seconds that a piece of work took on this thread.
pub fn seconds_of(work: impl FnOnce()) -> f64 {
    let start = thread_time();
    work();
    (thread_time() - start).as_secs_f64()
}

/// Calls `work`, which says how much it did, until `least` CPU seconds are
/// used; returns how much a CPU second does.
pub fn rate_of(least: f64, mut work: impl FnMut() -> f64) -> f64 {
    let (mut done, mut seconds) = (0.0, 0.0);
    while seconds < least {
        seconds += seconds_of(|| done += work());
    }
    done / seconds
}

/// CPU seconds of each thread of a process, with its name; empty once it is gone.
pub fn threads_of(process: u32) -> BTreeMap<u32, (String, f64)> {
    let mut threads = BTreeMap::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return threads };
    for task in tasks.flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).ok();
        let (Some(name), Some(stat)) = (read("comm"), read("schedstat")) else { continue };
        let nanoseconds = stat.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
        let id = task.file_name().to_string_lossy().parse();
        if let (Some(nanoseconds), Ok(id)) = (nanoseconds, id) {
            threads.insert(id, (name.trim_end().to_owned(), nanoseconds / 1e9));
        }
    }
    threads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_is_seen_from_within_and_without() {
        let mut sum = 0u64;
        let seconds = seconds_of(|| {
            while thread_time() < Duration::from_millis(30) {
                sum = std::hint::black_box(sum + 1);
            }
        });
        assert!((0.0..10.0).contains(&seconds));
        let seen: f64 = threads_of(std::process::id()).values().map(|(_, seconds)| seconds).sum();
        assert!(seen >= 0.03, "{seen}");
    }
}
