//! Generations of tables as the cores use them.

mod build;
mod live;
mod view;

pub use build::build;
pub use live::{LiveFunction, LiveTables};
pub use view::{LiveView, Slot};
