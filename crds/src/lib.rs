//! The NfChain API: types, validation and compilation of a bundle into tables.

#![forbid(unsafe_code)]

pub mod tables;
