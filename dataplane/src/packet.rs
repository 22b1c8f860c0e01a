//! The packet of this process: an mbuf with our metadata, and what ESP wants of it.

use hummingbird_esp::PacketBuffer;

use crate::meta::PacketMeta;

/// One packet.
pub type Packet = dpdk::Mbuf<PacketMeta>;

/// A batch of packets in place.
pub type Burst = dpdk::Burst<PacketMeta, BURST>;

/// The pool that packets come from.
pub type Pool = dpdk::PacketPool<PacketMeta>;

/// Packets that a role takes at once.
pub const BURST: usize = 32;

/// A packet as ESP sees it.
pub struct Frame<'a>(pub &'a mut Packet);

impl PacketBuffer for Frame<'_> {
    fn bytes(&self) -> &[u8] {
        self.0.data()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.data_mut()
    }

    fn prepend(&mut self, n: usize) -> bool {
        self.0.prepend(n).is_some()
    }

    fn append(&mut self, n: usize) -> bool {
        self.0.append(n).is_some()
    }

    fn trim_front(&mut self, n: usize) {
        let trimmed = self.0.trim_front(n);
        debug_assert!(trimmed, "callers trim what is there");
    }

    fn trim_end(&mut self, n: usize) {
        let trimmed = self.0.trim_end(n);
        debug_assert!(trimmed, "callers trim what is there");
    }
}
