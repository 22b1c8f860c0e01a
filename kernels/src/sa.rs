//! The SA record that the ESP kernels read, made from the two keys of an SA.
//!
//! AES-128 key expansion is FIPS-197 section 5.2, the equivalent inverse
//! cipher's is section 5.3.5; HMAC's pad states are RFC 2104 section 4
//! ("precomputed keys").

use crate::layout::SaRecord;
use crate::words::to_bytes;

/// Multiplication in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1 (FIPS-197 section 4.2).
const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        product ^= a * (b & 1);
        a = (a << 1) ^ ((a >> 7) * 0x1b);
        b >>= 1;
    }
    product
}

/// SubBytes (FIPS-197 section 5.1.1), from its definition: the inverse in the
/// field, which is the 254th power, then the affine map.
const SBOX: [u8; 256] = {
    let mut sbox = [0; 256];
    let mut x = 0;
    while x < 256 {
        let mut inverse = 1;
        let mut factor = 0;
        while factor < 254 {
            inverse = multiply(inverse, x as u8);
            factor += 1;
        }
        sbox[x] = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        x += 1;
    }
    sbox
};

fn substitute(word: u32) -> u32 {
    u32::from_be_bytes(word.to_be_bytes().map(|byte| SBOX[usize::from(byte)]))
}

/// Round keys, four words a round (FIPS-197 section 5.2).
fn expand(key: &[u8; 16]) -> [u32; 44] {
    let mut words = [0; 44];
    for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let mut round_constant = 1;
    for i in 4..44 {
        let mut word = words[i - 1];
        if i % 4 == 0 {
            word = substitute(word.rotate_left(8)) ^ u32::from(round_constant) << 24;
            round_constant = multiply(round_constant, 2);
        }
        words[i] = words[i - 4] ^ word;
    }
    words
}

/// InvMixColumns of one column (FIPS-197 section 5.3.3).
fn unmix(word: u32) -> u32 {
    let s = word.to_be_bytes();
    let row = |r: usize| {
        [14, 11, 13, 9].iter().enumerate().fold(0, |sum, (i, &factor)| sum ^ multiply(s[(r + i) % 4], factor))
    };
    u32::from_be_bytes([row(0), row(1), row(2), row(3)])
}

/// Round keys of the equivalent inverse cipher, in the order of `encrypt`: the
/// cipher starts with the last four words (FIPS-197 section 5.3.5).
fn invert(encrypt: &[u32; 44]) -> [u32; 44] {
    let mut decrypt = *encrypt;
    decrypt[4..40].iter_mut().for_each(|word| *word = unmix(*word));
    decrypt
}

/// SHA-1 state after one block of `key`, zero-filled, XORed with `pad`.
fn pad_state(key: &[u8; 20], pad: u8) -> [u32; 5] {
    let mut block = [pad; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    // The initial hash value of FIPS-180-4 section 5.3.1.
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    sha1::compress(&mut state, &[block.into()]);
    state
}

impl SaRecord {
    /// The record of an SA with AES-128-CBC and HMAC-SHA1-96. `esn`: sequence
    /// numbers have 64 bits, and the high half is part of the ICV (RFC 4303
    /// section 2.2.1).
    #[must_use]
    pub fn new(cipher_key: &[u8; 16], integrity_key: &[u8; 20], esn: bool) -> Self {
        let encrypt = expand(cipher_key);
        Self {
            encrypt,
            decrypt: invert(&encrypt),
            inner: pad_state(integrity_key, 0x36),
            outer: pad_state(integrity_key, 0x5c),
            esn: u32::from(esn),
            reserved: [0; 29],
        }
    }

    /// The 512 bytes to publish as a table.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { encrypt, decrypt, inner, outer, esn, reserved } = self;
        to_bytes(
            encrypt.iter().chain(decrypt).chain(inner).chain(outer).chain([esn]).chain(reserved).copied(),
        )
    }
}

/// An SA record is key material: it never shows itself.
impl std::fmt::Debug for SaRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaRecord").field("esn", &self.esn).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] =
        [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];

    #[test]
    fn sbox_is_figure_7_of_fips_197() {
        assert_eq!((SBOX[0x00], SBOX[0x01], SBOX[0x53], SBOX[0xff]), (0x63, 0x7c, 0xed, 0x16));
    }

    #[test]
    fn key_expansion_is_appendix_a1_of_fips_197() {
        let words = expand(&KEY);
        assert_eq!(words[4..8], [0xa0fa_fe17, 0x8854_2cb1, 0x23a3_3939, 0x2a6c_7605]);
        assert_eq!(words[20..24], [0xd4d1_c6f8, 0x7c83_9d87, 0xcaf2_b8bc, 0x11f9_15bc]);
        assert_eq!(words[40..44], [0xd014_f9a8, 0xc9ee_2589, 0xe13f_0cc8, 0xb663_0ca6]);
    }

    #[test]
    fn inverse_keys_are_those_of_appendix_c1_of_fips_197() {
        // The "ik_sch" lines of the equivalent inverse cipher of key 000102…0f.
        let decrypt = invert(&expand(&std::array::from_fn(|i| i as u8)));
        assert_eq!(decrypt[40..44], [0x1311_1d7f, 0xe394_4a17, 0xf307_a78b, 0x4d2b_30c5]);
        assert_eq!(decrypt[36..40], [0x13aa_29be, 0x9c8f_aff6, 0xf770_f580, 0x00f7_bf03]);
        assert_eq!(decrypt[4..8], [0x8c56_dff0, 0x825d_d3f9, 0x805a_d3fc, 0x8659_d7fd]);
        assert_eq!(decrypt[0..4], [0x0001_0203, 0x0405_0607, 0x0809_0a0b, 0x0c0d_0e0f]);
    }

    /// One more block, and the last, of a message of `before` bytes so far.
    fn finish(mut state: [u32; 5], before: usize, message: &[u8]) -> [u32; 5] {
        let mut block = [0; 64];
        block[..message.len()].copy_from_slice(message);
        block[message.len()] = 0x80;
        block[56..].copy_from_slice(&(8 * (before + message.len()) as u64).to_be_bytes());
        sha1::compress(&mut state, &[block.into()]);
        state
    }

    #[test]
    fn pad_states_make_the_hmacs_of_cases_1_and_3_of_rfc_2202() {
        let hmac = |key, message: &[u8]| {
            let sa = SaRecord::new(&KEY, key, false);
            let inner: Vec<u8> =
                finish(sa.inner, 64, message).into_iter().flat_map(u32::to_be_bytes).collect();
            finish(sa.outer, 64, &inner)
        };
        let digest = [0xb617_3186, 0x5505_7264, 0xe28b_c0b6, 0xfb37_8c8e, 0xf146_be00];
        assert_eq!(hmac(&[0x0b; 20], b"Hi There"), digest);
        let digest = [0x125d_7342, 0xb9ac_11cd, 0x91a3_9af4, 0x8aa1_7b4f, 0x63f1_75d3];
        assert_eq!(hmac(&[0xaa; 20], &[0xdd; 50]), digest);
    }

    #[test]
    fn bytes_are_the_fields_in_order_and_debug_hides_them() {
        let sa = SaRecord::new(&KEY, &[7; 20], true);
        let bytes = sa.to_bytes();
        assert_eq!(bytes.len(), size_of::<SaRecord>());
        assert_eq!(bytes[..4], sa.encrypt[0].to_le_bytes());
        assert_eq!(bytes[176..180], sa.decrypt[0].to_le_bytes());
        assert_eq!(bytes[372..376], sa.outer[0].to_le_bytes());
        assert_eq!(bytes[392..396], [1, 0, 0, 0]);
        assert_eq!(format!("{sa:?}"), "SaRecord { esn: 1, .. }");
    }
}
