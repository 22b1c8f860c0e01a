//! The thread that writes marks, off the hot path.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Mark, StateError, StateOptions, record::Record, store::Store};
use crate::{InboundSa, OutboundSa, SaIdentity};

/// Time between two tries of a disk that refused; short, for the files of other
/// SAs may be writable and their reserves run on.
const RETRY: Duration = Duration::from_millis(50);

/// An SA's live state.
#[derive(Clone)]
pub(crate) enum Entry {
    Outbound(Arc<OutboundSa>),
    Inbound(Arc<InboundSa>),
}

impl Entry {
    pub(crate) fn esn(&self) -> bool {
        match self {
            Self::Outbound(sa) => sa.esn(),
            Self::Inbound(sa) => sa.esn(),
        }
    }

    fn mark(&self) -> &Mark {
        match self {
            Self::Outbound(sa) => sa.mark(),
            Self::Inbound(sa) => sa.mark(),
        }
    }

    fn used(&self) -> u64 {
        match self {
            Self::Outbound(sa) => sa.number_use().last,
            Self::Inbound(sa) => sa.highest(),
        }
    }

    /// The last number used, if nobody else holds the SA and so none can follow.
    fn settled(self) -> Option<u64> {
        match self {
            Self::Outbound(sa) => Arc::into_inner(sa).map(|sa| sa.number_use().last),
            Self::Inbound(sa) => Arc::into_inner(sa).map(|sa| sa.highest()),
        }
    }
}

/// What the registry and the keeper's thread share.
pub(crate) struct Keeper {
    store: Store,
    options: StateOptions,
    entries: Mutex<HashMap<SaIdentity, Entry>>,
    stop: AtomicBool,
    problem: Mutex<Option<String>>,
}

/// Nothing panics while it holds one of these locks, and if it did, the data
/// behind would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    pub(crate) fn open(dir: &Path, options: StateOptions) -> Result<Self, StateError> {
        Ok(Self {
            store: Store::open(dir)?,
            options,
            entries: Mutex::default(),
            stop: AtomicBool::new(false),
            problem: Mutex::default(),
        })
    }

    pub(crate) fn problem(&self) -> Option<String> {
        lock(&self.problem).clone()
    }

    /// Reads what is known of an SA and reserves the first numbers: the last
    /// number that counts as used, and a mark beyond it that the disk has.
    pub(crate) fn reserve(
        &self,
        identity: SaIdentity,
        esn: bool,
        thread: &thread::Thread,
    ) -> Result<(u64, Mark), StateError> {
        let last = match self.store.load(identity)? {
            Some(record) if record.esn != esn => return Err(StateError::EsnChanged { identity, esn }),
            Some(record) => record.mark,
            None => 0,
        };
        let block = self.options.block(identity.direction);
        let mark = self.options.clamp(last, block, esn);
        self.store.save(&Record { identity, esn, mark })?;
        Ok((last, Mark::durable(mark, mark - last, thread.clone())))
    }

    pub(crate) fn watch(&self, identity: SaIdentity, entry: Entry) {
        lock(&self.entries).insert(identity, entry);
    }

    /// The thread's life: answer those who ask, sleep, until told to stop.
    pub(crate) fn run(&self) {
        while !self.stop.load(Ordering::Acquire) {
            match self.answer() {
                Ok(0) => thread::park(),
                Ok(_) => self.recovered(),
                Err(failure) => {
                    self.failed(&failure);
                    self.wait(RETRY);
                }
            }
        }
    }

    /// Moves the marks of all who ask; how many did.
    fn answer(&self) -> Result<usize, StateError> {
        let asking: Vec<(SaIdentity, Entry)> = lock(&self.entries)
            .iter()
            .filter(|(_, entry)| entry.mark().asked().is_some())
            .map(|(identity, entry)| (*identity, entry.clone()))
            .collect();
        let mut moved = Vec::with_capacity(asking.len());
        let mut failure = None;
        for (identity, entry) in &asking {
            let block = self.options.block(identity.direction);
            let used = entry.used().max(entry.mark().asked().unwrap_or(0));
            let mark = self.options.clamp(used, block, entry.esn());
            match self.store.replace(&Record { identity: *identity, esn: entry.esn(), mark }) {
                Ok(()) => moved.push((entry, mark, mark - used.min(mark))),
                Err(why) => failure = Some(why),
            }
        }
        if !moved.is_empty() {
            self.store.sync_dir()?;
        }
        for (entry, mark, reserved) in moved {
            entry.mark().moved(mark, reserved);
        }
        failure.map_or(Ok(asking.len()), Err)
    }

    fn failed(&self, failure: &StateError) {
        let text = failure.to_string();
        let before = lock(&self.problem).replace(text.clone());
        if before.is_none() {
            tracing::error!("SA state: {text}; SAs stop when their reserved numbers are used up");
        }
    }

    fn recovered(&self) {
        if lock(&self.problem).take().is_some() {
            tracing::info!("SA state: the state directory can be written again");
        }
    }

    /// Sleeps that long, whoever asks meanwhile, unless told to stop.
    fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.stop.load(Ordering::Acquire) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// After the thread has ended: writes for every SA that nobody holds any
    /// more the last number that it really used, so that a clean restart skips
    /// none. `entries` are the registry's own.
    pub(crate) fn settle(&self, entries: HashMap<SaIdentity, Entry>) -> Result<(), StateError> {
        lock(&self.entries).clear();
        let mut failure = None;
        for (identity, entry) in entries {
            let esn = entry.esn();
            if let Some(mark) = entry.settled()
                && let Err(why) = self.store.replace(&Record { identity, esn, mark })
            {
                failure = Some(why);
            }
        }
        self.store.sync_dir()?;
        failure.map_or(Ok(()), Err)
    }
}
