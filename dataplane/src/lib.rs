#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod cli;
pub mod control;
pub mod cpu;
pub mod engine;
pub mod forward;
pub mod gpu;
pub mod io;
pub mod meta;
pub mod nf;
pub mod packet;
pub mod ports;
pub mod report;
pub mod tables;
#[cfg(test)]
mod testing;

pub use hummingbird_crds::DropReason;
