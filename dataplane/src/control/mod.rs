//! The control socket and the metrics endpoint: HTTP/1.1 on a thread of their
//! own, one request a connection (`docs/control.md`, `docs/metrics.md`).
//!
//! Nothing that a client does or leaves undone may hold up another client, the
//! packet path or the end of the run: heads, bodies and answers have time
//! limits, bodies a size, and connections are counted.

mod answer;
mod api;
mod body;
mod ending;
mod error;
mod limits;
mod metrics;
mod operations;
mod request;
mod route;
mod server;
mod socket;

use std::{net::SocketAddr, path::Path, sync::Arc, thread};

pub use error::ServeError;
pub use limits::Limits;
pub use metrics::{Kind, METRICS, Metric};
pub use operations::{Operations, Refusal};

use self::{
    api::Api,
    ending::Ending,
    route::Door,
    server::Listener,
    socket::{SocketFile, bind},
};

/// Threads for what may block: one change, and reports meanwhile.
const BLOCKING_THREADS: usize = 4;

/// The servers of a run; dropping them closes their sockets.
pub struct Servers {
    ending: tokio::sync::watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
    file: Option<SocketFile>,
    metrics: Option<SocketAddr>,
}

impl Servers {
    /// Starts those that are wanted: the control socket at the path `control`,
    /// metrics at the address `metrics`.
    ///
    /// # Errors
    /// An address cannot be listened at.
    pub fn start(
        control: Option<&Path>,
        metrics: Option<SocketAddr>,
        operations: Arc<dyn Operations>,
    ) -> Result<Self, ServeError> {
        Self::start_within(control, metrics, operations, Limits::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// An address cannot be listened at.
    pub fn start_within(
        control: Option<&Path>,
        metrics: Option<SocketAddr>,
        operations: Arc<dyn Operations>,
        limits: Limits,
    ) -> Result<Self, ServeError> {
        let (ending, told) = tokio::sync::watch::channel(false);
        let mut servers = Self { ending, thread: None, file: None, metrics: None };
        if control.is_none() && metrics.is_none() {
            return Ok(servers);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("control-work")
            .build()
            .map_err(ServeError::Runtime)?;
        let mut listeners = Vec::new();
        {
            let _inside = runtime.enter();
            if let Some(path) = control {
                let (listener, file) =
                    bind(path).map_err(|source| ServeError::Socket { path: path.into(), source })?;
                servers.file = Some(file);
                let listener = tokio::net::UnixListener::from_std(listener).map_err(ServeError::Runtime)?;
                listeners.push((Listener::Unix(listener), Door::Control));
            }
            if let Some(address) = metrics {
                let failed = |source| ServeError::Address { address, source };
                let listener = std::net::TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                tracing::info!("metrics at http://{bound}/metrics");
                servers.metrics = Some(bound);
                let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
                listeners.push((Listener::Tcp(listener), Door::Metrics));
            }
        }
        let ending = Ending::new(told);
        let api = Arc::new(Api::new(operations, limits, ending.clone()));
        let serve = move || {
            runtime.block_on(server::serve(listeners, api, limits, ending));
            // A change that still runs holds parts of the chain: it is waited for.
            runtime.shutdown_timeout(limits.change_grace);
        };
        let thread =
            thread::Builder::new().name("control".into()).spawn(serve).map_err(ServeError::Runtime)?;
        servers.thread = Some(thread);
        Ok(servers)
    }

    /// Where metrics are served; tells the port that port 0 became.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }
}

impl Drop for Servers {
    /// Admits no more clients, answers those that are there within the limits,
    /// and removes the socket's file.
    fn drop(&mut self) {
        self.ending.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the control thread panicked");
        }
        self.file = None;
    }
}
