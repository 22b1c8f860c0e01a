//! Receive and transmit queues: each belongs to one thread at a time.

use std::marker::PhantomData;
use std::sync::Arc;

use dpdk_sys::rte_mbuf;

use crate::burst::Burst;
use crate::eth::Running;
use crate::mbuf::PrivateArea;

/// Number of a queue of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u16);

/// A receive queue. The port stays started as long as this lives.
pub struct RxQueue<P: PrivateArea = ()> {
    port: u16,
    queue: u16,
    dropped: u64,
    _running: Arc<Running>,
    _private: PhantomData<fn() -> P>,
}

impl<P: PrivateArea> RxQueue<P> {
    pub(crate) fn new(running: Arc<Running>, queue: u16) -> Self {
        Self { port: running.port(), queue, dropped: 0, _running: running, _private: PhantomData }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> QueueId {
        QueueId(self.queue)
    }

    /// Adds received packets to the burst until it is full or nothing more has
    /// come; returns how many.
    ///
    /// A packet in several segments is joined into one; if it does not fit into
    /// one mbuf it is dropped and counted in [`RxQueue::dropped_too_long`].
    #[inline]
    pub fn rx_burst<const N: usize>(&mut self, burst: &mut Burst<P, N>) -> usize {
        let (spare, room) = burst.spare();
        if room == 0 {
            return 0;
        }
        // SAFETY: the port is started, this queue is polled by us alone, and there is room for `room`
        // pointers. Its packets come from the pool that it was set up with, whose private area is P.
        unsafe {
            let received = usize::from(dpdk_sys::hb_rx_burst(self.port, self.queue, spare, room));
            let kept = self.join_segments(spare, received);
            burst.grow(kept);
            kept
        }
    }

    /// Makes every packet one segment, and closes the gaps of those that cannot be.
    ///
    /// # Safety
    /// `count` owned mbufs at `packets`.
    #[inline]
    unsafe fn join_segments(&mut self, packets: *mut *mut rte_mbuf, count: usize) -> usize {
        let mut kept = 0;
        for index in 0..count {
            // SAFETY: index < count, and kept <= index.
            unsafe {
                let packet = *packets.add(index);
                if (*packet).nb_segs == 1 || self.join(packet) {
                    *packets.add(kept) = packet;
                    kept += 1;
                }
            }
        }
        kept
    }

    /// # Safety
    /// `packet` is an owned mbuf. Where `false` is returned, it has been freed.
    #[cold]
    unsafe fn join(&mut self, packet: *mut rte_mbuf) -> bool {
        // SAFETY: owned, by contract.
        unsafe {
            let joined = dpdk_sys::hb_pktmbuf_linearize(packet) == 0;
            if !joined {
                self.dropped += 1;
                dpdk_sys::hb_pktmbuf_free(packet);
            }
            joined
        }
    }

    /// Packets dropped because they did not fit into one mbuf.
    #[must_use]
    pub fn dropped_too_long(&self) -> u64 {
        self.dropped
    }
}

/// A transmit queue. The port stays started as long as this lives.
///
/// It takes packets of the port's kind only: a device that loops them back
/// (`net_ring`) hands them to a receive queue of the same private area.
pub struct TxQueue<P: PrivateArea = ()> {
    port: u16,
    queue: u16,
    _running: Arc<Running>,
    _private: PhantomData<fn() -> P>,
}

impl<P: PrivateArea> TxQueue<P> {
    pub(crate) fn new(running: Arc<Running>, queue: u16) -> Self {
        Self { port: running.port(), queue, _running: running, _private: PhantomData }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> QueueId {
        QueueId(self.queue)
    }

    /// Hands packets to the device, first to last; returns how many it took. The
    /// rest stay in the burst in their order.
    ///
    /// The device gives a packet back to its pool once it is sent, which may be
    /// at a later call only.
    #[inline]
    pub fn tx_burst<const N: usize>(&mut self, burst: &mut Burst<P, N>) -> usize {
        let count = u16::try_from(burst.len()).unwrap_or(u16::MAX);
        if count == 0 {
            return 0;
        }
        // SAFETY: the port is started, this queue is used by us alone, and these packets are ours.
        let sent = unsafe { dpdk_sys::hb_tx_burst(self.port, self.queue, burst.as_raw(), count) };
        let sent = usize::from(sent.min(count));
        burst.forget_front(sent);
        sent
    }
}
