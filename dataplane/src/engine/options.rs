//! How to run a chain.

use std::path::PathBuf;

use hummingbird_gpu::opencl::DeviceChoice;

use crate::ports::PortArgument;

/// Where GPU functions run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuChoice {
    /// On the CPU, one instance each.
    None,
    /// On an OpenCL device.
    OpenCl {
        /// Which one.
        device: DeviceChoice,
        /// Workgroups that PoCL is taken to hold.
        pocl_capacity: u16,
    },
}

/// How to run a chain.
#[derive(Clone, Debug)]
pub struct Options {
    /// What each port is bound to.
    pub ports: Vec<PortArgument>,
    /// Where GPU functions run.
    pub gpu: GpuChoice,
    /// CPUs for the cores, one core each; absent: as many cores as the process
    /// may use CPUs, not pinned.
    pub cpus: Option<Vec<usize>>,
    /// I/O roles.
    pub io: usize,
    /// CPUSyncers.
    pub syncers: usize,
    /// Packets that each I/O role may have in flight.
    pub in_flight: usize,
    /// Ordinary pages for DPDK even where hugepages are free.
    pub no_huge: bool,
    /// Bytes of table memory on the accelerator.
    pub table_bytes: usize,
    /// Empty polls after which a workgroup leaves.
    pub lease_polls: u32,
    /// Where alerts are logged.
    pub alerts: Option<PathBuf>,
    /// Where SA state outlives the process.
    pub state: Option<PathBuf>,
}
