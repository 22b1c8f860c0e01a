//! The memory that CPU and GPU share, byte for byte. `cl/layout.h` says the
//! same to the kernels; a test holds the two together.
//!
//! Per workgroup there is one [`Control`] block and a ring of `depth` rows
//! (a power of two). A row is a [`RowHeader`], then `items` [`Descriptor`]s,
//! then `items` [`Side`] areas (CPU to GPU), then `items` [`Outcome`]s (GPU to
//! CPU), where `items` is the workgroup size. All fields are little-endian
//! 32-bit words.

/// Distance that keeps two words off each other's cache line, adjacent-line
/// prefetch included.
pub const LINE: usize = 128;

/// The two row counters of a workgroup and its lease, each on its own line.
/// Counters only grow and wrap at 2³²; the slot of a row is its number modulo
/// the ring's depth.
#[repr(C)]
pub struct Control {
    /// Rows published; written by the CPUSyncer alone (the paper's CpuIndex).
    pub cpu_index: u32,
    _pad0: [u32; LINE / 4 - 1],
    /// Rows done; written by work item 0 of the group alone (GpuIndex).
    pub gpu_index: u32,
    _pad1: [u32; LINE / 4 - 1],
    /// 1 once the group has left by itself (idle lease), 0 while it runs.
    pub left: u32,
    _pad2: [u32; LINE / 4 - 1],
    /// Launches in which this group came alive; written by the group.
    pub alive: u32,
    _pad3: [u32; LINE / 4 - 1],
}

/// One word for all groups of a launch.
#[repr(C)]
pub struct LaunchControl {
    /// Non-zero: every group leaves after the row it is at.
    pub leave: u32,
    _pad: [u32; LINE / 4 - 1],
}

/// The head of a row.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RowHeader {
    /// Which kernel function the row is for: a [`KernelId`].
    pub kernel: u32,
    /// Real packets in the row, 0 to `items`; they come first, dummies after.
    pub count: u32,
    _reserved: [u32; 14],
}

impl RowHeader {
    /// A header of `count` packets for `kernel`.
    #[must_use]
    pub const fn new(kernel: KernelId, count: u32) -> Self {
        Self { kernel: kernel as u32, count, _reserved: [0; 14] }
    }
}

/// The functions that the persistent kernel switches between.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelId {
    /// AES-128-CBC encryption, then HMAC-SHA1-96.
    EspEncrypt = 1,
    /// HMAC-SHA1-96 check, then AES-128-CBC decryption.
    EspDecrypt = 2,
    /// Multi-pattern match by a dense automaton.
    Match = 3,
}

/// What a kernel must touch of one packet.
///
/// | kernel | `table` | `data` | `len` | side | outcome |
/// | --- | --- | --- | --- | --- | --- |
/// | `EspEncrypt` | an SA record ([`SaRecord`]) | ESP header | cipher text bytes, a multiple of 16 (IV and header apart: they are the 24 bytes before) | words 0–3 IV, 4–5 ESP header, 6 high half of an ESN | word 0: [`DONE`]; cipher text and, after it, the 12-byte ICV are in place |
/// | `EspDecrypt` | an SA record | ESP header | cipher text bytes, likewise | word 6 high half of an ESN | word 0: [`DONE`], or [`BAD_ICV`] with the packet untouched |
/// | `Match` | an automaton | payload | payload bytes, any number | – | word 0: pattern occurrences seen, which may exceed 7; words 1–7: the first 7 distinct pattern ids |
///
/// `data` is the distance in bytes from the start of packet memory, `table`
/// that from the start of table memory. Data may stand at any alignment.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// 1: a packet; 0: a dummy, not to be touched.
    pub flag: u32,
    /// See the table above.
    pub table: u32,
    /// See the table above.
    pub data: u32,
    /// See the table above.
    pub len: u32,
    /// Zero.
    pub reserved: [u32; 4],
}

/// Eight words a packet from the CPU to the kernel.
pub type Side = [u32; 8];
/// Eight words a packet from the kernel to the CPU.
pub type Outcome = [u32; 8];

/// [`Outcome`] word 0 of an ESP kernel: the work is done.
pub const DONE: u32 = 1;
/// [`Outcome`] word 0 of `EspDecrypt`: the ICV is wrong.
pub const BAD_ICV: u32 = 2;
/// Distinct pattern ids that an [`Outcome`] of `Match` holds.
pub const MATCH_IDS: usize = 7;

/// An SA as the ESP kernels read it, 512 bytes. Round keys are words as FIPS-197
/// writes them (big-endian bytes of the key schedule), SHA-1 states as FIPS-180
/// does.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SaRecord {
    /// AES-128 encryption round keys.
    pub encrypt: [u32; 44],
    /// Round keys of the equivalent inverse cipher (FIPS-197 section 5.3.5).
    pub decrypt: [u32; 44],
    /// SHA-1 state after the HMAC inner pad block.
    pub inner: [u32; 5],
    /// SHA-1 state after the HMAC outer pad block.
    pub outer: [u32; 5],
    /// 1: the high half of the sequence number is hashed after the cipher text.
    pub esn: u32,
    /// Zero.
    pub reserved: [u32; 29],
}

/// Bytes of one row of `items` packets.
#[must_use]
pub const fn row_bytes(items: usize) -> usize {
    size_of::<RowHeader>() + items * (size_of::<Descriptor>() + size_of::<Side>() + size_of::<Outcome>())
}

const _: () = {
    assert!(size_of::<Control>() == 4 * LINE);
    assert!(size_of::<LaunchControl>() == LINE);
    assert!(size_of::<RowHeader>() == 64);
    assert!(size_of::<Descriptor>() == 32);
    assert!(size_of::<SaRecord>() == 512);
};
