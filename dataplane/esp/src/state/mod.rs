//! SA state that outlives generations and, with a directory, the process.

mod keeper;
mod mark;
mod record;
mod store;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use keeper::{Entry, Keeper};
pub(crate) use mark::Mark;
pub use record::Damage;

use crate::{Direction, InboundSa, OutboundSa, SaIdentity, window::Window};

/// The largest replay window, packets.
const LARGEST_WINDOW: u32 = 65_536;

/// Whether SA state outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It does not.
    Volatile,
    /// It lies in a directory.
    Durable,
}

impl Persistence {
    /// The report's `saState`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Volatile => "volatile",
            Self::Durable => "durable",
        }
    }
}

/// How numbers are reserved. The defaults suit a million packets a second and
/// a disk that syncs within 20 ms.
#[derive(Clone, Copy, Debug)]
pub struct StateOptions {
    /// Numbers that an Encrypt SA reserves at a time. A crash wastes at most
    /// as many: the receiver sees a jump.
    pub outbound_block: u64,
    /// Numbers that a Decrypt SA's mark runs ahead of the highest seen. After
    /// a crash at most as many packets of the sender are refused.
    pub inbound_margin: u64,
    /// Ends every number space earlier than 2³² or 2⁶⁴ would.
    pub number_space: Option<u64>,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self { outbound_block: 1 << 18, inbound_margin: 1 << 15, number_space: None }
    }
}

impl StateOptions {
    /// The last number of a space. One is left out of 2⁶⁴, so that the number
    /// after the last still is one.
    fn limit(&self, esn: bool) -> u64 {
        let whole = if esn { u64::MAX - 1 } else { u32::MAX.into() };
        whole.min(self.number_space.unwrap_or(whole))
    }

    fn block(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Outbound => self.outbound_block,
            Direction::Inbound => self.inbound_margin,
        }
        .max(1)
    }

    /// `block` numbers beyond `used`, and not beyond the space.
    fn clamp(&self, used: u64, block: u64, esn: bool) -> u64 {
        used.saturating_add(block).min(self.limit(esn)).max(used)
    }
}

/// Why an SA cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory or a file in it.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the state directory {} is in use by another process; two senders may not share an SA", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// An SA's file does not say how far its numbers are used.
    #[error("the SA state {} is unusable: {damage}; give the SA new keys, then remove the file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// One set of keys with 32-bit and 64-bit numbers.
    #[error("the SA {identity} was used with esn: {}; with esn: {esn} it needs new keys", !esn)]
    EsnChanged {
        /// The SA.
        identity: SaIdentity,
        /// What is asked now.
        esn: bool,
    },
    /// A window larger than a running SA has room for, or than there is.
    #[error("a replay window of {wanted} packets: the SA {identity} takes at most {most}{}",
        if *most < LARGEST_WINDOW { " until the dataplane is restarted" } else { "" })]
    WindowTooLarge {
        /// The SA.
        identity: SaIdentity,
        /// What is asked.
        wanted: u32,
        /// What is possible.
        most: u32,
    },
    /// An identity of the other direction.
    #[error("the SA {0} works the other way")]
    Direction(SaIdentity),
}

/// The state of every SA that the process has seen, by identity. An SA that is
/// away for some generations finds its numbers again; nothing is ever removed.
pub struct SaStates {
    entries: Mutex<HashMap<SaIdentity, Entry>>,
    options: StateOptions,
    keeper: Option<(Arc<Keeper>, JoinHandle<()>)>,
}

impl SaStates {
    /// State that ends with the process.
    #[must_use]
    pub fn volatile() -> Self {
        Self::volatile_with(StateOptions::default())
    }

    /// The same, with options.
    #[must_use]
    pub fn volatile_with(options: StateOptions) -> Self {
        Self { entries: Mutex::default(), options, keeper: None }
    }

    /// State in `dir`, which is made where it is missing and locked against a
    /// second process.
    ///
    /// # Errors
    /// The directory cannot be written or is in use.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        Self::open_with(dir, StateOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(dir: &Path, options: StateOptions) -> Result<Self, StateError> {
        let keeper = Arc::new(Keeper::open(dir, options)?);
        let running = Arc::clone(&keeper);
        let thread = thread::Builder::new().name("sa-state".into()).spawn(move || running.run()).map_err(
            |source| StateError::Io { action: "start the thread that writes", path: dir.to_owned(), source },
        )?;
        Ok(Self { entries: Mutex::default(), options, keeper: Some((keeper, thread)) })
    }

    /// Whether state outlives the process.
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        if self.keeper.is_some() { Persistence::Durable } else { Persistence::Volatile }
    }

    /// Why the directory cannot be written just now, if so. SAs then go on
    /// until their reserved numbers are used up.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.keeper.as_ref().and_then(|(keeper, _)| keeper.problem())
    }

    /// The counters of an Encrypt SA: those that it has, or new ones behind
    /// whatever a former process may have used. Waits for the disk.
    ///
    /// # Errors
    /// Its file is damaged or cannot be written, or `esn` has changed.
    pub fn outbound(&self, identity: &SaIdentity, esn: bool) -> Result<Arc<OutboundSa>, StateError> {
        let mut entries = self.entries();
        match entries.get(identity) {
            Some(entry) if entry.esn() != esn => Err(StateError::EsnChanged { identity: *identity, esn }),
            Some(Entry::Outbound(sa)) => Ok(Arc::clone(sa)),
            Some(Entry::Inbound(_)) => Err(StateError::Direction(*identity)),
            None if identity.direction != Direction::Outbound => Err(StateError::Direction(*identity)),
            None => {
                let (last, mark) = self.reserve(*identity, esn)?;
                let limit = self.options.limit(esn);
                let sa = Arc::new(OutboundSa::new(*identity, esn, limit, last, mark));
                self.remember(&mut entries, Entry::Outbound(Arc::clone(&sa)), *identity);
                Ok(sa)
            }
        }
    }

    /// The replay window of a Decrypt SA, `replay_window` packets wide (0 is
    /// off): the one that it has, resized, or a new one that refuses whatever a
    /// former process may have let in. Waits for the disk.
    ///
    /// # Errors
    /// As [`outbound`](Self::outbound), and a window over 65,536 or over the
    /// running SA's room.
    pub fn inbound(
        &self,
        identity: &SaIdentity,
        esn: bool,
        replay_window: u32,
    ) -> Result<Arc<InboundSa>, StateError> {
        let too_large =
            |most| StateError::WindowTooLarge { identity: *identity, wanted: replay_window, most };
        if replay_window > LARGEST_WINDOW {
            return Err(too_large(LARGEST_WINDOW));
        }
        let mut entries = self.entries();
        match entries.get(identity) {
            Some(entry) if entry.esn() != esn => Err(StateError::EsnChanged { identity: *identity, esn }),
            Some(Entry::Inbound(sa)) if replay_window > sa.window().capacity() => {
                Err(too_large(sa.window().capacity()))
            }
            Some(Entry::Inbound(sa)) => {
                if replay_window != sa.replay_window() {
                    sa.window().resize(replay_window);
                }
                Ok(Arc::clone(sa))
            }
            Some(Entry::Outbound(_)) => Err(StateError::Direction(*identity)),
            None if identity.direction != Direction::Inbound => Err(StateError::Direction(*identity)),
            None => {
                let (last, mark) = self.reserve(*identity, esn)?;
                let window = Window::new(replay_window, last);
                let sa = Arc::new(InboundSa::new(*identity, esn, window, mark));
                self.remember(&mut entries, Entry::Inbound(Arc::clone(&sa)), *identity);
                Ok(sa)
            }
        }
    }

    /// Every Encrypt SA, for reports: identity and how far its numbers are used.
    #[must_use]
    pub fn outbound_sas(&self) -> Vec<Arc<OutboundSa>> {
        let mut sas: Vec<_> = self
            .entries()
            .values()
            .filter_map(|entry| match entry {
                Entry::Outbound(sa) => Some(Arc::clone(sa)),
                Entry::Inbound(_) => None,
            })
            .collect();
        sas.sort_by_key(|sa| *sa.identity());
        sas
    }

    /// Ends the writing. SAs that nobody holds any more go on, after a
    /// restart, exactly where they stopped; others behind their reserve.
    ///
    /// # Errors
    /// The directory cannot be written; what it says then still holds.
    pub fn close(mut self) -> Result<(), StateError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), StateError> {
        let Some((keeper, thread)) = self.keeper.take() else { return Ok(()) };
        keeper.stop();
        thread.thread().unpark();
        // The thread has no panic of its own to hand on.
        let _ = thread.join();
        let entries = std::mem::take(&mut *self.entries());
        // The keeper's copies go first: they are holders too.
        keeper.settle(entries)
    }

    fn reserve(&self, identity: SaIdentity, esn: bool) -> Result<(u64, Mark), StateError> {
        match &self.keeper {
            Some((keeper, thread)) => keeper.reserve(identity, esn, thread.thread()),
            None => Ok((0, Mark::volatile())),
        }
    }

    fn remember(&self, entries: &mut HashMap<SaIdentity, Entry>, entry: Entry, identity: SaIdentity) {
        if let Some((keeper, _)) = &self.keeper {
            keeper.watch(identity, entry.clone());
        }
        entries.insert(identity, entry);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<SaIdentity, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SaStates {
    fn drop(&mut self) {
        if let Err(failure) = self.finish() {
            tracing::error!("SA state: {failure}; after a restart SAs go on behind their reserve");
        }
    }
}

impl std::fmt::Debug for SaStates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SaStates({}, {} SAs)", self.persistence().as_str(), self.entries().len())
    }
}
