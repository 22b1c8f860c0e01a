//! What travels with a packet: the private area of its mbuf, which lies in
//! shared memory right behind the mbuf's header.

use hummingbird_crds::tables::{ClassId, NfId, PortId};

use crate::{forward::StationId, tables::Slot};

/// [`PacketMeta::origin`] of a frame that no class holds.
pub const NO_CLASS: u16 = u16::MAX;

/// Per-packet metadata. Plain old data: all zeros is a valid value, and
/// nothing in it owns anything.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PacketMeta {
    /// TSC when the packet was received.
    pub received: u64,
    /// TSC when it was handed to the NF that it waits for or is in.
    pub entered: u64,
    /// What an NF keeps between `prepare` and `finish`.
    pub scratch: u64,
    /// Chooses cores, never workgroups: equal keys keep their order.
    pub key: u32,
    /// Where the packet is going.
    pub station: StationId,
    /// The function that it waits for or is in.
    pub nf: NfId,
    /// The class whose path it walks.
    pub class: ClassId,
    /// The counters' place of the class that it was classified in; [`NO_CLASS`]
    /// for frames that no class holds.
    pub origin: u16,
    /// The port that it came in by.
    pub in_port: PortId,
    /// The port that a Router chose.
    pub out_port: PortId,
    /// The SA that Encrypt's steering picked.
    pub sa: u16,
    /// The generation that classified it.
    pub generation: Slot,
    /// The I/O core that admitted it, and that gets the credit back.
    pub io: u8,
}

#[allow(unsafe_code)]
// SAFETY: a plain struct of integers, for which all zeros is a value; aligned to 8 bytes.
unsafe impl dpdk::PrivateArea for PacketMeta {}

const _: () = assert!(size_of::<PacketMeta>() == 48);
