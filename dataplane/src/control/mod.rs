//! The control socket and the metrics endpoint.

mod operations;

use std::{net::SocketAddr, path::Path, sync::Arc};

pub use operations::{Operations, Refusal};

/// The servers of a run; dropping them closes their sockets.
pub struct Servers {}

impl Servers {
    /// Starts those that are wanted.
    ///
    /// # Errors
    /// An address cannot be listened at.
    pub fn start(
        _control: Option<&Path>,
        _metrics: Option<SocketAddr>,
        _operations: Arc<dyn Operations>,
    ) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}
