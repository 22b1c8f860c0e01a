//! The rings between cores: one single-producer single-consumer ring for every
//! ordered pair.

use rtrb::{Consumer, Producer, RingBuffer};

use super::CoreId;
use crate::packet::Packet;

/// Mbufs that a core gathers before it touches a ring's shared indices.
const STAGE: usize = 64;

/// The sending end: gathers mbufs and hands them over in batches.
pub struct Lane {
    ring: Producer<Packet>,
    staged: Vec<Packet>,
}

impl Lane {
    /// Queues one mbuf; it travels with the next [`flush`](Self::flush) at the latest.
    pub fn push(&mut self, mbuf: Packet) {
        if self.staged.len() == STAGE {
            self.flush();
        }
        self.staged.push(mbuf);
    }

    /// Hands over what is staged.
    pub fn flush(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let room = self.ring.slots().min(self.staged.len());
        debug_assert_eq!(room, self.staged.len(), "credit keeps every ring from filling");
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            chunk.fill_from_iter(self.staged.drain(..room));
        }
    }

    /// Whether anything waits for a flush.
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }
}

/// The two ends that one core holds, by the other core.
pub struct CoreRings {
    /// To the other cores; `None` to itself.
    pub lanes: Vec<Option<Lane>>,
    /// From the other cores.
    pub arrivals: Vec<Consumer<Packet>>,
}

/// Rings of `capacity` mbufs between every ordered pair of `cores` cores.
#[must_use]
pub fn mesh(cores: usize, capacity: usize) -> Vec<CoreRings> {
    let mut ends: Vec<CoreRings> =
        (0..cores).map(|_| CoreRings { lanes: Vec::new(), arrivals: Vec::new() }).collect();
    for from in 0..cores {
        for to in 0..cores {
            if from == to {
                ends[from].lanes.push(None);
                continue;
            }
            let (producer, consumer) = RingBuffer::new(capacity);
            ends[from].lanes.push(Some(Lane { ring: producer, staged: Vec::with_capacity(STAGE) }));
            ends[to].arrivals.push(consumer);
        }
    }
    ends
}

impl CoreRings {
    /// The lane to another core.
    pub fn lane(&mut self, to: CoreId) -> Option<&mut Lane> {
        self.lanes.get_mut(to.index()).and_then(Option::as_mut)
    }
}
