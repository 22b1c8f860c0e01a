//! Safe wrapper of the part of DPDK that Hummingbird uses.
