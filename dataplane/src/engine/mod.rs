//! The process: roles placed on cores, cores run as threads, started in order
//! and stopped in the reverse one.

mod aside;
mod back_off;
mod bindings;
mod change;
mod core;
mod error;
mod handle;
mod memory;
mod options;
mod placement;
mod reporter;
mod run;
mod start;
mod status;
mod watch;
mod wire;

/// Work items of a workgroup, and so packets of a row.
const ROW_ITEMS: u16 = 64;
/// Rows that a workgroup may have outstanding.
const ROW_DEPTH: u16 = 4;

pub use error::EngineError;
pub use options::{GpuChoice, Options};
pub use placement::{Demand, NewInstance, Placement, RolePlan, place};
pub use reporter::Reporter;
pub use run::{Engine, Signals};
pub use status::{Outcome, StopReason};
