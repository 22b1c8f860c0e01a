//! The rings between cores: one single-producer single-consumer ring for every
//! ordered pair.

use rtrb::{Consumer, Producer, RingBuffer};

use super::CoreId;
use crate::packet::Packet;

/// Mbufs that a core gathers before it touches a ring's shared indices.
const STAGE: usize = 64;

/// The sending end of a ring.
pub trait Outlet {
    /// What travels.
    type Item;

    /// Items that fit in, at least.
    fn room(&self) -> usize;

    /// Hands items over at once, no more than there is room for.
    fn hand_over(&mut self, items: impl ExactSizeIterator<Item = Self::Item>);
}

impl Outlet for Producer<Packet> {
    type Item = Packet;

    fn room(&self) -> usize {
        self.slots()
    }

    fn hand_over(&mut self, items: impl ExactSizeIterator<Item = Packet>) {
        if let Ok(chunk) = self.write_chunk_uninit(items.len()) {
            chunk.fill_from_iter(items);
        }
    }
}

/// The sending end of a core: gathers mbufs and hands them over in batches.
/// Generic over the ring: `tests/hand_off.rs` runs this very code under loom.
pub struct Lane<R: Outlet = Producer<Packet>> {
    ring: R,
    staged: Vec<R::Item>,
}

impl<R: Outlet> Lane<R> {
    /// A lane into `ring`.
    #[must_use]
    pub fn new(ring: R) -> Self {
        Self { ring, staged: Vec::with_capacity(STAGE) }
    }

    /// Queues one mbuf; it travels with the next [`flush`](Self::flush) at the latest.
    pub fn push(&mut self, mbuf: R::Item) {
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
        let room = self.ring.room().min(self.staged.len());
        debug_assert_eq!(room, self.staged.len(), "credit keeps every ring from filling");
        self.ring.hand_over(self.staged.drain(..room));
    }

    /// Whether nothing waits for a flush.
    #[must_use]
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
            ends[from].lanes.push(Some(Lane::new(producer)));
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
