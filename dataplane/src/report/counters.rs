//! Counters of one core: written by that core alone, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

use histogram::AtomicHistogram;
use hummingbird_crds::DropReason;

use crate::tables::{CLASSES, FUNCTIONS, SLOTS};

/// A shared 64-bit atomic word.
pub trait Word {
    /// An atomic load.
    fn load(&self, order: Ordering) -> u64;
    /// An atomic store.
    fn store(&self, value: u64, order: Ordering);
}

impl Word for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        Self::load(self, order)
    }

    fn store(&self, value: u64, order: Ordering) {
        Self::store(self, value, order);
    }
}

/// A counter with one writer: adding is a load and a store, no locked
/// instruction. Readers may see it a little late, never torn. Generic over the
/// atomic: `tests/hand_off.rs` runs this very code under loom.
#[derive(Debug, Default)]
pub struct Counter<W = AtomicU64>(pub W);

impl<W: Word> Counter<W> {
    /// Adds `n`. Only the owning core may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + n, Ordering::Release);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Packets and bytes of frames, Ethernet header included, FCS not.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: Counter,
    /// Bytes.
    pub bytes: Counter,
}

impl Traffic {
    /// Counts one frame of `len` bytes.
    pub fn count(&self, len: usize) {
        self.packets.add(1);
        self.bytes.add(len as u64);
    }
}

/// What passed through a function or class on one core.
#[derive(Debug)]
pub struct Passage {
    /// How much.
    pub traffic: Traffic,
    /// Nanoseconds from arrival to departure.
    pub latency: AtomicHistogram,
    /// Packets dropped there, in the order of [`DropReason::ALL`].
    pub drops: Box<[Counter]>,
    /// Rows published to workgroups.
    pub rows_published: Counter,
    /// Rows harvested from them.
    pub rows_harvested: Counter,
}

impl Passage {
    fn new() -> Self {
        // 2⁵ buckets a power of two: values within 3 %, up to 2³⁶ ns (68 s).
        let latency = AtomicHistogram::new(5, 36).unwrap_or_else(|error| unreachable!("{error}"));
        Self {
            traffic: Traffic::default(),
            latency,
            drops: make(DropReason::ALL.len(), Counter::default),
            rows_published: Counter::default(),
            rows_harvested: Counter::default(),
        }
    }

    /// Records one latency in nanoseconds; what is past the range counts as its end.
    pub fn record(&self, nanoseconds: u64) {
        // The value is clamped into the range, so that this cannot fail.
        let _ = self.latency.increment(nanoseconds.min((1 << 36) - 1));
    }
}

/// How many of everything a process has.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// I/O roles.
    pub io: usize,
    /// Ports.
    pub ports: usize,
}

/// Packets of the generation in one slot: equal once the last has left.
#[derive(Debug, Default)]
pub struct Residence {
    /// Packets that were admitted.
    pub admitted: Counter,
    /// Packets that left the chain.
    pub retired: Counter,
}

/// Everything that one core counts.
#[derive(Debug)]
pub struct CoreCounters {
    /// Packets that left the chain here, by the I/O role that admitted them.
    pub retired: Box<[Counter]>,
    /// Packets of each generation, by its slot.
    pub generations: Box<[Residence]>,
    /// Packets dropped, in the order of [`DropReason::ALL`].
    pub drops: Box<[Counter]>,
    /// Received, by port.
    pub rx: Box<[Traffic]>,
    /// Sent, by port.
    pub tx: Box<[Traffic]>,
    /// By a function's place in the roster.
    pub functions: Box<[Passage]>,
    /// By the place in the roster of the class that a packet was classified in; latency from receive to send.
    pub classes: Box<[Passage]>,
    /// Packets whose data lay outside the shared region: must stay 0.
    pub outside: Counter,
    /// Alerts lost because the log could not keep up.
    pub alerts_lost: Counter,
}

impl CoreCounters {
    /// All zero.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self {
            retired: make(shape.io, Counter::default),
            generations: make(SLOTS, Residence::default),
            drops: make(DropReason::ALL.len(), Counter::default),
            rx: make(shape.ports, Traffic::default),
            tx: make(shape.ports, Traffic::default),
            functions: make(FUNCTIONS, Passage::new),
            classes: make(CLASSES, Passage::new),
            outside: Counter::default(),
            alerts_lost: Counter::default(),
        }
    }
}

fn make<T>(count: usize, new: impl FnMut() -> T) -> Box<[T]> {
    std::iter::repeat_with(new).take(count).collect()
}
