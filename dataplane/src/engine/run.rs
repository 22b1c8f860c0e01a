//! A chain that runs: until when, and how it ends.

use std::{
    path::PathBuf,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hummingbird_gpu::Launcher;

use super::{
    EngineError, Outcome, StopReason,
    core::Core,
    handle::Handle,
    watch::{WATCH, Watch},
};
use crate::{
    control::Operations,
    packet::Pool,
    report::{MbufReport, alerts},
};

/// A chain that runs.
pub struct Engine {
    // Dropped in this order: first what uses packets, last what they lie in.
    pub(super) threads: Vec<thread::JoinHandle<Core>>,
    pub(super) launcher: Option<Launcher>,
    pub(super) log: Option<alerts::AlertLog>,
    pub(super) devices: Vec<dpdk::Port>,
    pub(super) pool: Pool,
    pub(super) handle: Arc<Handle>,
    pub(super) watch: Watch,
}

/// What the process is told from outside.
#[derive(Debug, Default)]
pub struct Signals {
    /// SIGTERM or SIGINT came.
    pub end: Arc<AtomicBool>,
    /// SIGHUP came.
    pub reload: Arc<AtomicBool>,
    /// The file that SIGHUP reads anew.
    pub chain: PathBuf,
}

impl Engine {
    /// The chain's side of the control socket.
    #[must_use]
    pub fn operations(&self) -> Arc<dyn Operations> {
        Arc::clone(&self.handle) as Arc<dyn Operations>
    }

    /// Runs until every capture is through, `duration` is over, `signal` is
    /// set, a drain is asked for or a core fails. Then drains, stops and
    /// reports. `servers` are dropped once the last packet has left.
    pub fn run<S>(self, duration: Option<Duration>, signals: &Signals, servers: S) -> Outcome {
        let deadline = duration.map(|duration| Instant::now() + duration);
        let mut reloading = None;
        let reason = loop {
            if self.watch.has_failed() {
                break Ok(StopReason::Drain);
            }
            if signals.end.load(Ordering::Acquire) {
                break Ok(StopReason::Signal);
            }
            if self.watch.drain.load(Ordering::Acquire) {
                break Ok(StopReason::Drain);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break Ok(StopReason::Duration);
            }
            if self.watch.captures_are_through() {
                break Ok(StopReason::CapturesDone);
            }
            self.handle.changer.reap();
            self.reload(signals, &mut reloading);
            thread::sleep(WATCH);
        };
        self.handle.changer.end();
        if let Some(reload) = reloading {
            let _: Result<(), _> = reload.join();
        }
        self.stop(reason, servers)
    }

    /// What is not back in the pool once every device is closed.
    fn leftovers(&self) -> MbufReport {
        let outside = u64::from(self.pool.in_use());
        if self.watch.has_kernel_rings {
            // The driver does not give back what its fill and completion rings
            // hold, so there only the packets' own account can tell.
            let leaked = self.handle.reporter.in_flight();
            MbufReport { leaked, in_kernel_rings: outside.saturating_sub(leaked) }
        } else {
            MbufReport { leaked: outside, in_kernel_rings: 0 }
        }
    }

    /// Answers SIGHUP on a thread of its own; a storm of them is one reload
    /// after the one that is on.
    fn reload(&self, signals: &Signals, reloading: &mut Option<thread::JoinHandle<()>>) {
        if reloading.as_ref().is_some_and(|reload| !reload.is_finished())
            || !signals.reload.swap(false, Ordering::AcqRel)
        {
            return;
        }
        let (handle, chain) = (Arc::clone(&self.handle), signals.chain.clone());
        let reload = thread::Builder::new().name("reload".into()).spawn(move || handle.reload(&chain));
        match reload {
            Ok(reload) => *reloading = Some(reload),
            Err(error) => tracing::error!(%error, "cannot reload"),
        }
    }

    /// Stops in order: no more admission, drain, cores, kernel, leftovers.
    fn stop<S>(mut self, reason: Result<StopReason, EngineError>, servers: S) -> Outcome {
        self.watch.drain();
        self.watch.orders.stop.store(true, Ordering::Release);
        let mut cores = Vec::with_capacity(self.threads.len());
        for (index, thread) in self.threads.drain(..).enumerate() {
            match thread.join() {
                Ok(core) => cores.push(core),
                Err(_) => self.watch.fail(EngineError::Panic(index as u8)),
            }
        }
        if let Some(launcher) = self.launcher.take()
            && let Err(error) = launcher.stop()
        {
            self.watch.fail(error.into());
        }
        for core in &mut cores {
            if let Err(error) = core.finish() {
                self.watch.fail(error);
            }
        }
        cores.iter_mut().for_each(Core::abandon);
        drop(cores);
        if let Some(log) = self.log.take()
            && let Err(error) = log.close()
        {
            self.watch.fail(EngineError::Alerts(error));
        }
        drop(servers);
        let mut report = self.handle.reporter.report();
        self.devices.clear();
        report.mbufs = self.leftovers();
        let error = self.watch.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let closed = self.handle.close().map_err(EngineError::from);
        let reason = match error {
            Some(error) => Err(error),
            None => closed.and(reason),
        };
        Outcome { report, reason }
    }
}
