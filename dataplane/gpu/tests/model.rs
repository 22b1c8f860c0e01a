//! The row protocol under loom: the product's index logic, a CPUSyncer that
//! drives it and a workgroup as the kernel has it, through every interleaving
//! and every reordering of the C11 memory model (up to two preemptions).
//!
//! In every execution each row is processed once and in order, what the host
//! wrote into its slot is what the group reads, what the group left there is
//! what the host reads, and the execution ends: no row is stranded.

use hummingbird_gpu::protocol::{GroupWords, Ring, RowNumber, Step, Word, next_step, rearm};
use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{Arc, atomic},
    thread::{self, JoinHandle},
};
use std::sync::atomic::Ordering;

struct ModelWord(atomic::AtomicU32);

impl Word for ModelWord {
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, order);
    }

    fn full_fence() {
        atomic::fence(Ordering::SeqCst);
    }
}

/// Two rows take the counters over the wrap.
const FIRST: RowNumber = RowNumber(u32::MAX);
const ROWS: u32 = 2;

/// Shared memory of a launch.
struct Memory {
    groups: Vec<Group>,
    leave: ModelWord,
    wake: ModelWord,
    /// Stands for the launch's event.
    running: ModelWord,
}

/// Shared memory of one workgroup.
struct Group {
    published: ModelWord,
    finished: ModelWord,
    left: ModelWord,
    /// The ring: a row is written by the host, incremented by the group. Not
    /// atomic: loom reports accesses that are not ordered.
    slots: Vec<UnsafeCell<u32>>,
}

fn word(value: u32) -> ModelWord {
    ModelWord(atomic::AtomicU32::new(value))
}

impl Memory {
    fn new(groups: usize, depth: u16) -> Arc<Self> {
        let group = |_| Group {
            published: word(FIRST.0),
            finished: word(FIRST.0),
            left: word(0),
            slots: (0..depth).map(|_| UnsafeCell::new(0)).collect(),
        };
        Arc::new(Self {
            groups: (0..groups).map(group).collect(),
            leave: word(0),
            wake: word(0),
            running: word(0),
        })
    }

    fn publish(&self, group: usize, ring: &mut Ring) -> RowNumber {
        assert!(ring.has_room());
        let group = &self.groups[group];
        group.write_row(ring.next());
        ring.publish(&group.words(), &self.wake)
    }
}

impl Group {
    fn words(&self) -> GroupWords<'_, ModelWord> {
        GroupWords { published: &self.published, finished: &self.finished, left: &self.left }
    }

    fn has_finished(&self, rows: u32) -> bool {
        self.finished.load(Ordering::Acquire) == FIRST.0.wrapping_add(rows)
    }

    fn slot(&self, row: RowNumber) -> &UnsafeCell<u32> {
        &self.slots[row.0 as usize & (self.slots.len() - 1)]
    }

    fn write_row(&self, row: RowNumber) {
        // SAFETY: loom checks that no other thread accesses the cell now.
        self.slot(row).with_mut(|slot| unsafe { *slot = row.0.wrapping_mul(10) });
    }

    fn process_row(&self, row: RowNumber) {
        // SAFETY: as above.
        self.slot(row).with_mut(|slot| unsafe { *slot = (*slot).wrapping_add(1) });
    }

    fn check_row(&self, row: RowNumber) {
        // SAFETY: as above.
        self.slot(row).with(|slot| assert_eq!(unsafe { *slot }, row.0.wrapping_mul(10).wrapping_add(1)));
    }

    /// The kernel's wait, with a lease of one empty poll. False: the group leaves.
    fn await_row(&self, leave: &ModelWord, done: u32) -> bool {
        if leave.load(Ordering::Relaxed) != 0 {
            return false;
        }
        if self.published.load(Ordering::Acquire) != done {
            return true;
        }
        self.left.store(1, Ordering::Relaxed);
        ModelWord::full_fence();
        if self.published.load(Ordering::Acquire) == done {
            return false;
        }
        self.left.store(0, Ordering::Relaxed);
        true
    }
}

/// One launch: the kernel's loop, the groups taking turns at their rows.
fn launch(memory: &Memory) {
    let resume = |group: &Group| Some(group.finished.load(Ordering::Relaxed));
    let mut done: Vec<_> = memory.groups.iter().map(resume).collect();
    while done.iter().any(Option::is_some) {
        for (group, done) in memory.groups.iter().zip(&mut done) {
            *done = done.filter(|&row| group.await_row(&memory.leave, row)).map(|row| {
                group.process_row(RowNumber(row));
                group.finished.store(row.wrapping_add(1), Ordering::Release);
                row.wrapping_add(1)
            });
        }
    }
    memory.running.store(0, Ordering::Release);
}

/// The launcher's steps over the model's launches.
struct Launch {
    memory: Arc<Memory>,
    leaving: bool,
    running: Option<JoinHandle<()>>,
}

impl Launch {
    fn new(memory: &Arc<Memory>) -> Self {
        let mut launch = Self { memory: memory.clone(), leaving: false, running: None };
        launch.start();
        launch
    }

    fn start(&mut self) {
        self.memory.running.store(1, Ordering::Relaxed);
        let memory = self.memory.clone();
        self.running = Some(thread::spawn(move || launch(&memory)));
        self.leaving = false;
    }

    fn turn(&mut self) {
        let memory = &*self.memory;
        let running = memory.running.load(Ordering::Acquire) != 0;
        match next_step(self.leaving, running, memory.wake.load(Ordering::Acquire) != 0) {
            Step::Nothing => {}
            Step::TellToLeave => {
                memory.leave.store(1, Ordering::Release);
                self.leaving = true;
            }
            Step::Relaunch => {
                self.running.take().unwrap().join().unwrap();
                rearm(&memory.wake, &memory.leave, memory.groups.iter().map(|group| &group.left));
                self.start();
            }
        }
    }

    fn stop(mut self) {
        self.memory.leave.store(1, Ordering::Release);
        self.running.take().unwrap().join().unwrap();
    }
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// One thread publishes, harvests and relaunches; each row reuses the slot of
/// the one before.
#[test]
fn one_syncer_strands_no_row() {
    explore(|| {
        let memory = Memory::new(1, 1);
        let mut launch = Launch::new(&memory);
        let mut ring = Ring::new(1, FIRST);
        for _ in 0..ROWS {
            let row = memory.publish(0, &mut ring);
            assert!(!ring.has_room());
            while !ring.is_finished(row, &memory.groups[0].words()) {
                launch.turn();
                thread::yield_now();
            }
            memory.groups[0].check_row(row);
            ring.release(row);
        }
        launch.stop();
    });
}

/// One thread publishes while another relaunches.
#[test]
fn a_row_published_during_a_relaunch_is_not_stranded() {
    explore(|| {
        let memory = Memory::new(1, 2);
        let mut launch = Launch::new(&memory);
        let publisher = {
            let memory = memory.clone();
            thread::spawn(move || {
                let mut ring = Ring::new(2, FIRST);
                [memory.publish(0, &mut ring), memory.publish(0, &mut ring)]
            })
        };
        while !memory.groups[0].has_finished(ROWS) {
            launch.turn();
            thread::yield_now();
        }
        for row in publisher.join().unwrap() {
            memory.groups[0].check_row(row);
        }
        launch.stop();
    });
}

/// Two groups with a CPUSyncer each: bringing one back sends the other away
/// in the middle of its rows.
#[test]
fn a_relaunch_for_one_group_strands_no_row_of_another() {
    explore(|| {
        let memory = Memory::new(2, 2);
        let mut launch = Launch::new(&memory);
        let other = {
            let memory = memory.clone();
            thread::spawn(move || memory.publish(1, &mut Ring::new(2, FIRST)))
        };
        let row = memory.publish(0, &mut Ring::new(2, FIRST));
        while !memory.groups.iter().all(|group| group.has_finished(1)) {
            launch.turn();
            thread::yield_now();
        }
        memory.groups[0].check_row(row);
        memory.groups[1].check_row(other.join().unwrap());
        launch.stop();
    });
}
