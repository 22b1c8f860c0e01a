//! DPDK's log: never to standard output, line by line to a sink.

use std::ffi::c_char;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Error;

/// Severity of a line, by DPDK's (and syslog's) scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// Errors and worse: 1 to 4.
    Error,
    /// Warnings: 5.
    #[default]
    Warning,
    /// Notices: 6.
    Notice,
    /// Informational: 7.
    Info,
    /// Debugging: 8.
    Debug,
}

impl LogLevel {
    fn from_dpdk(level: u32) -> Self {
        match level {
            0..=4 => Self::Error,
            5 => Self::Warning,
            6 => Self::Notice,
            7 => Self::Info,
            _ => Self::Debug,
        }
    }

    /// The word that `--log-level` takes.
    pub(crate) fn as_argument(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// Takes one line without its line end. May be called from any thread.
pub type LogSink = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

struct Log {
    sink: LogSink,
    /// What came after the last line end.
    partial: Mutex<String>,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Sends DPDK's log to `sink`, or to standard error. Once per process.
pub(crate) fn redirect(sink: Option<LogSink>) -> Result<(), Error> {
    let sink = sink.unwrap_or_else(|| Box::new(to_stderr));
    // Only the one EAL start of a process gets here; a second sink would come from nowhere.
    let _ = LOG.set(Log { sink, partial: Mutex::new(String::new()) });
    // SAFETY: `write` has the type that the shim expects and stays valid.
    match unsafe { dpdk_sys::hb_log_to(Some(write)) } {
        0 => Ok(()),
        _ => Err(Error::Log(std::io::Error::last_os_error())),
    }
}

fn to_stderr(_: LogLevel, line: &str) {
    // A closed standard error is no reason to stop forwarding packets.
    let _ = writeln!(std::io::stderr(), "{line}");
}

unsafe extern "C" fn write(level: u32, text: *const c_char, length: usize) {
    let Some(log) = LOG.get() else { return };
    // SAFETY: the C library passes `length` readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    let mut partial = log.partial.lock().unwrap_or_else(PoisonError::into_inner);
    partial.push_str(&String::from_utf8_lossy(bytes));
    let Some(end) = partial.rfind('\n') else { return };
    let lines: String = partial.drain(..=end).collect();
    // The sink may take long: let other threads log meanwhile.
    drop(partial);
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        (log.sink)(LogLevel::from_dpdk(level), line);
    }
}
