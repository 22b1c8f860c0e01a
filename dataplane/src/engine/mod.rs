//! The process: roles placed on cores, cores run as threads, started in order
//! and stopped in the reverse one.

mod core;
mod error;
mod memory;
mod placement;
mod start;
mod status;

pub use error::EngineError;
pub use placement::{CorePlan, Demand, Placement, RolePlan, place};
pub use start::{Engine, GpuChoice, Options};
pub use status::{Outcome, StopReason};
