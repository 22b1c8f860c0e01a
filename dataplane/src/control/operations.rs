//! What the control socket asks of the chain that runs.

use hummingbird_crds::Violation;

use crate::report::Report;

/// The chain's side of the control socket. Calls may block, never for long
/// but for a change, which compiles its bundle first.
pub trait Operations: Send + Sync {
    /// What happened so far.
    fn status(&self) -> Report;

    /// Ends the run: admits nothing more, lets what is in flight leave.
    fn drain(&self);

    /// Makes `bundle` (YAML or JSON) the generation that new packets are
    /// classified in, and returns its number once that is so. Without
    /// `wanted` the number is one higher than the last; with it, a repeat of
    /// the running generation with the same content changes nothing.
    ///
    /// # Errors
    /// Why the old generation stays, untouched.
    fn change(&self, bundle: &[u8], wanted: Option<u64>) -> Result<u64, Refusal>;
}

/// Why a table change is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bundle is wrong or does not fit: all that is wrong with it (422).
    #[error("{}", lines(.0))]
    Invalid(Vec<Violation>),
    #[error("generation {running} runs, which is as new")]
    /// The generation is not newer than the one that runs (409, `NotNewer`).
    NotNewer {
        /// The one that runs.
        running: u64,
    },
    #[error("only a restart can change {}", lines(.0))]
    /// Ports, cores, workgroups or memory would change (409, `RequiresRestart`).
    RequiresRestart(Vec<Violation>),
    #[error("too many generations are draining; try again")]
    /// Too many generations are still draining (503).
    Draining {
        /// When to try again, seconds.
        retry_after: u32,
    },
    #[error("the chain is ending")]
    /// The chain is ending (503).
    Ending {
        /// When to try again, seconds: by then another process may answer.
        retry_after: u32,
    },
}

fn lines(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
