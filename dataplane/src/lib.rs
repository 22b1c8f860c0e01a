//! The packet path: ports, cores, network functions, on CPU and GPU.
