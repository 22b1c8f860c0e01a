//! What the main thread and the cores' threads know of each other.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dpdk::Eal;

use super::{
    EngineError,
    core::{Core, Orders},
};
use crate::io::IoState;

/// How often the main thread looks at what the cores report.
pub const WATCH: Duration = Duration::from_millis(2);
/// How long packets in flight may take to leave once nothing is admitted any more.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// What the threads share with whoever watches them.
pub struct Watch {
    /// What the cores are told.
    pub orders: Arc<Orders>,
    /// What the I/O roles say.
    pub io: Vec<Arc<IoState>>,
    /// The first error of any thread.
    pub error: Arc<Mutex<Option<EngineError>>>,
    /// A port is bound to a capture.
    pub has_captures: bool,
    /// A port is bound to AF_XDP.
    pub has_kernel_rings: bool,
    /// Somebody asked for a drain.
    pub drain: Arc<AtomicBool>,
}

impl Watch {
    /// Whether a thread failed.
    pub fn has_failed(&self) -> bool {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Keeps an error, if it is the first.
    pub fn fail(&self, error: EngineError) {
        // The first error is the cause; what follows mostly follows from it.
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Whether the run ends by itself, and now.
    pub fn captures_are_through(&self) -> bool {
        self.has_captures && self.io.iter().all(|io| io.exhausted.load(Ordering::Acquire))
    }

    /// Admits nothing more and waits until what is in flight has left.
    pub fn drain(&self) {
        self.orders.admit.store(false, Ordering::Release);
        let deadline = Instant::now() + DRAIN_WITHIN;
        let drained = |io: &Arc<IoState>| {
            io.quiesced.load(Ordering::Acquire) && io.in_flight.load(Ordering::Acquire) == 0
        };
        while !self.io.iter().all(drained) && !self.has_failed() {
            if Instant::now() > deadline {
                tracing::warn!("packets are still in flight after {DRAIN_WITHIN:?}: dropped as 'draining'");
                return;
            }
            thread::sleep(WATCH);
        }
    }

    /// Starts the cores, pinned to `cpus` if there are any.
    ///
    /// # Errors
    /// No thread.
    pub fn spawn(
        &self,
        cores: Vec<Core>,
        eal: &Eal,
        cpus: Option<&[usize]>,
    ) -> Result<Vec<thread::JoinHandle<Core>>, EngineError> {
        let mut threads = Vec::with_capacity(cores.len());
        for (index, mut core) in cores.into_iter().enumerate() {
            let (eal, error) = (eal.clone(), Arc::clone(&self.error));
            let cpu = cpus.map(|cpus| cpus[index]);
            let run = move || {
                let ran = prepare_thread(&eal, cpu).and_then(|_guard| core.run());
                if let Err(cause) = ran {
                    error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
                }
                core
            };
            let thread = thread::Builder::new().name(format!("core-{index}")).spawn(run);
            threads.push(thread.map_err(|source| EngineError::System { what: "a core's thread", source })?);
        }
        Ok(threads)
    }
}

/// Pins the calling thread and makes it an lcore.
fn prepare_thread(eal: &Eal, cpu: Option<usize>) -> Result<dpdk::EalThread, EngineError> {
    if let Some(cpu) = cpu {
        let mut set = rustix::thread::CpuSet::new();
        set.set(cpu);
        rustix::thread::sched_setaffinity(None, &set).map_err(|errno| EngineError::System {
            what: "pinning a core to its CPU",
            source: errno.into(),
        })?;
    }
    Ok(eal.register_thread()?)
}
