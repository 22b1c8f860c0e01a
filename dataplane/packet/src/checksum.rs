//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

/// Ones-complement sum of big-endian 16-bit words, folded, not inverted. An
/// odd last byte counts as the high half of a word.
#[must_use]
#[inline]
pub fn sum(bytes: &[u8]) -> u16 {
    // 32 bits at a time: 2¹⁶ is 1 in ones-complement, so halves may be added later.
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    total += u64::from(u32::from_be_bytes(last));
    let total = (total & 0xffff_ffff) + (total >> 32);
    fold((total & 0xffff) as u32 + (total >> 16) as u32)
}

/// The checksum field of an IPv4 header whose own field is zero or left in:
/// over a header with a right checksum the result is 0.
#[must_use]
#[inline]
pub fn of(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// The checksum after one 16-bit word of the summed bytes changed from `old`
/// to `new` (RFC 1624, equation 3).
#[must_use]
#[inline]
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(u32::from(!checksum) + u32::from(!old) + u32::from(new))
}

fn fold(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of RFC 1071's successors' textbook example.
    const HEADER: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0,
        0xa8, 0x00, 0xc7,
    ];

    #[test]
    fn a_right_header_sums_to_zero() {
        assert_eq!(of(&HEADER), 0);
    }

    #[test]
    fn sums_of_any_length_are_those_of_16_bit_words() {
        let bytes: Vec<u8> = (0..70_001u32).map(|at| ((at * 37) >> 3) as u8 | 0xc0).collect();
        for len in (0..70).chain([1500, 9216, 70_000, 70_001]) {
            let words = bytes[..len].chunks(2);
            let naive: u64 = words
                .map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |low| u64::from(*low)))
                .sum();
            let naive = naive % 0xffff;
            assert_eq!(u64::from(sum(&bytes[..len])) % 0xffff, naive, "{len} bytes");
        }
        assert_eq!((sum(&[]), sum(&[0xff; 6])), (0, 0xffff));
    }

    #[test]
    fn a_zeroed_field_gives_the_checksum() {
        let mut header = HEADER;
        header[10..12].fill(0);
        assert_eq!(of(&header), 0xb861);
    }

    #[test]
    fn an_incremental_update_equals_a_new_sum() {
        for ttl in 1..=255u8 {
            let mut header = HEADER;
            let old = u16::from_be_bytes([header[8], header[9]]);
            header[8] = ttl;
            let new = u16::from_be_bytes([header[8], header[9]]);
            header[10..12].copy_from_slice(&update(0xb861, old, new).to_be_bytes());
            assert_eq!(of(&header), 0, "ttl {ttl}");
        }
    }
}
