//! One SA's file, byte for byte.
//!
//! | bytes | |
//! | --- | --- |
//! | 0–7 | `HBSASTAT` |
//! | 8–11 | version, 1 |
//! | 12 | direction: 0 outbound, 1 inbound |
//! | 13 | 1: extended sequence numbers |
//! | 14–15 | zero |
//! | 16–19 | SPI |
//! | 20–23 | outer destination, network order |
//! | 24–55 | fingerprint of the keys |
//! | 56–63 | mark: every number up to it counts as used |
//! | 64–67 | CRC-32 of bytes 0–63 |
//!
//! Integers are little-endian.

use crate::{Direction, SaIdentity};

const MAGIC: &[u8; 8] = b"HBSASTAT";
const VERSION: u32 = 1;
pub(crate) const LEN: usize = 68;
const CHECKED: usize = LEN - 4;

/// What a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) identity: SaIdentity,
    pub(crate) esn: bool,
    pub(crate) mark: u64,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Cut short, or longer than a record.
    #[error("it has {0} bytes and not {LEN}")]
    Length(usize),
    /// Some other program's file.
    #[error("it is no SA state")]
    Magic,
    /// A later release wrote it.
    #[error("its version is {0}, and this program knows {VERSION}")]
    Version(u32),
    /// Its bytes are not those that were written.
    #[error("its checksum is wrong")]
    Checksum,
    /// A sound record of another SA.
    #[error("it is the state of another SA")]
    Foreign,
}

impl Record {
    pub(crate) fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12] = u8::from(self.identity.direction == Direction::Inbound);
        bytes[13] = u8::from(self.esn);
        bytes[16..20].copy_from_slice(&self.identity.spi.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.identity.destination.octets());
        bytes[24..56].copy_from_slice(&self.identity.fingerprint);
        bytes[56..64].copy_from_slice(&self.mark.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..CHECKED]);
        bytes[CHECKED..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the file of `identity`.
    pub(crate) fn decode(bytes: &[u8], identity: SaIdentity) -> Result<Self, Damage> {
        let whole: &[u8; LEN] = bytes.try_into().map_err(|_| Damage::Length(bytes.len()))?;
        let word = |at: usize| u32::from_le_bytes([whole[at], whole[at + 1], whole[at + 2], whole[at + 3]]);
        if !whole.starts_with(MAGIC) {
            return Err(Damage::Magic);
        }
        if word(CHECKED) != crc32fast::hash(&whole[..CHECKED]) {
            return Err(Damage::Checksum);
        }
        if word(8) != VERSION {
            return Err(Damage::Version(word(8)));
        }
        let mark = u64::from(word(60)) << 32 | u64::from(word(56));
        let record = Self { identity, esn: whole[13] == 1, mark };
        // What is left to differ is the identity.
        if record.encode() != *whole {
            return Err(Damage::Foreign);
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let identity =
            SaIdentity::new(Direction::Inbound, 4097, Some([198, 51, 100, 1].into()), &[1; 16], &[2; 20]);
        Record { identity, esn: true, mark: 0x0123_4567_89ab_cdef }
    }

    #[test]
    fn round_trips() {
        let record = record();
        assert_eq!(Record::decode(&record.encode(), record.identity), Ok(record));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let record = record();
        let good = record.encode();
        for bit in 0..LEN * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(&bad, record.identity).is_err(), "bit {bit}");
        }
        for len in 0..LEN {
            assert_eq!(Record::decode(&good[..len], record.identity), Err(Damage::Length(len)));
        }
    }

    #[test]
    fn names_version_and_foreigners() {
        let record = record();
        let mut later = record.encode();
        later[8] = 2;
        let crc = crc32fast::hash(&later[..CHECKED]);
        later[CHECKED..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Record::decode(&later, record.identity), Err(Damage::Version(2)));
        let other = SaIdentity { spi: 9, ..record.identity };
        assert_eq!(Record::decode(&record.encode(), other), Err(Damage::Foreign));
        assert_eq!(Record::decode(&[b'x'; LEN], other), Err(Damage::Magic));
    }
}
