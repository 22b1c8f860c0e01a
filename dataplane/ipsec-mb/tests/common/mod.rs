//! A reference made of RustCrypto's parts, and hex for the vectors.
#![allow(dead_code, reason = "each test file uses its part")]

use aes::Aes128;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::NoPadding};
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// Bytes of a hex string with blanks anywhere.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// AES-128-CBC in place, no padding.
pub fn cbc_encrypt(key: &[u8; 16], iv: &[u8], text: &mut [u8]) {
    let len = text.len();
    cbc::Encryptor::<Aes128>::new_from_slices(key, iv)
        .unwrap()
        .encrypt_padded_mut::<NoPadding>(text, len)
        .unwrap();
}

/// The inverse.
pub fn cbc_decrypt(key: &[u8; 16], iv: &[u8], text: &mut [u8]) {
    cbc::Decryptor::<Aes128>::new_from_slices(key, iv)
        .unwrap()
        .decrypt_padded_mut::<NoPadding>(text)
        .unwrap();
}

/// HMAC-SHA1, all 20 bytes.
pub fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// An ESP region as RFC 4303 wants it, from header, IV and plain text.
pub fn seal(cipher: &[u8; 16], integrity: &[u8; 20], esp: &mut [u8], seq_high: Option<u32>) {
    let icv = esp.len() - 12;
    let (head, text) = esp[..icv].split_at_mut(24);
    cbc_encrypt(cipher, &head[8..], text);
    let high = seq_high.map(u32::to_be_bytes);
    let tag = hmac_sha1(integrity, &[&esp[..icv], high.as_ref().map_or(&[], |high| high)]);
    esp[icv..].copy_from_slice(&tag[..12]);
}
