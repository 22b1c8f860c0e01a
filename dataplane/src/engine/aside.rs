//! Work that packet cores must not feel: on a thread that steps back.

use std::{io, panic, thread};

/// How much nicer than the packet cores. A core that shares its CPU with such
/// a thread keeps about nine tenths of it (sched(7), the nice value).
const NICER: i32 = 10;

/// Bytes of a bundle from which on its tables are built aside. A small one is
/// answered sooner than it disturbs.
pub const LARGE: usize = 1 << 20;

/// Does `work` on a thread of low priority and waits for it, if it is of a
/// bundle of that many bytes and the bundle is large; else here and now.
///
/// # Errors
/// The system has no thread left.
pub fn aside<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    if bytes < LARGE {
        return Ok(work());
    }
    thread::scope(|scope| {
        let nicely = || {
            // Where the system refuses, the work disturbs more and is still right.
            if let Err(error) = rustix::process::nice(NICER) {
                tracing::debug!(%error, "tables are built at the priority of the packet cores");
            }
            work()
        };
        let thread = thread::Builder::new().name("tables".into()).spawn_scoped(scope, nicely)?;
        Ok(thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn only_large_work_steps_back() {
        let before = niceness();
        assert_eq!(aside(LARGE - 1, niceness).unwrap(), before);
        let during = aside(LARGE, niceness).unwrap();
        assert!(during >= 19.min(before + NICER), "{during} after {before}");
        assert_eq!(niceness(), before);
    }
}
