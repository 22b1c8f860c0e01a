//! The GPU coordinator and scheduler (paper, section IV-A4), its half on the
//! CPU: roles that fill rows and harvest them. The other half is the
//! persistent kernel; the protocol between them is `hummingbird-gpu`'s.

mod served;
mod syncer;

pub use served::Served;
pub use syncer::SyncerRole;
