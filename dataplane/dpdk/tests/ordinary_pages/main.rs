//! The crate against DPDK on ordinary pages: no hugepages, no PCI.
//!
//! One binary, for a process can start the EAL only once.

mod common;
mod fib;
mod pool;
mod ports;
