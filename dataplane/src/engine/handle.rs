//! The chain's side of the control socket and of SIGHUP.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hummingbird_esp::{SaStates, StateError};

use super::{
    Reporter,
    change::{Changer, Wanted},
};
use crate::{
    control::{Operations, Refusal},
    report::Report,
};

/// What the control socket holds of a chain.
pub struct Handle {
    /// Makes reports.
    pub reporter: Reporter,
    /// Changes tables.
    pub changer: Changer,
    /// Set to end the run with a drain.
    pub drain: Arc<AtomicBool>,
}

impl Handle {
    /// Makes the chain's file the running generation, if it has changed.
    pub fn reload(&self, chain: &Path) {
        let changed = match std::fs::read(chain) {
            Ok(bundle) => self.changer.change(&bundle, Wanted::IfChanged),
            Err(error) => return tracing::error!(%error, "cannot read {}: the tables stay", chain.display()),
        };
        if let Err(refusal) = changed {
            tracing::error!("{} is refused, the tables stay: {refusal}", chain.display());
        }
    }

    /// Makes SA state durable up to its last number, once nothing uses it any more.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn close(self: Arc<Self>) -> Result<(), StateError> {
        let states = Arc::into_inner(self).and_then(|handle| {
            let Self { reporter: Reporter { states, .. }, changer, .. } = handle;
            drop(changer);
            Arc::into_inner(states)
        });
        states.map_or(Ok(()), SaStates::close)
    }
}

impl Operations for Handle {
    fn status(&self) -> Report {
        self.reporter.report()
    }

    fn drain(&self) {
        self.drain.store(true, Ordering::Release);
    }

    fn change(&self, bundle: &[u8], wanted: Option<u64>) -> Result<u64, Refusal> {
        self.changer.change(bundle, wanted.map_or(Wanted::Next, Wanted::Exactly))
    }
}
