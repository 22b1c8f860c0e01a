//! Initialisation vectors that nobody can foretell (RFC 3602, section 3).

use aes::{
    Aes128, Block,
    cipher::{BlockEncrypt, KeyInit},
};

/// Where IVs come from. One per core; never shared.
pub trait IvSource {
    /// The next IV.
    fn next_iv(&mut self) -> [u8; 16];
}

/// The product's source: AES-128 in counter mode under a key from the
/// operating system. Its blocks never repeat (2¹²⁸ of them) and cannot be told
/// from random ones without the key.
pub struct CtrIv {
    cipher: Aes128,
    counter: u128,
    /// Blocks made ahead, which a CPU does side by side; taken from the end.
    ahead: [Block; AHEAD],
    left: usize,
}

/// Blocks that are made at once: as many as AES instructions overlap.
const AHEAD: usize = 8;

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("no randomness for IVs from the operating system: {0}")]
pub struct IvError(getrandom::Error);

impl CtrIv {
    /// A source with a key of its own.
    ///
    /// # Errors
    /// getrandom(2) fails.
    pub fn new() -> Result<Self, IvError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(IvError)?;
        let (key, start) = seed.split_at(16);
        let start = start.try_into().expect("16 of 32 bytes");
        Ok(Self {
            cipher: Aes128::new(key.into()),
            counter: u128::from_le_bytes(start),
            ahead: [Block::default(); AHEAD],
            left: 0,
        })
    }

    fn refill(&mut self) {
        for block in &mut self.ahead {
            *block = self.counter.to_le_bytes().into();
            self.counter = self.counter.wrapping_add(1);
        }
        self.cipher.encrypt_blocks(&mut self.ahead);
        self.left = AHEAD;
    }
}

impl IvSource for CtrIv {
    fn next_iv(&mut self) -> [u8; 16] {
        if self.left == 0 {
            self.refill();
        }
        self.left -= 1;
        self.ahead[self.left].into()
    }
}

impl std::fmt::Debug for CtrIv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CtrIv(…)")
    }
}

/// A source that gives the same IVs for the same seed, so that CPU and GPU can
/// be compared byte for byte. It exists in tests only: behind the feature
/// `test-iv`, which dev-dependencies may name and nothing else.
#[cfg(any(test, feature = "test-iv"))]
#[derive(Clone, Debug)]
pub struct SeededIv(u64);

#[cfg(any(test, feature = "test-iv"))]
impl SeededIv {
    /// The source of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

#[cfg(any(test, feature = "test-iv"))]
impl IvSource for SeededIv {
    fn next_iv(&mut self) -> [u8; 16] {
        use sha2::{Digest, Sha256};
        self.0 = self.0.wrapping_add(1);
        *Sha256::digest(self.0.to_le_bytes()).first_chunk().expect("SHA-256 has 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_product_never_repeats_an_iv_and_two_cores_share_none() {
        let mut seen = HashSet::new();
        for mut source in [CtrIv::new().unwrap(), CtrIv::new().unwrap()] {
            for _ in 0..10_000 {
                assert!(seen.insert(source.next_iv()));
            }
        }
        // Each of the 128 bits is set about half the time: 20,000 draws, six
        // standard deviations are 425.
        for bit in 0..128 {
            let set = seen.iter().filter(|iv| iv[bit / 8] >> (bit % 8) & 1 == 1).count();
            assert!((9_400..=10_600).contains(&set), "bit {bit}: {set}");
        }
        assert_eq!(format!("{:?}", CtrIv::new().unwrap()), "CtrIv(…)");
    }

    #[test]
    fn a_seed_gives_its_ivs() {
        let ivs = |seed| {
            let mut source = SeededIv::new(seed);
            [source.next_iv(), source.next_iv()]
        };
        assert_eq!(ivs(1), ivs(1));
        assert_ne!(ivs(1), ivs(7));
        assert_ne!(ivs(1)[0], ivs(1)[1]);
    }
}
