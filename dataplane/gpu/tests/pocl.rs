//! The row protocol end to end on PoCL.

mod common {
    pub mod device;
    pub mod random;
    pub mod syncer;
    pub mod xor;
}

use common::{
    device::device,
    syncer::{Syncer, open, syncers},
};
use hummingbird_gpu::{
    Accelerator, LaunchError, LaunchSettings, LaunchStatus, Launcher, StartError, WorkgroupId,
    protocol::FIRST_ROW,
};
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
};

/// PoCL threads of this binary: four workgroups and a spare one.
const THREADS: u32 = 5;
/// Rows that carry every ring's counter over the wrap.
const PAST_THE_WRAP: usize = 1500;

fn leases(lease_polls: u32) -> LaunchSettings {
    LaunchSettings { lease_polls, ..LaunchSettings::default() }
}

/// All rows of all groups, each by its own thread.
fn run_threads(all: Vec<Syncer>, rows: usize) -> Vec<Syncer> {
    let threads: Vec<_> = all
        .into_iter()
        .map(|mut syncer| {
            thread::spawn(move || {
                syncer.run(rows).unwrap();
                syncer
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn end_to_end(workgroups: u16, items: u16, depth: u16, lease_polls: u32) {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(workgroups, items, depth);
    let (launcher, queues) = Launcher::start(accelerator.clone(), leases(lease_polls)).unwrap();
    let all = run_threads(syncers(&accelerator, &launcher, queues), PAST_THE_WRAP);
    assert!(all.iter().all(|syncer| syncer.checked == PAST_THE_WRAP && syncer.queue.outstanding() == 0));
    for workgroup in accelerator.rows().workgroups() {
        let words = accelerator.rows().words(workgroup);
        let rows = FIRST_ROW.0.wrapping_add(PAST_THE_WRAP as u32);
        assert!(rows < FIRST_ROW.0, "the counter has wrapped");
        assert_eq!(words.published.load(Ordering::Relaxed), rows);
        assert_eq!(words.finished.load(Ordering::Relaxed), rows);
    }
    launcher.stop().unwrap();
    assert_eq!(accelerator.poll(), LaunchStatus::Ended);
}

#[test]
fn one_group() {
    end_to_end(1, 64, 8, 20_000);
}

#[test]
fn two_groups_with_a_ring_of_one_row() {
    end_to_end(2, 32, 1, 20_000);
}

#[test]
fn four_groups() {
    end_to_end(4, 16, 16, 20_000);
}

#[test]
fn groups_that_leave_at_once_lose_no_row() {
    end_to_end(4, 8, 4, 1);
}

/// The groups leave while nothing happens; the next row brings them back, and
/// another group's rows go on where they were.
#[test]
fn idle_groups_leave_and_come_back() {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(2, 16, 4);
    let (launcher, queues) = Launcher::start(accelerator.clone(), leases(1000)).unwrap();
    let mut all = syncers(&accelerator, &launcher, queues);
    for round in 1..=20 {
        for syncer in &mut all {
            syncer.run(3).unwrap();
        }
        while accelerator.poll() != LaunchStatus::Ended {
            thread::yield_now();
        }
        assert!(launcher.relaunches() >= round - 1, "every round but the first needs a launch");
    }
    assert!(accelerator.rows().alive(WorkgroupId(0)).load(Ordering::Relaxed) >= 20);
}

/// One group is never idle; the other leaves. The row for it is not stranded
/// behind the busy one.
#[test]
fn a_group_that_left_comes_back_while_another_is_busy() {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(2, 16, 8);
    let (launcher, queues) = Launcher::start(accelerator.clone(), leases(200_000)).unwrap();
    let [mut busy, mut idle] =
        <[Syncer; 2]>::try_from(syncers(&accelerator, &launcher, queues)).ok().unwrap();
    for _ in 0..5 {
        let left = || accelerator.rows().words(WorkgroupId(1)).left.load(Ordering::Acquire) == 1;
        while !left() {
            busy.publish();
            busy.harvest().unwrap();
        }
        assert!(idle.publish());
        let before = idle.checked;
        while idle.checked == before {
            busy.publish();
            busy.harvest().unwrap();
            idle.harvest().unwrap();
        }
    }
    assert!(launcher.relaunches() >= 5);
}

#[test]
fn stop_under_load_ends_the_launch_and_every_thread_hears_of_it() {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(4, 16, 8);
    let (launcher, queues) = Launcher::start(accelerator.clone(), leases(20_000)).unwrap();
    let threads: Vec<_> = syncers(&accelerator, &launcher, queues)
        .into_iter()
        .map(|mut syncer| thread::spawn(move || syncer.run(usize::MAX / 2)))
        .collect();
    let first = accelerator.rows().words(WorkgroupId(3)).finished;
    while first.load(Ordering::Acquire) == FIRST_ROW.0 {
        thread::yield_now();
    }
    launcher.stop().unwrap();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Err(LaunchError::Stopped));
    }
    assert_eq!(accelerator.poll(), LaunchStatus::Ended);
}

#[test]
fn dropping_it_all_with_rows_in_flight_ends_the_launch() {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(2, 64, 8);
    let (launcher, queues) = Launcher::start(accelerator.clone(), leases(u32::MAX)).unwrap();
    let mut all = syncers(&accelerator, &launcher, queues);
    for syncer in &mut all {
        while syncer.publish() {}
    }
    drop(launcher);
    assert_eq!(accelerator.poll(), LaunchStatus::Ended);
}

#[test]
fn a_launch_without_a_launcher_ends_with_the_accelerator() {
    let _device = device(THREADS);
    let accelerator = open(4, 16, 8);
    let (rows, packets) = (accelerator.rows().clone(), accelerator.packet_memory().clone());
    accelerator.launch(u32::MAX).unwrap();
    while rows.alive(WorkgroupId(0)).load(Ordering::Acquire) == 0 {
        thread::yield_now();
    }
    assert_eq!(accelerator.poll(), LaunchStatus::Running);
    drop(accelerator);
    assert_eq!(rows.leave().load(Ordering::Relaxed), 1);
    // All four threads are free for the next: nothing is left running.
    let next: Arc<dyn Accelerator> = open(4, 16, 8);
    Launcher::start(next, leases(1000)).unwrap().0.stop().unwrap();
    assert!(packets.contains(packets.base().as_ptr(), packets.len()), "outlives its accelerator");
}

#[test]
fn a_panic_ends_the_launch() {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(2, 16, 8);
    let inside = accelerator.clone();
    let thread = thread::spawn(move || {
        let (_launcher, queues) = Launcher::start(inside.clone(), leases(u32::MAX)).unwrap();
        assert_eq!(inside.poll(), LaunchStatus::Running);
        assert!(queues.is_empty(), "this panics with the groups running");
    });
    assert!(thread.join().is_err());
    assert_eq!(accelerator.poll(), LaunchStatus::Ended);
}

#[test]
fn an_accelerator_is_started_once() {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(1, 16, 8);
    let (launcher, _queues) = Launcher::start(accelerator.clone(), leases(1000)).unwrap();
    assert_eq!(Launcher::start(accelerator, leases(1000)).unwrap_err(), StartError::AlreadyStarted);
    launcher.stop().unwrap();
}

/// Rows of one queue harvested and released out of order, as the per-function
/// order of harvest needs.
#[test]
fn rows_may_be_harvested_out_of_order() {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(1, 16, 4);
    let (launcher, mut queues) = Launcher::start(accelerator, leases(1000)).unwrap();
    let mut relauncher = launcher.relauncher();
    let mut queue = queues.remove(0);
    let rows: Vec<_> =
        (0..4).map(|_| queue.begin(hummingbird_gpu::layout::KernelId::Match).unwrap().publish()).collect();
    while queue.done() < 4 {
        relauncher.turn().unwrap();
        thread::yield_now();
    }
    for place in [2, 1, 3] {
        queue.finished(rows[place]).unwrap().release();
        assert!(queue.finished(rows[place]).is_none(), "released");
        assert!(!queue.has_room(), "row 0 holds the ring");
    }
    queue.finished(rows[0]).unwrap().release();
    assert_eq!(queue.outstanding(), 0);
    assert!(queue.has_room());
}
