//! A chain that is none, and a client that says exactly what it is told to.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    collections::{BTreeMap, VecDeque},
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hummingbird_dataplane::{
    control::{Limits, Operations, Refusal, Servers},
    report::{
        AlertReport, ClassReport, FunctionReport, Latency, MbufReport, MemoryReport, PortReport, Report,
        SaReport, TrafficReport,
    },
};

/// No answer may take longer: a test that waits for more has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers from a list, and remembers what it was asked.
#[derive(Default)]
pub struct Fake {
    /// What changes answer, in order; after the last, the next generation.
    pub answers: Mutex<VecDeque<Result<u64, Refusal>>>,
    /// The changes that were asked for.
    pub seen: Mutex<Vec<(Vec<u8>, Option<u64>)>>,
    /// How many drains were.
    pub drains: AtomicUsize,
    /// The report's warnings.
    pub warnings: Mutex<Vec<String>>,
    /// Changes wait there.
    pub gate: Gate,
    running: AtomicUsize,
    /// Most changes that ran at a time.
    pub most: AtomicUsize,
}

/// Lets changes through, or holds them.
#[derive(Default)]
pub struct Gate {
    state: Mutex<GateState>,
    moved: Condvar,
}

#[derive(Default)]
struct GateState {
    held: bool,
    inside: usize,
}

impl Gate {
    /// Changes wait from now on.
    pub fn hold(&self) {
        self.state.lock().unwrap().held = true;
    }

    /// Changes pass from now on.
    pub fn open(&self) {
        self.state.lock().unwrap().held = false;
        self.moved.notify_all();
    }

    /// Waits until `count` changes have come to the gate.
    pub fn await_arrivals(&self, count: usize) {
        let state = self.state.lock().unwrap();
        let (_state, timeout) =
            self.moved.wait_timeout_while(state, PATIENCE, |state| state.inside < count).unwrap();
        assert!(!timeout.timed_out(), "the change never ran");
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.inside += 1;
        self.moved.notify_all();
        drop(self.moved.wait_while(state, |state| state.held).unwrap());
    }
}

impl Operations for Fake {
    fn status(&self) -> Report {
        Report { warnings: self.warnings.lock().unwrap().clone(), ..report() }
    }

    fn drain(&self) {
        self.drains.fetch_add(1, Ordering::SeqCst);
    }

    fn change(&self, bundle: &[u8], wanted: Option<u64>) -> Result<u64, Refusal> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.gate.pass();
        assert_ne!(bundle, b"panic", "as the test wants");
        let mut seen = self.seen.lock().unwrap();
        seen.push((bundle.to_vec(), wanted));
        let next = report().generation + seen.len() as u64;
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Ok(next));
        self.running.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

/// A report with something in every field.
pub fn report() -> Report {
    let traffic = |packets| TrafficReport { packets, bytes: packets * 100 };
    let latency_us = Latency { p50: 1.5, p99: 20.25, p999: 300.0 };
    let function = |compute, units, packets, rows_out, rows_limit| FunctionReport {
        compute,
        units,
        packets,
        bytes: packets * 90,
        drops: BTreeMap::from([("no_sa", 3)]),
        latency_us,
        waiting: 12,
        rows_out,
        rows_limit,
    };
    let class = |packets| ClassReport {
        packets,
        bytes: packets * 100,
        drops: BTreeMap::from([("no_sa", 3), ("ttl_expired", 4)]),
        latency_us,
    };
    Report {
        chain: "default/edge".into(),
        generation: 5,
        device: "pthread-haswell".into(),
        sa_state: "durable",
        uptime_seconds: 61.5,
        in_flight: 17,
        rx: traffic(1000),
        tx: traffic(976),
        ports: BTreeMap::from([
            ("lan".into(), PortReport { rx: traffic(600), tx: traffic(376) }),
            ("wan".into(), PortReport { rx: traffic(400), tx: traffic(600) }),
        ]),
        drops: BTreeMap::from([("no_sa", 3), ("ttl_expired", 4), ("non_ipv4", 0)]),
        functions: BTreeMap::from([
            ("encrypt".into(), function("GPU", 2, 600, 3, 8)),
            ("route".into(), function("CPU", 1, 900, 0, 0)),
        ]),
        classes: BTreeMap::from([("bulk".into(), class(300)), ("outbound".into(), class(700))]),
        memory: MemoryReport { packets_outside_shared_region: 0, packet_bytes: 1 << 26, table_bytes: 4096 },
        mbufs: MbufReport::default(),
        alerts: AlertReport { lost: 2 },
        security_associations: vec![SaReport {
            identity: "out 0x1000 198.51.100.1 1f2e3d4c".into(),
            last: 3_300_000_000,
            limit: u64::from(u32::MAX),
            nearly_exhausted: true,
        }],
        warnings: vec!["an SA wants new keys".into()],
    }
}

/// Servers over a fake, in a folder of their own.
pub struct Rig {
    /// `None` once stopped.
    pub servers: Option<Servers>,
    /// The chain.
    pub fake: Arc<Fake>,
    /// Where the socket is.
    pub socket: PathBuf,
    /// Ends with the rig.
    pub folder: tempfile::TempDir,
}

impl Rig {
    /// With the product's limits.
    pub fn new() -> Self {
        Self::within(Limits::default())
    }

    /// With other limits.
    pub fn within(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let fake = Arc::new(Fake::default());
        let operations: Arc<dyn Operations> = fake.clone();
        let any = "127.0.0.1:0".parse().unwrap();
        let servers = Servers::start_within(Some(&socket), Some(any), operations, limits).unwrap();
        Self { servers: Some(servers), fake, socket, folder }
    }

    /// A connection that has said nothing yet.
    pub fn connect(&self) -> UnixStream {
        connect(&self.socket)
    }

    /// One request and its answer.
    pub fn ask(&self, head: &str, body: &[u8]) -> Response {
        ask(self.connect(), head, body)
    }

    /// Puts a bundle.
    pub fn put(&self, query: &str, body: &[u8]) -> Response {
        self.ask(&format!("PUT /v1/tables{query}\nContent-Type: application/yaml"), body)
    }

    /// Stops the servers and returns when they have stopped.
    pub fn stop(&mut self) {
        self.servers = None;
    }
}

/// What a server said.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The fields of its errors; each has a reason.
    pub fn error_fields(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().unwrap_or_else(|| panic!("no errors in {json}"));
        assert!(errors.iter().all(|error| !error["reason"].as_str().unwrap().is_empty()), "{json}");
        errors.iter().map(|error| error["field"].as_str().unwrap().into()).collect()
    }
}

/// Connects to a socket.
pub fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The bytes of a request: `head` is `METHOD PATH`, then headers, a line each.
pub fn request(head: &str, body: &[u8]) -> Vec<u8> {
    let (first, headers) = head.split_once('\n').unwrap_or((head, ""));
    let mut text = format!("{first} HTTP/1.1\r\nHost: chain\r\nContent-Length: {}\r\n", body.len());
    headers.lines().for_each(|header| text += &format!("{header}\r\n"));
    [(text + "\r\n").as_bytes(), body].concat()
}

/// Sends a request and reads the answer.
pub fn ask<S: Read + Write>(mut stream: S, head: &str, body: &[u8]) -> Response {
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(&request(head, body));
    answer(stream).expect("an answer")
}

/// Reads to the end of the connection; `None` where nothing was said.
pub fn answer(mut stream: impl Read) -> Option<Response> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..split]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Some(Response { status, headers, body: bytes[split + 4..].to_vec() })
}
