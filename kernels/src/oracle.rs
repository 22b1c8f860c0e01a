//! What the kernels must compute, by the field's crates: rows in, rows out.
//!
//! An [`Oracle`] knows what lies in table memory as keys and patterns rather
//! than as bytes, so it judges the table builders too.

use crate::layout::{
    BAD_ICV, DONE, Descriptor, ESP_CIPHER_OFFSET, ICV_BYTES, KernelId, MATCH_IDS, MATCH_NONE, MATCH_OVERFLOW,
    Outcome, RowHeader, Side, descriptor_offset, outcome_offset, side_offset,
};
use crate::words::{from_bytes, to_bytes};
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use aho_corasick::AhoCorasick;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Keys of an SA.
#[derive(Clone, Copy)]
pub struct Keys {
    /// AES-128.
    pub cipher: [u8; 16],
    /// HMAC-SHA1.
    pub integrity: [u8; 20],
    /// Whether the high half of the sequence number is part of the ICV.
    pub esn: bool,
}

impl Keys {
    /// The ICV of an ESP packet from its header to its last cipher byte (RFC
    /// 4303 section 2.8, RFC 2404).
    fn icv(&self, packet: &[u8], esn_high: u32) -> [u8; ICV_BYTES] {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.integrity).expect("any length is a key");
        mac.update(packet);
        if self.esn {
            mac.update(&esn_high.to_be_bytes());
        }
        let tag = mac.finalize().into_bytes();
        std::array::from_fn(|i| tag[i])
    }
}

/// The reference for all kernels.
#[derive(Default)]
pub struct Oracle {
    sas: HashMap<u32, Keys>,
    pattern_sets: HashMap<u32, AhoCorasick>,
}

impl Oracle {
    /// An SA record lies at `table`.
    pub fn add_sa(&mut self, table: u32, keys: Keys) {
        self.sas.insert(table, keys);
    }

    /// An automaton of these patterns, none empty, lies at `table`.
    ///
    /// # Panics
    /// If the `aho-corasick` crate refuses the patterns.
    pub fn add_patterns(&mut self, table: u32, patterns: &[impl AsRef<[u8]>]) {
        let ac = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).expect("few patterns");
        self.pattern_sets.insert(table, ac);
    }

    /// Does to a row of `items` packets, and to packet memory, what the kernel
    /// must. A row for an unknown kernel stays as it is.
    ///
    /// # Panics
    /// If a descriptor leads outside `packets` or to no table.
    pub fn run_row(&self, row: &mut [u8], items: usize, packets: &mut [u8]) {
        let head: RowHeader = RowHeader::from_bytes(row);
        for item in 0..items.min(head.count as usize) {
            let d = Descriptor::from_bytes(&row[descriptor_offset(item)..]);
            if d.flag == 0 {
                continue;
            }
            let side: Side = from_bytes(&row[side_offset(items, item)..]);
            let at = outcome_offset(items, item);
            let mut outcome: Outcome = from_bytes(&row[at..]);
            let data = d.data as usize;
            match head.kernel {
                k if k == KernelId::EspEncrypt as u32 => {
                    outcome[0] = esp_encrypt(&self.sas[&d.table], &side, esp_packet(packets, &d));
                }
                k if k == KernelId::EspDecrypt as u32 => {
                    outcome[0] = esp_decrypt(&self.sas[&d.table], &side, esp_packet(packets, &d));
                }
                k if k == KernelId::Match as u32 => {
                    outcome =
                        match_patterns(&self.pattern_sets[&d.table], &packets[data..data + d.len as usize]);
                }
                _ => {}
            }
            row[at..outcome_offset(items, item + 1)].copy_from_slice(&to_bytes(outcome));
        }
    }
}

/// The bytes of an ESP packet, ICV included.
fn esp_packet<'a>(packets: &'a mut [u8], d: &Descriptor) -> &'a mut [u8] {
    &mut packets[d.data as usize..][..ESP_CIPHER_OFFSET + d.len as usize + ICV_BYTES]
}

/// `EspEncrypt` on one packet, which runs from the ESP header to the ICV.
///
/// # Panics
/// If the packet's ESP header and IV are not those of `side`, or the cipher text
/// is no multiple of 16 bytes.
pub fn esp_encrypt(keys: &Keys, side: &Side, packet: &mut [u8]) -> u32 {
    let iv = to_bytes(side[..4].iter().copied());
    let header = to_bytes(side[4..6].iter().copied());
    let icv_at = packet.len() - ICV_BYTES;
    let (head, cipher) = packet[..icv_at].split_at_mut(ESP_CIPHER_OFFSET);
    let len = cipher.len();
    cbc::Encryptor::<aes::Aes128>::new_from_slices(&keys.cipher, &iv)
        .expect("lengths are fixed")
        .encrypt_padded_mut::<NoPadding>(cipher, len)
        .expect("a multiple of the block");
    assert_eq!(*head, *[header, iv].concat(), "ESP header and IV of packet and side area are the same");
    let icv = keys.icv(&packet[..icv_at], side[6]);
    packet[icv_at..].copy_from_slice(&icv);
    DONE
}

/// `EspDecrypt` on one packet, which runs from the ESP header to the ICV.
///
/// # Panics
/// If the cipher text is no multiple of 16 bytes.
pub fn esp_decrypt(keys: &Keys, side: &Side, packet: &mut [u8]) -> u32 {
    let (esp, icv) = packet.split_at_mut(packet.len() - ICV_BYTES);
    if keys.icv(esp, side[6]) != *icv {
        return BAD_ICV;
    }
    let (head, cipher) = esp.split_at_mut(ESP_CIPHER_OFFSET);
    cbc::Decryptor::<aes::Aes128>::new_from_slices(&keys.cipher, &head[8..])
        .expect("lengths are fixed")
        .decrypt_padded_mut::<NoPadding>(cipher)
        .expect("a multiple of the block");
    DONE
}

/// `Match` on one payload.
#[must_use]
pub fn match_patterns(patterns: &AhoCorasick, payload: &[u8]) -> Outcome {
    let mut found: Vec<_> = patterns
        .find_overlapping_iter(payload)
        .map(|m| (m.end(), Reverse(m.end() - m.start()), m.pattern().as_u32()))
        .collect();
    found.sort_unstable();
    let mut distinct = Vec::new();
    for &(_, _, id) in &found {
        if !distinct.contains(&id) {
            distinct.push(id);
        }
    }
    let overflow = if distinct.len() > MATCH_IDS { MATCH_OVERFLOW } else { 0 };
    let mut outcome = [MATCH_NONE; 8];
    outcome[0] = found.len() as u32 | overflow;
    outcome[1..].iter_mut().zip(distinct).for_each(|(word, id)| *word = id);
    outcome
}
