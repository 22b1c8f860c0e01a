//! The keys of one SA, expanded once.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Manager;

/// SHA-1's block, which HMAC pads its key to.
const SHA1_BLOCK: usize = 64;

/// AES-128 round keys of both directions, and the SHA-1 states after HMAC's
/// inner and outer pad block (RFC 2104). Wiped on drop; never printed.
pub struct Key(Box<Expanded>);

/// The library reads round keys by aligned 16-byte loads.
#[repr(C, align(64))]
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Expanded {
    pub(crate) encrypt: [u8; 176],
    pub(crate) decrypt: [u8; 176],
    pub(crate) inner: [u8; 20],
    _align_outer: [u8; 12],
    pub(crate) outer: [u8; 20],
}

impl Key {
    /// Expands the two keys of an SA. The result serves any manager.
    #[must_use]
    pub fn new(manager: &Manager, cipher: &[u8; 16], integrity: &[u8; 20]) -> Self {
        let mut key = Box::new(Expanded {
            encrypt: [0; 176],
            decrypt: [0; 176],
            inner: [0; 20],
            _align_outer: [0; 12],
            outer: [0; 20],
        });
        manager.expand_aes128(cipher, &mut key.encrypt, &mut key.decrypt);
        let mut block = [0; SHA1_BLOCK];
        for (pad, state) in [(0x36, &mut key.inner), (0x5c, &mut key.outer)] {
            block.fill(pad);
            block.iter_mut().zip(integrity).for_each(|(byte, key)| *byte ^= key);
            manager.sha1_block(&block, state);
        }
        block.zeroize();
        Self(key)
    }

    pub(crate) fn expanded(&self) -> &Expanded {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_schedule_is_that_of_fips_197_and_is_not_printed() {
        let cipher =
            [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
        let key = Key::new(&Manager::new().unwrap(), &cipher, &[0xaa; 20]);
        // FIPS-197, appendix A.1: w[0..4] and w[40..44].
        assert_eq!(key.expanded().encrypt[..16], cipher);
        assert_eq!(
            key.expanded().encrypt[160..],
            [0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee, 0x25, 0x89, 0xe1, 0x3f, 0x0c, 0xc8, 0xb6, 0x63, 0x0c, 0xa6]
        );
        assert_eq!(format!("{key:?}"), "Key(…)");
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut key = Key::new(&Manager::new().unwrap(), &[5; 16], &[6; 20]);
        key.0.zeroize();
        let left = [&key.0.encrypt[..], &key.0.decrypt, &key.0.inner, &key.0.outer].concat();
        assert!(left.iter().all(|byte| *byte == 0));
    }
}
