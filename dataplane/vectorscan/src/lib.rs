#![doc = include_str!("../README.md")]

mod database;
mod scratch;
mod sys;

pub use database::{CompileError, Database, ScanError};
pub use scratch::Scratch;
