//! Generations of tables as the cores use them.

mod build;
mod live;
mod roster;
mod structural;
mod view;

pub use build::{Home, build};
pub use live::{LiveFunction, LiveTables};
pub use roster::{CLASSES, FUNCTIONS, Kind, Member, Roster, RosterFull};
pub use structural::structural;
pub use view::{LiveView, Publication, Recent, SLOTS, Slot, View};
