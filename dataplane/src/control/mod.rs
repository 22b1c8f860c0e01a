//! The control socket and the metrics endpoint.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use crate::engine::Reporter;

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
        _reporter: Arc<Reporter>,
        _drain: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}
