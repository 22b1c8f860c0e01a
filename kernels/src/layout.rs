//! The memory that CPU and GPU share, byte for byte. `cl/layout.h` says the
//! same to the kernels; a test holds the two together.
//!
//! Per workgroup there is one [`Control`] block and a ring of `depth` rows
//! (a power of two). A row is a [`RowHeader`], then `items` [`Descriptor`]s,
//! then `items` [`Side`] areas (CPU to GPU), then `items` [`Outcome`]s (GPU to
//! CPU), where `items` is the workgroup size. All fields are little-endian
//! 32-bit words. Row `n` of group `g` lies [`row_offset`] bytes into the memory
//! of all rings; rings and tables start on [`LINE`] boundaries or better.

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

impl Control {
    /// Counters that both stand at `index`: nothing published, nothing owed.
    #[must_use]
    pub const fn starting_at(index: u32) -> Self {
        let _pad = [0; LINE / 4 - 1];
        Self {
            cpu_index: index,
            _pad0: _pad,
            gpu_index: index,
            _pad1: _pad,
            left: 0,
            _pad2: _pad,
            alive: 0,
            _pad3: _pad,
        }
    }
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

#[cfg(feature = "oracle")]
impl RowHeader {
    /// The header at the start of a row.
    pub(crate) fn from_bytes(row: &[u8]) -> Self {
        let [kernel, count] = crate::words::from_bytes(row);
        Self { kernel, count, _reserved: [0; 14] }
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
/// | `Match` | an automaton | payload | payload bytes, any number | – | word 0: pattern occurrences seen, which may exceed 7; words 1–7: the first 7 distinct pattern ids (by where they end, longer ones first, then by id), [`MATCH_NONE`] where there are fewer |
///
/// `data` is the distance in bytes from the start of packet memory, `table`
/// that from the start of table memory. Data may stand at any alignment; a
/// table starts at a multiple of [`TABLE_ALIGN`]. Side words 0–5 are packet
/// bytes in packet order; word 6 is a number.
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

#[cfg(feature = "oracle")]
impl Descriptor {
    /// The descriptor that `bytes` begin with.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let [flag, table, data, len, reserved @ ..]: [u32; 8] = crate::words::from_bytes(bytes);
        Self { flag, table, data, len, reserved }
    }
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

/// Bit of [`Outcome`] word 0 of `Match`: more than [`MATCH_IDS`] distinct
/// patterns occurred, so the ids are incomplete. The other 31 bits count
/// occurrences and stay at their largest value rather than wrap.
pub const MATCH_OVERFLOW: u32 = 1 << 31;
/// [`Outcome`] words 1–7 of `Match`: no pattern.
pub const MATCH_NONE: u32 = u32::MAX;

/// Alignment of a table in table memory, in bytes.
pub const TABLE_ALIGN: usize = 64;
/// Bytes between the start of the ESP header and the cipher text: SPI and
/// sequence number (RFC 4303, section 2), then the IV (RFC 3602, section 3).
pub const ESP_CIPHER_OFFSET: usize = 24;
/// Bytes of an HMAC-SHA1-96 integrity check value (RFC 2404, section 2).
pub const ICV_BYTES: usize = 12;

/// The head of a match automaton. After it stand, each at the offset in bytes
/// from the head that it names: 256 class numbers (one byte for each byte value,
/// case folded), the transitions, the output index and the outputs.
///
/// States are named by the word offset of their row of `classes` transitions; the
/// start state is 0. A transition holds the next state's row and, in its top bit
/// ([`HAS_OUTPUTS`]), whether patterns end there. Those of the `n`-th state are
/// `outputs[index[n] .. index[n + 1]]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutomatonHeader {
    /// Byte classes: transitions in a row, 1 to 230.
    pub classes: u32,
    /// States.
    pub states: u32,
    /// Offset of the class map, 256 bytes.
    pub class_map: u32,
    /// Offset of the transitions, `states * classes` words.
    pub next: u32,
    /// Offset of the output index, `states + 1` words.
    pub index: u32,
    /// Offset of the outputs, one word each: a pattern id.
    pub outputs: u32,
    /// Zero.
    pub reserved: [u32; 10],
}

/// Bit of a transition: the state it leads to has outputs.
pub const HAS_OUTPUTS: u32 = 1 << 31;

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

/// Distance in bytes of row `index` of workgroup `group` from the start of the
/// rings, `depth` rows a group, `items` packets a row.
#[must_use]
pub const fn row_offset(group: usize, index: u32, depth: u32, items: usize) -> usize {
    (group * depth as usize + (index & (depth - 1)) as usize) * row_bytes(items)
}

/// Distance in bytes of an item's [`Descriptor`] from the start of its row.
#[must_use]
pub const fn descriptor_offset(item: usize) -> usize {
    size_of::<RowHeader>() + item * size_of::<Descriptor>()
}

/// Distance in bytes of an item's [`Side`] area from the start of its row.
#[must_use]
pub const fn side_offset(items: usize, item: usize) -> usize {
    descriptor_offset(items) + item * size_of::<Side>()
}

/// Distance in bytes of an item's [`Outcome`] from the start of its row.
#[must_use]
pub const fn outcome_offset(items: usize, item: usize) -> usize {
    side_offset(items, items) + item * size_of::<Outcome>()
}

const _: () = {
    assert!(size_of::<Control>() == 4 * LINE);
    assert!(size_of::<LaunchControl>() == LINE);
    assert!(size_of::<RowHeader>() == 64);
    assert!(size_of::<Descriptor>() == 32);
    assert!(size_of::<SaRecord>() == 512);
    assert!(size_of::<AutomatonHeader>() == 64);
    assert!(outcome_offset(64, 64) == row_bytes(64));
};
