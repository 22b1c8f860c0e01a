//! Accepting connections, and one connection from its start to its end.

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    sync::Notify,
    task::JoinSet,
    time::timeout,
};

use super::{Ending, Limits, answer::SOON, api::Api, route::Door};

/// What waits for connections.
pub enum Listener {
    /// At a path.
    Unix(UnixListener),
    /// At an address.
    Tcp(TcpListener),
}

/// A client's end of the wire.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Pause after a failed accept: mostly, no file descriptor is free.
const BREATH: Duration = Duration::from_millis(50);
/// How long a client that is refused may take to notice.
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);

/// Serves all `listeners` until the end, then lets what is under way finish.
pub async fn serve(listeners: Vec<(Listener, Door)>, api: Arc<Api>, limits: Limits, ending: Ending) {
    let mut tasks = JoinSet::new();
    for (listener, door) in listeners {
        tasks.spawn(listen(listener, door, Arc::clone(&api), limits, ending.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

async fn listen(listener: Listener, door: Door, api: Arc<Api>, limits: Limits, ending: Ending) {
    let mut served = JoinSet::new();
    let mut refused = JoinSet::new();
    loop {
        let stream = tokio::select! {
            biased;
            () = ending.wait() => break,
            Some(_) = served.join_next() => continue,
            Some(_) = refused.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!("no control connection can be accepted: {error}");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            },
        };
        if served.len() < limits.connections {
            served.spawn(converse(stream, door, Arc::clone(&api), limits, ending.clone()));
        } else if refused.len() < limits.connections {
            refused.spawn(refuse(stream, ending.clone()));
        }
    }
    drop(listener);
    while served.join_next().await.is_some() {}
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// One request and its answer; then the connection closes.
async fn converse(stream: Box<dyn Stream>, door: Door, api: Arc<Api>, limits: Limits, ending: Ending) {
    let (begun, answered) = (AtomicBool::new(false), Notify::new());
    let service = service_fn(|request| {
        begun.store(true, Ordering::Relaxed);
        let answer = api.answer(door, request);
        let answered = &answered;
        async move {
            let answer = answer.await;
            answered.notify_one();
            Ok::<_, Infallible>(answer)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_within).keep_alive(false);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // How a connection ends is its client's affair: errors are not reported.
    // First in order is the connection: what has arrived has begun.
    let left = tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = answered.notified() => limits.answer_within,
        () = ending.wait() => limits.grace,
    };
    if begun.load(Ordering::Relaxed) {
        let _ = timeout(left, connection).await;
    }
}

/// Says that there are too many, and waits a moment for the client to hear it:
/// closing at once would take the answer away from a client that still sends.
async fn refuse(mut stream: Box<dyn Stream>, ending: Ending) {
    let body = "{\"reason\":\"Busy\",\"errors\":[{\"field\":\"connection\",\"reason\":\"too many clients at once\"}]}\n";
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: {SOON}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let tell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 4096];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = ending.or(timeout(REFUSAL_WITHIN, tell)).await;
}
