//! The process: roles placed on cores, cores run as threads, started in order
//! and stopped in the reverse one.

mod change;
mod core;
mod error;
mod memory;
mod placement;
mod reporter;
mod start;
mod status;
mod wire;

/// Work items of a workgroup, and so packets of a row.
const ROW_ITEMS: u16 = 64;
/// Rows that a workgroup may have outstanding.
const ROW_DEPTH: u16 = 4;

pub use error::EngineError;
pub use placement::{Demand, NewInstance, Placement, RolePlan, place};
pub use reporter::Reporter;
pub use start::{Engine, GpuChoice, Options, Signals};
pub use status::{Outcome, StopReason};
