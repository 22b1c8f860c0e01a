#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod dfa;
pub mod layout;
#[cfg(feature = "oracle")]
pub mod oracle;
mod program;
pub mod sa;
mod words;

pub use program::{BUILD_OPTIONS, KERNEL_NAME, program_source};
