//! What the launcher makes of an accelerator that misbehaves.

use hummingbird_gpu::{
    Accelerator, Capabilities, Geometry, LaunchError, LaunchSettings, LaunchStatus, Launcher, RowMemory,
    RowQueue, SharedRegion, SharedTables, StartError, TableMemoryFull, TableRef, Tables, WorkgroupId,
    layout::KernelId,
};
use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

/// How the accelerator behaves.
#[derive(Clone, Debug)]
struct Script {
    /// Groups that come alive.
    alive: u16,
    /// A group has left by itself before all were alive.
    leaves_early: bool,
    /// Launches that work before one is refused.
    launches: usize,
    /// Ignores being told to leave.
    stuck: bool,
    /// The device's status, if it has given up.
    dead: bool,
    running: bool,
}

const WELL: Script =
    Script { alive: 3, leaves_early: false, launches: usize::MAX, stuck: false, dead: false, running: false };

/// An accelerator without a device: no row is ever processed.
struct Scripted {
    rows: Arc<RowMemory>,
    packets: Arc<SharedRegion>,
    tables: Arc<Tables>,
    script: Mutex<Script>,
}

impl Scripted {
    fn new(script: Script) -> Arc<Self> {
        let region = || SharedRegion::anonymous(1).unwrap();
        let geometry = Geometry::new(3, 16, 2).unwrap();
        Arc::new(Self {
            rows: Arc::new(RowMemory::new(geometry, region(), region(), region()).unwrap()),
            packets: Arc::new(region()),
            tables: Tables::new(4096, Box::new(SharedTables(Arc::new(region())))),
            script: Mutex::new(script),
        })
    }

    fn edit(&self, edit: impl FnOnce(&mut Script)) {
        edit(&mut self.script.lock().unwrap());
    }
}

impl Accelerator for Scripted {
    fn description(&self) -> &str {
        "scripted device"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { workgroups: 3, items: 16 }
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

    fn launch(&self, _lease_polls: u32) -> Result<(), LaunchError> {
        let mut script = self.script.lock().unwrap();
        assert!(!script.running, "launched while the last launch runs");
        if script.launches == 0 {
            return Err(LaunchError::Refused("no more".into()));
        }
        script.launches -= 1;
        script.running = true;
        for group in self.rows.workgroups().take(script.alive.into()) {
            self.rows.alive(group).fetch_add(1, Ordering::Relaxed);
        }
        if script.leaves_early {
            self.rows.words(WorkgroupId(0)).left.store(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn poll(&self) -> LaunchStatus {
        let mut script = self.script.lock().unwrap();
        if script.dead {
            return LaunchStatus::Failed(LaunchError::Died("bus error".into()));
        }
        if self.rows.leave().load(Ordering::Relaxed) != 0 && !script.stuck {
            script.running = false;
        }
        if script.running { LaunchStatus::Running } else { LaunchStatus::Ended }
    }
}

const AT_ONCE: LaunchSettings =
    LaunchSettings { lease_polls: 1, alive_within: Duration::ZERO, end_within: Duration::ZERO };

fn start(script: Script) -> (Arc<Scripted>, Launcher, Vec<RowQueue>) {
    let accelerator = Scripted::new(script);
    let (launcher, queues) = Launcher::start(accelerator.clone(), AT_ONCE).unwrap();
    (accelerator, launcher, queues)
}

/// A row for a group that has left: the launcher is needed.
fn ring_the_bell(accelerator: &Scripted, queues: &mut [RowQueue]) {
    accelerator.rows.words(WorkgroupId(0)).left.store(1, Ordering::Relaxed);
    queues[0].begin(KernelId::Match).unwrap().publish();
}

#[test]
fn too_few_groups_alive_is_a_clear_error_and_ends_the_launch() {
    let accelerator = Scripted::new(Script { alive: 2, ..WELL });
    let error = Launcher::start(accelerator.clone(), AT_ONCE).unwrap_err();
    let text = error.to_string();
    for part in ["2 of 3 workgroups", "scripted device", "fewer", "POCL_MAX_PTHREAD_COUNT to 3"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(accelerator.poll(), LaunchStatus::Ended);
}

#[test]
fn groups_that_ran_one_after_the_other_do_not_count() {
    let accelerator = Scripted::new(Script { leaves_early: true, ..WELL });
    let error = Launcher::start(accelerator, AT_ONCE).unwrap_err();
    assert!(matches!(error, StartError::NotAlive { alive: 3, workgroups: 3, .. }), "{error}");
}

#[test]
fn a_refused_launch_is_reported() {
    for launches in [0, 1] {
        let accelerator = Scripted::new(Script { launches, ..WELL });
        let error = Launcher::start(accelerator, AT_ONCE).unwrap_err();
        assert_eq!(error, StartError::Launch(LaunchError::Refused("no more".into())));
    }
}

#[test]
fn threads_take_the_steps_of_a_relaunch_together() {
    let (accelerator, launcher, mut queues) = start(WELL);
    let mut threads = [launcher.relauncher(), launcher.relauncher()];
    for thread in &mut threads {
        thread.turn().unwrap();
    }
    assert_eq!(accelerator.rows.leave().load(Ordering::Relaxed), 0, "nobody rang");
    ring_the_bell(&accelerator, &mut queues);
    threads[0].turn().unwrap();
    assert_eq!(accelerator.rows.leave().load(Ordering::Relaxed), 1);
    threads[1].turn().unwrap();
    assert_eq!(launcher.relaunches(), 1);
    assert_eq!(accelerator.rows.leave().load(Ordering::Relaxed), 0);
    assert_eq!(accelerator.rows.words(WorkgroupId(0)).left.load(Ordering::Relaxed), 0);
    assert_eq!(accelerator.poll(), LaunchStatus::Running);
    launcher.stop().unwrap();
}

#[test]
fn a_device_that_dies_is_heard_of_by_every_thread() {
    let (accelerator, launcher, _queues) = start(WELL);
    let mut threads = [launcher.relauncher(), launcher.relauncher()];
    accelerator.edit(|script| script.dead = true);
    let died = LaunchError::Died("bus error".into());
    let turns = (1..10_000).find(|_| threads[0].turn().is_err()).unwrap();
    assert!(turns > 1, "the status is not asked for in every turn");
    assert_eq!(threads[0].turn(), Err(died.clone()));
    assert_eq!(threads[1].turn(), Err(died.clone()), "at once, for the bell rings on");
    assert_eq!(launcher.stop(), Err(died));
    assert_eq!(threads[1].turn(), Err(LaunchError::Stopped));
}

#[test]
fn a_launch_that_does_not_end_is_given_up() {
    let (accelerator, launcher, mut queues) = start(WELL);
    let mut thread = launcher.relauncher();
    accelerator.edit(|script| script.stuck = true);
    ring_the_bell(&accelerator, &mut queues);
    let stuck = LaunchError::DoesNotEnd { within: Duration::ZERO };
    let error = (0..1000).find_map(|_| thread.turn().err()).unwrap();
    assert_eq!(error, stuck);
    assert_eq!(launcher.stop(), Err(stuck));
}

#[test]
fn a_relaunch_that_is_refused_ends_it() {
    let (accelerator, launcher, mut queues) = start(WELL);
    let mut thread = launcher.relauncher();
    accelerator.edit(|script| script.launches = 0);
    ring_the_bell(&accelerator, &mut queues);
    thread.turn().unwrap();
    let refused = LaunchError::Refused("no more".into());
    assert_eq!(thread.turn(), Err(refused.clone()));
    assert_eq!(launcher.relauncher().turn(), Err(refused));
}

#[test]
fn an_open_row_waits_and_an_abandoned_one_leaves_no_trace() {
    let (accelerator, launcher, mut queues) = start(WELL);
    let queue = &mut queues[1];
    let packet = hummingbird_gpu::layout::Descriptor { len: 9, ..Default::default() };
    let mut row = queue.begin(KernelId::EspEncrypt).unwrap();
    for item in 0..16 {
        assert_eq!(row.push(packet, [item; 8]), Some(item as u16));
    }
    assert!(row.is_full());
    assert_eq!(row.push(packet, [0; 8]), None);
    assert!(!queue.has_room(), "a row is open");
    assert!(queue.begin(KernelId::Match).is_none());
    queue.resume().unwrap().abandon();
    assert!(queue.resume().is_none());
    assert_eq!(queue.outstanding(), 0);

    let mut row = queue.begin(KernelId::Match).unwrap();
    row.push(packet, [1; 8]);
    row.publish();
    // The abandoned row's descriptors are dummies again.
    let ring = accelerator.rows.rows().as_ptr() as usize + 2 * accelerator.rows.geometry().row_bytes();
    let flags: Vec<u32> = (0..16)
        // SAFETY: the descriptors of group 1's first row; no kernel runs.
        .map(|item| unsafe { ((ring + 64 + 32 * item) as *const u32).read() })
        .collect();
    assert_eq!(flags, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    launcher.stop().unwrap();
}
