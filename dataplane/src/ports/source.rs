//! The receive side of a port.

use dpdk::RxQueue;

use super::{CaptureError, CaptureReader, pace::Pacer};
use crate::{
    meta::PacketMeta,
    packet::{Burst, Pool},
};

/// Where packets come from.
pub enum Source {
    /// A DPDK device's receive queue.
    Device(RxQueue<PacketMeta>),
    /// A capture, read once.
    Capture {
        /// The file.
        reader: CaptureReader,
        /// The rate asked for.
        pacer: Option<Pacer>,
        /// Where mbufs come from.
        pool: Pool,
        /// Whether the last frame was read.
        done: bool,
    },
    /// A capture looped from memory.
    Trace {
        /// Its frames.
        frames: Box<[Box<[u8]>]>,
        /// The next one.
        at: usize,
        /// The rate asked for.
        pacer: Option<Pacer>,
        /// Where mbufs come from.
        pool: Pool,
    },
}

/// What one call received besides the packets in the burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Frames longer than an mbuf, which no burst can hold.
    pub oversize_packets: u64,
    /// Their bytes, where these are known (not of a device's frames).
    pub oversize_bytes: u64,
}

impl Source {
    /// Whether packets that are not admitted are lost, as on a wire.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self {
            Self::Device(_) => true,
            Self::Trace { pacer, .. } => pacer.is_some(),
            Self::Capture { .. } => false,
        }
    }

    /// Whether the run ends when this and its like are through.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        matches!(self, Self::Capture { .. })
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        matches!(self, Self::Capture { done: true, .. })
    }

    /// Receives up to `most` packets into `burst`, which has room for them.
    ///
    /// # Errors
    /// Where a capture turns out to be broken.
    pub fn receive(&mut self, now: u64, most: usize, burst: &mut Burst) -> Result<Received, CaptureError> {
        let mut received = Received::default();
        match self {
            Self::Device(queue) => {
                let before = queue.dropped_too_long();
                queue.rx_burst(burst);
                received.oversize_packets = queue.dropped_too_long() - before;
            }
            Self::Capture { reader, pacer, pool, done } => {
                let wanted = pacer.as_mut().map_or(most, |pacer| pacer.take(now, most));
                for _ in 0..wanted {
                    if *done {
                        break;
                    }
                    let read = reader.next_frame(|frame| load(pool, frame, burst, &mut received))?;
                    *done = read.is_none();
                }
            }
            Self::Trace { frames, at, pacer, pool } => {
                let wanted = pacer.as_mut().map_or(most, |pacer| pacer.take(now, most));
                for _ in 0..wanted {
                    load(pool, &frames[*at], burst, &mut received);
                    *at = (*at + 1) % frames.len();
                }
            }
        }
        Ok(received)
    }
}

/// Copies a frame into a fresh mbuf of the pool. The pool exceeds the credit,
/// so that it has one for every packet that may be admitted.
fn load(pool: &Pool, frame: &[u8], burst: &mut Burst, received: &mut Received) {
    let loaded = pool.alloc().and_then(|mut mbuf| {
        mbuf.append(frame.len())?.copy_from_slice(frame);
        Some(mbuf)
    });
    if loaded.is_none_or(|packet| burst.push(packet).is_err()) {
        received.oversize_packets += 1;
        received.oversize_bytes += frame.len() as u64;
    }
}
