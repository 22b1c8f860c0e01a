//! Packets, tables and rows to try a kernel on, all from one seed.

use hummingbird_kernels::dfa::Automaton;
use hummingbird_kernels::layout::{
    Descriptor, ESP_CIPHER_OFFSET, ICV_BYTES, KernelId, RowHeader, SaRecord, Side, TABLE_ALIGN,
    descriptor_offset, row_bytes, side_offset,
};
pub use hummingbird_kernels::oracle::Keys;
use hummingbird_kernels::oracle::{self, Oracle};

/// One packet's place in a row.
pub type Slot = (Descriptor, Side);

/// A dummy that would be noticed if it were touched: it points at real bytes.
pub const DUMMY: Slot = (Descriptor { flag: 0, table: 0, data: 0, len: 64, reserved: [0; 4] }, [0; 8]);

/// Deterministic noise (Knuth's MMIX generator, high half).
pub struct Noise(pub u64);

impl Noise {
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.word() as u8)
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.word() % bound
    }
}

/// Packet and table memory as the host prepares it, and the oracle for both.
pub struct Scene {
    pub noise: Noise,
    pub packets: Vec<u8>,
    pub tables: Vec<u8>,
    pub oracle: Oracle,
}

impl Scene {
    pub fn new(seed: u64) -> Self {
        Self { noise: Noise(seed), packets: Vec::new(), tables: Vec::new(), oracle: Oracle::default() }
    }

    fn publish(&mut self, table: &[u8]) -> u32 {
        self.tables.resize(self.tables.len().next_multiple_of(TABLE_ALIGN), 0);
        let at = self.tables.len() as u32;
        self.tables.extend(table);
        at
    }

    /// An SA's table, with the keys for more packets of it.
    pub fn sa(&mut self, keys: Keys) -> (u32, Keys) {
        let table = self.publish(&SaRecord::new(&keys.cipher, &keys.integrity, keys.esn).to_bytes());
        self.oracle.add_sa(table, keys);
        (table, keys)
    }

    pub fn random_sa(&mut self, esn: bool) -> (u32, Keys) {
        let keys = Keys { cipher: self.noise.bytes(), integrity: self.noise.bytes(), esn };
        self.sa(keys)
    }

    pub fn patterns(&mut self, patterns: &[impl AsRef<[u8]>]) -> u32 {
        let automaton = Automaton::build(patterns).expect("a small automaton");
        let table = self.publish(automaton.as_bytes());
        self.oracle.add_patterns(table, patterns);
        table
    }

    /// Room for `len` bytes at `align` modulo 64, noise before and after.
    fn place(&mut self, len: usize, align: usize) -> usize {
        let at = (self.packets.len() + 1).next_multiple_of(64) + align;
        while self.packets.len() < at + len + 16 {
            let byte = self.noise.word() as u8;
            self.packets.push(byte);
        }
        at
    }

    fn esp_slot(&mut self, table: u32, len: usize, align: usize) -> Slot {
        let at = self.place(ESP_CIPHER_OFFSET + len + ICV_BYTES, align);
        let head: Vec<u32> = self.packets[at..at + ESP_CIPHER_OFFSET]
            .as_chunks()
            .0
            .iter()
            .map(|word| u32::from_le_bytes(*word))
            .collect();
        let side = [head[2], head[3], head[4], head[5], head[0], head[1], self.noise.word(), 0];
        (Descriptor { flag: 1, table, data: at as u32, len: len as u32, reserved: [0; 4] }, side)
    }

    /// A packet of noise to encrypt: `len` cipher bytes, ESP header at `align`.
    pub fn plain(&mut self, sa: (u32, Keys), len: usize, align: usize) -> Slot {
        self.esp_slot(sa.0, len, align)
    }

    /// A packet to decrypt, made by the oracle; with `forge`, one bit of it is
    /// wrong: bit `forge` modulo its size, from the ESP header to the ICV.
    pub fn cipher(&mut self, sa: (u32, Keys), len: usize, align: usize, forge: Option<u32>) -> Slot {
        let slot = self.esp_slot(sa.0, len, align);
        let packet = &mut self.packets[slot.0.data as usize..][..ESP_CIPHER_OFFSET + len + ICV_BYTES];
        oracle::esp_encrypt(&sa.1, &slot.1, packet);
        if let Some(bit) = forge {
            let bit = bit as usize % (packet.len() * 8);
            packet[bit / 8] ^= 1 << (bit % 8);
        }
        slot
    }

    /// A given payload to search.
    pub fn payload(&mut self, table: u32, payload: &[u8], align: usize) -> Slot {
        let at = self.place(payload.len(), align);
        self.packets[at..at + payload.len()].copy_from_slice(payload);
        let len = payload.len() as u32;
        (Descriptor { flag: 1, table, data: at as u32, len, reserved: [0; 4] }, [0; 8])
    }
}

/// The bytes of a row: `slots`, then dummies; outcomes hold a pattern that a
/// kernel does not write by chance.
pub fn row(kernel: KernelId, items: usize, slots: &[Slot]) -> Vec<u8> {
    assert!(slots.len() <= items);
    let mut row = vec![0xa5; row_bytes(items)];
    let header = RowHeader::new(kernel, slots.len() as u32);
    put(&mut row, 0, &[header.kernel, header.count]);
    for item in 0..items {
        let (d, side) = slots.get(item).copied().unwrap_or(DUMMY);
        put(&mut row, descriptor_offset(item), &[d.flag, d.table, d.data, d.len, 0, 0, 0, 0]);
        put(&mut row, side_offset(items, item), &side);
    }
    row
}

fn put(row: &mut [u8], at: usize, words: &[u32]) {
    for (bytes, word) in row[at..].as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
}
