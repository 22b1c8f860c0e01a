//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

/// Ones-complement sum of big-endian 16-bit words, folded, not inverted. An
/// odd last byte counts as the high half of a word.
#[must_use]
pub fn sum(bytes: &[u8]) -> u16 {
    let mut words = bytes.chunks_exact(2);
    let mut total: u32 = words.by_ref().map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    if let [last] = words.remainder() {
        total += u32::from(*last) << 8;
    }
    fold(total)
}

/// The checksum field of an IPv4 header whose own field is zero or left in:
/// over a header with a right checksum the result is 0.
#[must_use]
pub fn of(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// The checksum after one 16-bit word of the summed bytes changed from `old`
/// to `new` (RFC 1624, equation 3).
#[must_use]
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
