//! Ports: what the manifest's ports are bound to in this run.
//!
//! Devices are DPDK's. Captures and traces are ours over the same mbufs, since
//! their end, their short frames and a full disk must be seen (`docs/adr`).

mod binding;
mod capture;
mod open;
mod pace;
mod sink;
mod source;

pub use binding::{Binding, BindingError, PortArgument};
pub use capture::{CaptureError, CaptureReader, CaptureWriter};
pub use open::{OpenError, OpenPort, open};
pub use sink::{Sent, Sink};
pub use source::{Received, Source};
