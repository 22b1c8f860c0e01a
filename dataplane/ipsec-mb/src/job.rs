//! One packet's part in a burst.

use crate::Key;

/// Bytes of the ESP header: SPI and sequence number (RFC 4303, section 2).
pub const HEADER: usize = 8;
/// Bytes of the IV, which stands in clear before the cipher text (RFC 3602).
pub const IV: usize = 16;
/// Bytes of the ICV: HMAC-SHA1 cut to 96 bits (RFC 2404).
pub const ICV: usize = 12;
/// Bytes of an ESP packet that are not cipher text.
pub const OVERHEAD: usize = HEADER + IV + ICV;
/// The AES block.
const BLOCK: usize = 16;

/// The ESP region of one packet, lent to a burst: 8 bytes of header, 16 of IV,
/// the text, 12 of ICV.
pub struct Job<'a> {
    pub(crate) key: &'a Key,
    pub(crate) esp: &'a mut [u8],
    pub(crate) seq_high: Option<u32>,
    pub(crate) verdict: Verdict,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has not been in a burst yet.
    Pending,
    /// Encrypt: cipher text and ICV are in place. Decrypt: the ICV is right
    /// and the plain text in place.
    Done,
    /// Decrypt: the ICV is wrong; the packet's content is unspecified.
    BadIcv,
    /// The library refused the job; the packet's content is unspecified.
    Failed,
}

/// An ESP region that is no whole number of blocks, or holds none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ESP region of {0} bytes: it takes {OVERHEAD} and a positive multiple of {BLOCK}")]
pub struct LengthError(pub usize);

impl<'a> Job<'a> {
    /// A job on `esp` (any alignment). `seq_high` is the high half of an
    /// extended sequence number, `None` for 32-bit numbers.
    ///
    /// # Errors
    /// The region's length is not 36 bytes and a positive multiple of 16.
    pub fn new(key: &'a Key, esp: &'a mut [u8], seq_high: Option<u32>) -> Result<Self, LengthError> {
        let text = esp.len().saturating_sub(OVERHEAD);
        if text == 0 || !text.is_multiple_of(BLOCK) {
            return Err(LengthError(esp.len()));
        }
        Ok(Self { key, esp, seq_high, verdict: Verdict::Pending })
    }

    /// How the job ended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Bytes of the text between IV and ICV.
    pub(crate) fn text_len(&self) -> usize {
        self.esp.len() - OVERHEAD
    }

    /// The ICV's place.
    pub(crate) fn icv(&mut self) -> &mut [u8; ICV] {
        self.esp.last_chunk_mut().expect("new() checked the length")
    }

    /// Bytes that the ICV covers, from the ESP header on; the high half of the
    /// sequence number is put behind the text for the hash's sake.
    pub(crate) fn lay_hash_input(&mut self) -> usize {
        let sent = HEADER + IV + self.text_len();
        match self.seq_high {
            Some(high) => {
                self.icv()[..4].copy_from_slice(&high.to_be_bytes());
                sent + 4
            }
            None => sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manager;

    #[test]
    fn only_whole_blocks_make_a_job() {
        let key = Key::new(&Manager::new().unwrap(), &[1; 16], &[2; 20]);
        for len in 0..200 {
            let right = len > OVERHEAD && (len - OVERHEAD).is_multiple_of(BLOCK);
            let mut esp = vec![0; len];
            assert_eq!(Job::new(&key, &mut esp, None).is_ok(), right, "{len} bytes");
        }
        assert_eq!(
            Job::new(&key, &mut [0; 40], None).err().unwrap().to_string(),
            "an ESP region of 40 bytes: it takes 36 and a positive multiple of 16"
        );
    }
}
