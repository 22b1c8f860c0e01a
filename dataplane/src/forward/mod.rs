//! The packet forwarding module (paper, section IV-A3): from a hop to the
//! next, wherever that runs.
//!
//! A *station* is a place where packets wait for a role: an instance of a CPU
//! function, a CPUSyncer, or a port's transmit side. Every station lives on one
//! core. A packet for a station of the same core goes straight to its inbox; a
//! packet for another core goes through the ring between the two cores (paper,
//! section IV-F). Because of the credit that admission gives, no inbox and no
//! ring is ever full.

mod credit;
mod decide;
mod forwarder;
mod ring;

pub use credit::{CoreRetirements, Credit, Retirements};
pub use decide::{Decision, Verdict, decide, opposite};
pub use forwarder::{Forwarder, Wiring};
pub use ring::{CoreRings, Lane, Outlet, mesh};

/// A core of this process: a thread that runs roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoreId(pub u8);

/// A place where packets wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct StationId(pub u16);

impl CoreId {
    /// The index as a `usize`.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl StationId {
    /// The index as a `usize`.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
