//! The persistent launch and its idle lease.

use crate::{
    accelerator::{Accelerator, LaunchError, LaunchStatus},
    protocol::{Step, next_step},
    queue::RowQueue,
    rows::RowMemory,
};
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use thiserror::Error;

/// How long the launcher waits for things, and what it asks of groups.
#[derive(Clone, Copy, Debug)]
pub struct LaunchSettings {
    /// Empty polls after which a group leaves; one is about a nanosecond on a
    /// CPU, a microsecond over PCIe. `u32::MAX`: practically never.
    pub lease_polls: u32,
    /// How long [`Launcher::start`] waits for all groups to come alive.
    pub alive_within: Duration,
    /// How long a launch may take to end, the row at hand included.
    pub end_within: Duration,
}

impl Default for LaunchSettings {
    fn default() -> Self {
        Self {
            lease_polls: 2_000_000,
            alive_within: Duration::from_secs(10),
            end_within: Duration::from_secs(10),
        }
    }
}

/// Why the launch did not start.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StartError {
    /// Not all groups run side by side, which a persistent kernel needs.
    #[error(
        "{alive} of {workgroups} workgroups came alive side by side on {device} within {} ms: the device runs no more \
         at a time. Ask for fewer workgroups; on PoCL set POCL_MAX_PTHREAD_COUNT to {workgroups} or more before start",
        .within.as_millis()
    )]
    NotAlive {
        /// Groups that came alive.
        alive: usize,
        /// Groups of the launch.
        workgroups: u16,
        /// The device's description.
        device: String,
        /// How long was waited.
        within: Duration,
    },
    /// The accelerator has a launcher already, or had one.
    #[error("the accelerator was launched before: open it anew")]
    AlreadyStarted,
    /// The launch itself failed.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// Owner of the persistent launch. Dropping it, also while unwinding, ends the
/// launch: some OpenCL runtimes hang at exit otherwise.
#[derive(Debug)]
pub struct Launcher {
    shared: Arc<Shared>,
}

impl Launcher {
    /// Launches, makes sure that all groups run side by side, and hands out
    /// the row queues in order of workgroups.
    ///
    /// A first launch, in which no group leaves by itself, shows whether all
    /// are alive at a time; then the launch that lasts begins.
    ///
    /// # Errors
    /// See [`StartError`]. The launch has ended then.
    pub fn start(
        accelerator: Arc<dyn Accelerator>,
        settings: LaunchSettings,
    ) -> Result<(Self, Vec<RowQueue>), StartError> {
        let rows = accelerator.rows().clone();
        let queues = rows.take_queues().ok_or(StartError::AlreadyStarted)?;
        let shared = Arc::new(Shared {
            accelerator,
            rows,
            settings,
            phase: Mutex::new(Phase::Running),
            relaunches: AtomicU64::new(0),
        });
        // From here on leaving early ends the launch.
        let launcher = Self { shared };
        launcher.shared.prove_progress()?;
        launcher.shared.accelerator.launch(settings.lease_polls)?;
        Ok((launcher, queues))
    }

    /// A handle for one CPUSyncer thread.
    #[must_use]
    pub fn relauncher(&self) -> Relauncher {
        Relauncher { shared: self.shared.clone(), turns: 0 }
    }

    /// How often the launch was renewed because a group had left.
    #[must_use]
    pub fn relaunches(&self) -> u64 {
        self.shared.relaunches.load(Ordering::Relaxed)
    }

    /// Ends the launch. Rows that are published and not finished stay so:
    /// drain first.
    ///
    /// # Errors
    /// How the launch failed, now or before.
    pub fn stop(self) -> Result<(), LaunchError> {
        self.shared.stop()
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        if let Err(error) = self.shared.stop() {
            tracing::error!(%error, "the persistent launch did not end cleanly");
        }
    }
}

/// A CPUSyncer thread's part in keeping the launch alive.
#[derive(Clone, Debug)]
pub struct Relauncher {
    shared: Arc<Shared>,
    turns: u32,
}

impl Relauncher {
    /// Turns between two looks at the launch's health.
    const HEALTH_TURNS: u32 = 4096;

    /// To be called in every round of the thread's loop, and while it waits
    /// for rows. Renews the launch when a row waits for a group that has left:
    /// of all threads one does each step, and none waits for another.
    ///
    /// Allocation-free and lock-free (one load) while all groups are alive.
    ///
    /// # Errors
    /// The launch is over: rows that are out will not come back.
    #[inline]
    pub fn turn(&mut self) -> Result<(), LaunchError> {
        self.turns = self.turns.wrapping_add(1);
        let wake = self.shared.rows.wake().load(Ordering::Acquire) != 0;
        if wake || self.turns.is_multiple_of(Self::HEALTH_TURNS) { self.shared.step(wake) } else { Ok(()) }
    }
}

/// Where the launcher stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Launched; groups may have left.
    Running,
    /// All groups were told to leave, to launch again.
    Leaving { since: Instant },
    /// Over.
    Over(LaunchError),
}

struct Shared {
    accelerator: Arc<dyn Accelerator>,
    rows: Arc<RowMemory>,
    settings: LaunchSettings,
    /// Held for one step at most by a CPUSyncer, which never waits for it.
    phase: Mutex<Phase>,
    relaunches: AtomicU64,
}

impl Shared {
    /// One step of the launcher, unless another thread is taking one.
    #[cold]
    fn step(&self, wake: bool) -> Result<(), LaunchError> {
        let mut phase = match self.phase.try_lock() {
            Ok(phase) => phase,
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        if let Phase::Over(error) = &*phase {
            return Err(error.clone());
        }
        self.advance(&mut phase, wake).map_err(|error| self.give_up(&mut phase, error))
    }

    fn advance(&self, phase: &mut Phase, wake: bool) -> Result<(), LaunchError> {
        let running = match self.accelerator.poll() {
            LaunchStatus::Running => true,
            LaunchStatus::Ended => false,
            LaunchStatus::Failed(error) => return Err(error),
        };
        let since = if let Phase::Leaving { since } = phase { Some(*since) } else { None };
        let within = self.settings.end_within;
        if running && since.is_some_and(|since| since.elapsed() > within) {
            return Err(LaunchError::DoesNotEnd { within });
        }
        match next_step(since.is_some(), running, wake) {
            Step::Nothing => {}
            Step::TellToLeave => {
                self.rows.leave().store(1, Ordering::Release);
                *phase = Phase::Leaving { since: Instant::now() };
            }
            Step::Relaunch => {
                self.rows.rearm();
                self.accelerator.launch(self.settings.lease_polls)?;
                self.relaunches.fetch_add(1, Ordering::Relaxed);
                *phase = Phase::Running;
            }
        }
        Ok(())
    }

    /// Ends it all with `error`. The bell rings on, so that every thread's
    /// next turn hears of it.
    fn give_up(&self, phase: &mut Phase, error: LaunchError) -> LaunchError {
        *phase = Phase::Over(error.clone());
        self.rows.wake().store(1, Ordering::Release);
        error
    }

    /// Launches without leases and waits until all groups are alive at once.
    fn prove_progress(&self) -> Result<(), StartError> {
        let within = self.settings.alive_within;
        let before: Vec<u32> = self.alive_counts();
        self.accelerator.launch(u32::MAX)?;
        let start = Instant::now();
        loop {
            let alive = self.alive_counts().iter().zip(&before).filter(|(now, before)| now != before).count();
            let left =
                self.rows.workgroups().any(|group| self.rows.words(group).left.load(Ordering::Acquire) != 0);
            // A group that came alive after another's lease was over has not
            // shown that both fit.
            if alive == before.len() && !left {
                break;
            }
            if let LaunchStatus::Failed(error) = self.accelerator.poll() {
                return Err(error.into());
            }
            if left || start.elapsed() > within {
                let workgroups = self.rows.geometry().workgroups();
                let device = self.accelerator.description().to_owned();
                return Err(StartError::NotAlive { alive, workgroups, device, within });
            }
            thread::yield_now();
        }
        self.accelerator.end_launch(self.settings.end_within)?;
        self.rows.rearm();
        Ok(())
    }

    fn alive_counts(&self) -> Vec<u32> {
        self.rows.workgroups().map(|group| self.rows.alive(group).load(Ordering::Acquire)).collect()
    }

    fn stop(&self) -> Result<(), LaunchError> {
        let mut phase = self.lock();
        if let Phase::Over(error) = &*phase
            && *error == LaunchError::Stopped
        {
            return Ok(());
        }
        let ended = self.accelerator.end_launch(self.settings.end_within);
        let before = match &*phase {
            Phase::Over(error) => Err(error.clone()),
            Phase::Running | Phase::Leaving { .. } => Ok(()),
        };
        self.give_up(&mut phase, LaunchError::Stopped);
        before.and(ended)
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("accelerator", &self.accelerator.description())
            .field("settings", &self.settings)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
