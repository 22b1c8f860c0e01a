//! Why a chain does not start, or stops with an error.

use crate::{
    nf::FunctionError,
    ports::{CaptureError, OpenError},
};

/// Every way in which the engine fails.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The `--port` arguments do not fit the manifest.
    #[error("{0}")]
    Ports(String),
    /// A port cannot be opened.
    #[error("port {name}: {source}")]
    Port {
        /// The port.
        name: String,
        /// What is wrong.
        source: OpenError,
    },
    /// DPDK refuses.
    #[error(transparent)]
    Dpdk(#[from] dpdk::Error),
    /// The OpenCL back end cannot be opened.
    #[error(transparent)]
    OpenCl(#[from] hummingbird_gpu::opencl::OpenError),
    /// No such shape of workgroups and rows.
    #[error(transparent)]
    Geometry(#[from] hummingbird_gpu::GeometryError),
    /// The persistent kernel does not come up.
    #[error(transparent)]
    Launch(#[from] hummingbird_gpu::StartError),
    /// The persistent kernel is over.
    #[error(transparent)]
    Gpu(#[from] hummingbird_gpu::LaunchError),
    /// A function cannot be made ready.
    #[error("function {name}: {source}")]
    Function {
        /// The function.
        name: String,
        /// What is wrong.
        source: FunctionError,
    },
    /// An instance of a function cannot be made.
    #[error(transparent)]
    Instance(#[from] FunctionError),
    /// Too many functions or classes have had names.
    #[error(transparent)]
    Roster(#[from] crate::tables::RosterFull),
    /// The state directory cannot be used.
    #[error("--state: {0}")]
    State(#[from] hummingbird_esp::StateError),
    /// The cipher library cannot be used.
    #[error(transparent)]
    Cipher(#[from] ipsec_mb::NewManagerError),
    /// A capture cannot be read or written.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The alert log cannot be written.
    #[error("--alerts: {0}")]
    Alerts(std::io::Error),
    /// Memory or threads are refused.
    #[error("{what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A core's thread panicked.
    #[error("core {0} panicked; this is a defect of hummingbird-dataplane")]
    Panic(u8),
}
