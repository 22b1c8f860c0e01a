#![doc = include_str!("../README.md")]

mod job;
mod key;
mod manager;
mod sys;

pub use job::{HEADER, ICV, IV, Job, LengthError, OVERHEAD, Verdict};
pub use key::Key;
pub use manager::{BURST, Manager, NewManagerError};
