//! The hand-off between cores under loom: the product's credit, counters and
//! lanes, over a single-producer single-consumer ring, through every
//! interleaving and reordering of the C11 memory model.
//!
//! An I/O core admits packets and sends them to a second core, which drops some
//! and sends the others back to leave. In every execution each packet leaves
//! once, in order; no more than the credit's limit are in flight; no ring is
//! ever full; and the credit counts nothing in flight exactly when all have left.

use std::sync::atomic::{AtomicU64 as Ghost, Ordering};

use hummingbird_dataplane::{
    forward::{Credit, Lane, Outlet, Retirements},
    report::{Counter, Word},
};
use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{Arc, atomic},
    thread,
};

/// Packets that are admitted in all.
const PACKETS: u64 = 3;
/// Packets in flight at most, and so the rings' depth.
const LIMIT: u64 = 2;
/// The packet that the second core drops.
const DROPPED: u64 = 1;

struct ModelWord(atomic::AtomicU64);

impl Word for ModelWord {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }
}

/// What a ring shares. Not atomic: loom reports accesses that are not ordered.
struct Ring {
    written: atomic::AtomicUsize,
    read: atomic::AtomicUsize,
    slots: Vec<UnsafeCell<u64>>,
}

struct Sender {
    ring: Arc<Ring>,
    written: usize,
}

struct Receiver {
    ring: Arc<Ring>,
    read: usize,
}

fn ring() -> (Sender, Receiver) {
    let ring = Arc::new(Ring {
        written: atomic::AtomicUsize::new(0),
        read: atomic::AtomicUsize::new(0),
        slots: (0..LIMIT).map(|_| UnsafeCell::new(u64::MAX)).collect(),
    });
    (Sender { ring: Arc::clone(&ring), written: 0 }, Receiver { ring, read: 0 })
}

impl Outlet for Sender {
    type Item = u64;

    fn room(&self) -> usize {
        LIMIT as usize - (self.written - self.ring.read.load(Ordering::Acquire))
    }

    fn hand_over(&mut self, items: impl ExactSizeIterator<Item = u64>) {
        for item in items {
            let slot = &self.ring.slots[self.written % LIMIT as usize];
            // SAFETY: the slot is free: `room` said so, and only this end writes.
            slot.with_mut(|slot| unsafe { *slot = item });
            self.written += 1;
        }
        self.ring.written.store(self.written, Ordering::Release);
    }
}

impl Receiver {
    fn receive(&mut self) -> Vec<u64> {
        let written = self.ring.written.load(Ordering::Acquire);
        let items = (self.read..written).map(|at| {
            // SAFETY: the slot was written, and is not written again before it was read.
            self.ring.slots[at % LIMIT as usize].with(|slot| unsafe { *slot })
        });
        let items = items.collect();
        self.read = written;
        self.ring.read.store(written, Ordering::Release);
        items
    }
}

/// Retired packets, by core.
struct Retired([Counter<ModelWord>; 2]);

struct Ledger(Arc<Retired>);

impl Retirements for Ledger {
    fn total(&self) -> u64 {
        self.0.0.iter().map(Counter::get).sum()
    }
}

fn counter() -> Counter<ModelWord> {
    Counter(ModelWord(atomic::AtomicU64::new(0)))
}

/// The I/O core: admits, sends, and lets out what comes back.
fn io(retired: &Arc<Retired>, inside: &Ghost, to: Sender, mut from: Receiver) {
    let mut credit = Credit::over(Ledger(Arc::clone(retired)), LIMIT);
    let mut lane = Lane::new(to);
    let (mut admitted, mut left) = (0, Vec::new());
    while admitted < PACKETS || credit.in_flight() > 0 {
        let admit = credit.available().min(PACKETS - admitted);
        for _ in 0..admit {
            credit.admit(1);
            let inside = inside.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(inside <= LIMIT, "more packets are in flight than there is credit for");
            lane.push(admitted);
            admitted += 1;
        }
        lane.flush();
        assert!(lane.is_empty(), "a ring was full");
        let back = from.receive();
        for packet in &back {
            inside.fetch_sub(1, Ordering::Relaxed);
            retired.0[0].add(1);
            left.push(*packet);
        }
        assert!(credit.in_flight() >= inside.load(Ordering::Relaxed), "a packet was retired that is inside");
        if admit == 0 && back.is_empty() {
            thread::yield_now();
        }
    }
    assert_eq!(inside.load(Ordering::Relaxed), 0, "nothing is in flight, and yet a packet is inside");
    assert!(left.iter().copied().eq((0..PACKETS).filter(|packet| *packet != DROPPED)), "{left:?}");
}

/// The other core: drops one packet and sends the others back.
fn worker(retired: &Retired, inside: &Ghost, mut from: Receiver, back: Sender) {
    let mut lane = Lane::new(back);
    let mut next = 0;
    while next < PACKETS {
        let arrived = from.receive();
        for packet in &arrived {
            assert_eq!(*packet, next, "packets arrive once and in order");
            next += 1;
            if *packet == DROPPED {
                inside.fetch_sub(1, Ordering::Relaxed);
                retired.0[1].add(1);
            } else {
                lane.push(*packet);
            }
        }
        lane.flush();
        assert!(lane.is_empty(), "a ring was full");
        if arrived.is_empty() {
            thread::yield_now();
        }
    }
}

#[test]
fn packets_pass_between_cores_once_in_order_and_within_credit() {
    let mut model = Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let retired = Arc::new(Retired([counter(), counter()]));
        // What only an onlooker can know: how many packets really are inside.
        let inside = std::sync::Arc::new(Ghost::new(0));
        let (to_worker, from_io) = ring();
        let (to_io, from_worker) = ring();
        let other = {
            let (retired, inside) = (Arc::clone(&retired), std::sync::Arc::clone(&inside));
            thread::spawn(move || worker(&retired, &inside, from_io, to_io))
        };
        io(&retired, &inside, to_worker, from_worker);
        other.join().unwrap();
    });
}
