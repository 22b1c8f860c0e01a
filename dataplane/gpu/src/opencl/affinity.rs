//! Where a runtime's worker threads run.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// Runs `work` on `cores` only, or where the thread runs anyway if there are
/// none. Threads that `work` starts inherit the cores; the thread itself gets
/// its own back.
pub(super) fn on_cores<R>(cores: &[usize], work: impl FnOnce() -> R) -> io::Result<R> {
    if cores.is_empty() {
        return Ok(work());
    }
    let mut set = CpuSet::new();
    for &core in cores {
        if core >= CpuSet::MAX_CPU {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no core {core}")));
        }
        set.set(core);
    }
    let _own = Restore(sched_getaffinity(None)?);
    sched_setaffinity(None, &set)?;
    Ok(work())
}

/// The calling thread's cores without `busy`, for
/// [`Settings::worker_cores`](super::Settings::worker_cores): where kernels on
/// the CPU may run beside CPUSyncers on `busy`. Empty, and so of no effect, where
/// there are no others.
///
/// # Errors
/// The system's error if it does not tell the thread's cores.
pub fn cores_beside(busy: &[usize]) -> io::Result<Vec<usize>> {
    let own = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| own.is_set(*core) && !busy.contains(core)).collect())
}

/// Gives the thread its cores back.
struct Restore(CpuSet);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Err(error) = sched_setaffinity(None, &self.0) {
            tracing::warn!(%error, "the thread's own cores cannot be restored");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn cores() -> Vec<usize> {
        cores_beside(&[]).unwrap()
    }

    #[test]
    fn busy_cores_are_left_out() {
        let all = cores();
        assert!(!all.is_empty());
        assert_eq!(cores_beside(&all[..1]).unwrap(), all[1..]);
        assert_eq!(cores_beside(&all).unwrap(), []);
    }

    #[test]
    fn threads_started_inside_stay_there() {
        let before = cores();
        let one = vec![before[0]];
        let (inside, child) = on_cores(&one, || (cores(), thread::spawn(cores).join().unwrap())).unwrap();
        assert_eq!((inside, child), (one.clone(), one));
        assert_eq!(cores(), before);
        assert_eq!(on_cores(&[], cores).unwrap(), before);
    }

    #[test]
    fn cores_that_are_not_there_are_refused() {
        let before = cores();
        assert!(on_cores(&[usize::MAX], || ()).is_err());
        assert!(on_cores(&[CpuSet::MAX_CPU - 1], || ()).is_err());
        assert_eq!(cores(), before);
    }
}
