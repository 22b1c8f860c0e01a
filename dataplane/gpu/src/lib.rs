#![doc = include_str!("../README.md")]

mod accelerator;
mod arena;
mod geometry;
mod launcher;
pub mod opencl;
pub mod protocol;
mod queue;
mod region;
mod rows;
mod tables;

pub use accelerator::{Accelerator, Capabilities, LaunchError, LaunchStatus};
pub use geometry::{Geometry, GeometryError, WorkgroupId};
pub use hummingbird_kernels::layout;
pub use launcher::{LaunchSettings, Launcher, Relauncher, StartError};
pub use protocol::RowNumber;
pub use queue::{FinishedRow, RowBuilder, RowQueue};
pub use region::{HUGE_PAGE, SharedRegion};
pub use rows::{BadRowRegion, RowMemory};
pub use tables::{SharedTables, TableMemory, TableMemoryFull, TableRef, Tables};
