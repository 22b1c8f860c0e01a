//! How a run ended.

use crate::report::Report;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Every capture is through.
    CapturesDone,
    /// `--duration` is over.
    Duration,
    /// SIGTERM or SIGINT.
    Signal,
    /// Somebody asked for a drain.
    Drain,
}

/// A run that ended, well or not.
pub struct Outcome {
    /// What happened until then.
    pub report: Report,
    /// Why it ended.
    pub reason: Result<StopReason, super::EngineError>,
}
