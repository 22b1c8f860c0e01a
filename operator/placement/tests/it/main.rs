//! One binary for all tests of placement.

mod common;
mod conversions;
mod properties;
mod refusals;
mod sticky;
