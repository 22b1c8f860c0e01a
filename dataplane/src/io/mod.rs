//! The I/O cores (the paper's mDPDK): receive, admit, classify; transmit.

mod ingress;
mod role;

pub use ingress::{Ingress, ingress, spi_key};
pub use role::{IoPort, IoRole, IoState};
