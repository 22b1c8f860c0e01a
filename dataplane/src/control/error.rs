//! Why the servers do not start.

use std::{io, net::SocketAddr, path::PathBuf};

/// An address cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The control socket.
    #[error("control socket {}: {source}", path.display())]
    Socket {
        /// Where it was to be.
        path: PathBuf,
        /// Why it is not.
        source: SocketError,
    },
    /// The metrics endpoint.
    #[error("cannot serve metrics at {address}: {source}; choose another --metrics")]
    Address {
        /// Where it was to be.
        address: SocketAddr,
        /// Why it is not.
        source: io::Error,
    },
    /// The thread that serves them.
    #[error("cannot start the control thread: {0}")]
    Runtime(io::Error),
}

/// Why a Unix socket cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit into a socket address.
    #[error("the path is longer than the 107 bytes that a Unix socket's may have")]
    TooLong,
    /// Somebody listens there.
    #[error("another process answers there: stop it, or choose another --control")]
    InUse,
    /// A file of another kind has that name.
    #[error("there is a file of that name that is no socket: remove it, or choose another --control")]
    NotASocket,
    /// The system refuses.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
}
