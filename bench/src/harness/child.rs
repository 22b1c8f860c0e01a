//! The dataplane's binary and testpmd as processes: run, watched from outside.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use super::{Context, cpu::threads_of};

/// How often a process's CPU time is read.
const SAMPLE: Duration = Duration::from_millis(5);
/// How long testpmd may say nothing when it is asked.
const PATIENCE: Duration = Duration::from_secs(20);

/// A run of the dataplane.
pub struct Run {
    /// Its report.
    pub report: Value,
    /// CPU seconds of its packet cores.
    pub cores: f64,
    /// CPU seconds of all its threads since the first packet core was there:
    /// on PoCL the kernels' too.
    pub process: f64,
}

/// What is asked of a run.
pub struct Asked<'a> {
    /// The manifest.
    pub chain: &'a Path,
    /// Looped at `lan`.
    pub trace: &'a Path,
    /// Packets per second; none: as fast as credit admits.
    pub rate: Option<u64>,
    /// How long, seconds.
    pub seconds: f64,
    /// Further arguments.
    pub arguments: &'a [&'a str],
}

/// The last CPU, which both sides run their packet core on.
pub fn packet_cpu() -> usize {
    thread::available_parallelism().map_or(0, |count| count.get() - 1)
}

impl Asked<'_> {
    fn arguments(&self, report: &Path) -> Vec<String> {
        let rate = self.rate.map_or(String::new(), |rate| format!(",rate={rate}"));
        let mut arguments = vec![
            "run".into(),
            format!("--chain={}", self.chain.display()),
            format!("--port=lan=trace:{}{rate}", self.trace.display()),
            "--port=wan=null".into(),
            format!("--duration={}ms", (self.seconds * 1000.0) as u64),
            format!("--report={}", report.display()),
        ];
        arguments.extend(self.arguments.iter().map(|argument| (*argument).to_owned()));
        arguments
    }
}

/// Runs a chain and reads its report.
///
/// # Errors
/// The run fails, or its sums do not agree.
pub fn dataplane(context: &Context, asked: &Asked<'_>) -> anyhow::Result<Run> {
    let report = context.scratch.join("report.json");
    let log = context.scratch.join("dataplane.log");
    let file = fs::File::create(&log)?;
    let mut child = Command::new(&context.dataplane)
        .args(asked.arguments(&report))
        // What this process set for its own OpenCL; the dataplane sees to its own.
        .env_remove("POCL_MAX_PTHREAD_COUNT")
        .env_remove("POCL_CPU_MAX_CU_COUNT")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot run {}", context.dataplane.display()))?;
    let (mut before, mut cores, mut process) = (None, 0.0, 0.0);
    let status = loop {
        let threads = threads_of(child.id());
        let sum = |all: bool| -> f64 {
            threads.values().filter(|(name, _)| all || name.starts_with("core-")).map(|(_, s)| s).sum()
        };
        if threads.values().any(|(name, _)| name.starts_with("core-")) {
            let before = *before.get_or_insert(sum(true));
            cores = f64::max(cores, sum(false));
            process = f64::max(process, sum(true) - before);
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(SAMPLE);
    };
    if !status.success() {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let tail: Vec<_> = said.lines().rev().take(20).collect();
        bail!("the dataplane failed ({status}): {}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    let report: Value = serde_json::from_str(&fs::read_to_string(&report)?)?;
    let run = Run { report, cores, process };
    let dropped: f64 = run.drops().map(|(_, packets)| packets).sum();
    ensure!(
        run.number("/rx/packets") == run.number("/tx/packets") + dropped,
        "rx, tx and drops do not agree: {}",
        run.report
    );
    Ok(run)
}

/// Packets that leave a chain per CPU second of the whole process.
///
/// # Errors
/// As [`dataplane`].
pub fn per_cpu_second(context: &Context, asked: &Asked<'_>) -> anyhow::Result<f64> {
    dataplane(context, asked).map(|run| run.sent() / run.process)
}

impl Run {
    /// A number of the report, by JSON pointer; 0 where there is none.
    pub fn number(&self, pointer: &str) -> f64 {
        self.report.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// Packets that left.
    pub fn sent(&self) -> f64 {
        self.number("/tx/packets")
    }

    /// Drop reasons that occurred.
    pub fn drops(&self) -> impl Iterator<Item = (&str, f64)> {
        let drops = self.report.get("drops").and_then(Value::as_object);
        drops
            .into_iter()
            .flatten()
            .map(|(reason, packets)| (reason.as_str(), packets.as_f64().unwrap_or(0.0)))
            .filter(|(_, packets)| *packets > 0.0)
    }
}

/// testpmd between a looped capture and a sink, on one core.
pub struct Testpmd {
    child: Child,
    output: ChildStdout,
}

impl Testpmd {
    /// The command that is run for a capture.
    pub fn command(trace: &Path) -> Vec<String> {
        let cpu = packet_cpu();
        let mut words: Vec<String> =
            vec!["dpdk-testpmd".into(), format!("--lcores=0@0,1@{cpu}"), "--no-pci".into()];
        words
            .extend(["--no-huge", "-m", "512", "--no-shconf", "--iova-mode=va", "--vdev"].map(str::to_owned));
        words.push(format!("net_pcap0,rx_pcap={},infinite_rx=1", trace.display()));
        words
            .extend(["--vdev", "net_null1,no-rx=1", "--", "-i", "--forward-mode=macswap"].map(str::to_owned));
        words.push("--total-num-mbufs=16384".into());
        words
    }

    /// Starts it and waits until it takes commands.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(trace: &Path) -> anyhow::Result<Self> {
        // Its output is a pipe, which it would fill before it sends a line.
        let mut child = Command::new("stdbuf")
            .arg("-oL")
            .args(Self::command(trace))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run dpdk-testpmd (package dpdk-dev)")?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut testpmd = Self { child, output };
        testpmd.wait_for(b"testpmd> ")?;
        Ok(testpmd)
    }

    /// Forwards for some time: packets a second of its forwarding thread's CPU time.
    ///
    /// # Errors
    /// It does not answer.
    pub fn measure(&mut self, seconds: f64) -> anyhow::Result<f64> {
        let before = self.worker_seconds()?;
        self.tell("start")?;
        thread::sleep(Duration::from_secs_f64(seconds));
        self.tell("stop")?;
        // Its forward statistics are those since the start.
        let said = self.wait_for(b"Done.\n")?;
        let spent = self.worker_seconds()? - before;
        let packets = said
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("TX-packets: "))
            .filter_map(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
            .fold(0.0, f64::max);
        ensure!(packets > 0.0 && spent > 0.0, "testpmd forwarded nothing: {said}");
        Ok(packets / spent)
    }

    fn worker_seconds(&self) -> anyhow::Result<f64> {
        let threads = threads_of(self.child.id());
        let worker = threads.values().find(|(name, _)| name.contains("worker"));
        worker.map(|(_, seconds)| *seconds).context("testpmd has no worker thread")
    }

    fn tell(&mut self, command: &str) -> anyhow::Result<()> {
        let input = self.child.stdin.as_mut().context("its input is piped")?;
        Ok(writeln!(input, "{command}")?)
    }

    /// What it says up to `end`.
    fn wait_for(&mut self, end: &[u8]) -> anyhow::Result<String> {
        let mut said = Vec::new();
        while !said.windows(end.len()).any(|window| window == end) {
            let mut ready = [PollFd::new(&self.output, PollFlags::IN)];
            let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
            let answered = poll(&mut ready, Some(&patience))? > 0;
            let mut more = [0; 4096];
            let count = if answered { self.output.read(&mut more)? } else { 0 };
            ensure!(count > 0, "testpmd says no more: {}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&more[..count]);
        }
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        // It may be gone already; then there is nobody to tell.
        if let Some(mut input) = self.child.stdin.take() {
            let _ = writeln!(input, "quit");
        }
        let _ = self.wait_for(b"Bye...");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `openssl speed` of one algorithm and size: bytes a CPU second.
///
/// # Errors
/// There is no openssl, or it says nothing.
pub fn openssl(algorithm: &str, bytes: usize, seconds: u32) -> anyhow::Result<f64> {
    let output = Command::new("openssl")
        .args(["speed", "-mr", "-evp", algorithm, "-bytes", &bytes.to_string()])
        .args(["-seconds", &seconds.to_string()])
        .output()
        .context("cannot run openssl")?;
    BufReader::new(&output.stdout[..])
        .lines()
        .map_while(Result::ok)
        .filter(|line| line.starts_with("+F:"))
        .find_map(|line| line.rsplit(':').next()?.parse().ok())
        .context("openssl speed said nothing")
}
