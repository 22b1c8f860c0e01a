//! The ESP trailer: padding, its length, the next header (RFC 4303, section 2.4).

/// The cipher's block, which padding fills up to.
const BLOCK: usize = 16;
/// Pad length and next header.
const FIXED: usize = 2;

/// Bytes of padding, 0 to 15, that make `payload` and trailer whole blocks.
pub(crate) const fn pad_len(payload: usize) -> usize {
    (BLOCK - (payload + FIXED) % BLOCK) % BLOCK
}

/// Bytes of payload and trailer together.
pub(crate) const fn text_len(payload: usize) -> usize {
    payload + pad_len(payload) + FIXED
}

/// Writes the whole trailer: 1, 2, 3, …, the pad length, the next header.
pub(crate) fn write(trailer: &mut [u8], next_header: u8) {
    let pad = trailer.len() - FIXED;
    for (at, byte) in trailer[..pad].iter_mut().enumerate() {
        *byte = at as u8 + 1;
    }
    trailer[pad..].copy_from_slice(&[pad as u8, next_header]);
}

/// Payload length and next header of a deciphered text, or `None` where the
/// padding is longer than the text or not 1, 2, 3, … (the check of RFC 4303,
/// section 2.4). Any length up to 255 is right.
pub(crate) fn read(text: &[u8]) -> Option<(usize, u8)> {
    let [head @ .., pad_len, next_header] = text else { return None };
    let payload = head.len().checked_sub(usize::from(*pad_len))?;
    let right = head[payload..].iter().zip(1..).all(|(byte, wanted): (_, u8)| *byte == wanted);
    right.then_some((payload, *next_header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_length_round_trips() {
        for payload in 0..100 {
            assert!(text_len(payload).is_multiple_of(BLOCK) && pad_len(payload) < BLOCK);
            let mut text = vec![0xee; text_len(payload)];
            write(&mut text[payload..], 4);
            assert_eq!(read(&text), Some((payload, 4)));
        }
    }

    #[test]
    fn every_padding_length_up_to_255_is_read() {
        for pad in 0..=255 {
            let mut text = vec![0xee; 7 + pad + FIXED];
            write(&mut text[7..], 17);
            assert_eq!(read(&text), Some((7, 17)));
        }
    }

    #[test]
    fn every_wrong_byte_of_the_padding_is_seen() {
        let mut text = vec![0xee; 3 + 11 + FIXED];
        write(&mut text[3..], 4);
        for at in 3..14 {
            let mut wrong = text.clone();
            wrong[at] ^= 0x40;
            assert_eq!(read(&wrong), None);
        }
        text[14] = 15;
        assert_eq!(read(&text), None, "longer than the text");
        assert_eq!(read(&[4]), None);
        assert_eq!(read(&[]), None);
    }
}
