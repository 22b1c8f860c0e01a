//! The alert log: JSON lines, one for each packet and rule that matched.
//! Cores hand records through rings of their own to one writer thread, so that
//! neither formatting nor the disk is on the packet path.

use std::{
    io::{BufWriter, Write},
    net::Ipv4Addr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hummingbird_crds::tables::{ClassId, NfId};
use hummingbird_packet::FiveTuple;
use hummingbird_rules::RuleIndex;
use rtrb::{Consumer, Producer, RingBuffer};
use serde::Serialize;

use super::CoreCounters;
use crate::{nf::nids::NidsData, tables::LiveTables};

/// Records that a core may be ahead of the writer.
const RING: usize = 1 << 16;
/// How long a core waits for the writer before it counts an alert as lost.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long the writer sleeps when no core has anything.
const WRITER_SLEEP: Duration = Duration::from_millis(1);

/// One alert as it travels.
struct Record {
    time: SystemTime,
    tables: Arc<LiveTables>,
    nf: NfId,
    rule: RuleIndex,
    tuple: FiveTuple,
    class: ClassId,
}

/// One line of the log.
#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since the epoch.
    time: f64,
    sid: u32,
    gid: u32,
    rev: u32,
    msg: &'a str,
    source: Ipv4Addr,
    source_port: u16,
    destination: Ipv4Addr,
    destination_port: u16,
    protocol: u8,
    class: &'a str,
    function: &'a str,
    approximate: bool,
    generation: u64,
}

/// A core's end.
pub struct AlertSender {
    ring: Option<Producer<Record>>,
    counters: Arc<CoreCounters>,
}

impl AlertSender {
    /// Sends one alert. Without a log it is gone.
    pub fn send(
        &mut self,
        tables: &Arc<LiveTables>,
        nf: NfId,
        rule: RuleIndex,
        tuple: FiveTuple,
        class: ClassId,
    ) {
        let Some(ring) = &mut self.ring else { return };
        let record = Record { time: SystemTime::now(), tables: Arc::clone(tables), nf, rule, tuple, class };
        if let Err(rtrb::PushError::Full(record)) = ring.push(record) {
            wait_and_push(ring, record, &self.counters);
        }
    }
}

#[cold]
fn wait_and_push(ring: &mut Producer<Record>, mut record: Record, counters: &CoreCounters) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        thread::yield_now();
        match ring.push(record) {
            Ok(()) => return,
            Err(rtrb::PushError::Full(back)) => record = back,
        }
    }
    counters.alerts_lost.add(1);
}

/// The log's writer thread.
pub struct AlertLog {
    writer: thread::JoinHandle<std::io::Result<()>>,
    done: Arc<AtomicBool>,
}

/// Opens the log at `path`, if one is wanted, and makes a sender for each core.
///
/// # Errors
/// The file cannot be created, or no thread can be.
pub fn open(
    path: Option<&Path>,
    counters: &[Arc<CoreCounters>],
) -> std::io::Result<(Option<AlertLog>, Vec<AlertSender>)> {
    let Some(path) = path else {
        let senders = counters.iter().map(|core| AlertSender { ring: None, counters: Arc::clone(core) });
        return Ok((None, senders.collect()));
    };
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let (senders, mut rings): (Vec<_>, Vec<_>) = counters
        .iter()
        .map(|core| {
            let (producer, consumer) = RingBuffer::new(RING);
            (AlertSender { ring: Some(producer), counters: Arc::clone(core) }, consumer)
        })
        .unzip();
    let done = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&done);
    let writer = thread::Builder::new().name("alerts".into()).spawn(move || {
        loop {
            // Looked at first: what was sent before `done` is written after it.
            let last = told.load(Ordering::Acquire);
            let mut written = 0;
            for ring in &mut rings {
                written += write_all(ring, &mut file)?;
            }
            if last {
                return file.flush();
            }
            if written == 0 {
                file.flush()?;
                thread::sleep(WRITER_SLEEP);
            }
        }
    })?;
    Ok((Some(AlertLog { writer, done }), senders))
}

impl AlertLog {
    /// Writes what is left and closes the file. No core may send any more.
    ///
    /// # Errors
    /// Some alerts could not be written.
    pub fn close(self) -> std::io::Result<()> {
        self.done.store(true, Ordering::Release);
        self.writer.join().unwrap_or_else(|_| Err(std::io::Error::other("the alert writer panicked")))
    }
}

fn write_all(ring: &mut Consumer<Record>, file: &mut impl Write) -> std::io::Result<usize> {
    let mut written = 0;
    while let Ok(record) = ring.pop() {
        if let Some(line) = line(&record) {
            serde_json::to_writer(&mut *file, &line)?;
            file.write_all(b"\n")?;
        }
        written += 1;
    }
    Ok(written)
}

fn line(record: &Record) -> Option<Line<'_>> {
    let tables = &record.tables;
    let nids: &NidsData = tables.data_of(record.nf)?;
    let rule = &nids.rules().rules()[record.rule.index()];
    Some(Line {
        time: record.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        sid: rule.sid,
        gid: rule.gid,
        rev: rule.rev,
        msg: &rule.msg,
        source: record.tuple.source,
        source_port: record.tuple.source_port,
        destination: record.tuple.destination,
        destination_port: record.tuple.destination_port,
        protocol: record.tuple.protocol.0,
        class: &tables.tables.classes[record.class.index()].name,
        function: &tables.tables.functions[record.nf.index()].name,
        approximate: rule.approximate,
        generation: tables.tables.generation.0,
    })
}
