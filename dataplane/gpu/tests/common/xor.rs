//! The test kernel.

use hummingbird_gpu::opencl::Program;

/// XORs packets with a table, and echoes what it was given.
pub const XOR: Program<'static> =
    Program { source: include_str!("xor.cl"), kernel: "xor_syncer", options: "-cl-std=CL3.0" };
