//! The OpenCL C kernels, their memory layouts and one Rust oracle per kernel.

#![forbid(unsafe_code)]

pub mod layout;
