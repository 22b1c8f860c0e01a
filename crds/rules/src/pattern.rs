//! The prefilter: which few bytes of a rule to search every payload for.

/// The longest window of a content that the prefilter searches for, bytes. A
/// dense DFA over the windows of the 18,290 rules of Emerging Threats then
/// has some 50,000 states: with 256 classes of 4 bytes under 64 MiB.
pub const MAX_PATTERN: usize = 8;

/// The shortest window worth searching for: shorter ones hit in nearly every
/// payload, so their rules are candidates for every packet of their protocol.
pub const MIN_PATTERN: usize = 3;

/// How rare a byte is in traffic, from 0: a coarse scale, lower-case letters
/// and what pads binary protocols at its low end.
pub(crate) fn rarity(byte: u8) -> u8 {
    match byte {
        0 | b' ' | b'e' | b't' | b'a' | b'o' => 1,
        b'n' | b'i' | b's' | b'r' | b'c' | b'd' | b'l' | b'p' | b'/' | b'.' => 2,
        b'a'..=b'z' | b'0' | b'1' | b'\r' | b'\n' | b':' | b'-' | b'=' | 0xff => 3,
        b'0'..=b'9' | b'A'..=b'Z' | 1..=8 => 4,
        b'"' | b'<' | b'>' | b'&' | b'?' | b'_' | b',' | b';' | b'%' | b'(' | b')' => 5,
        _ => 7,
    }
}

/// The window of a content that the prefilter uses, lower-cased; `None` where
/// the content is too short.
pub(crate) fn window(content: &[u8]) -> Option<Box<[u8]>> {
    if content.len() < MIN_PATTERN {
        return None;
    }
    let content = content.to_ascii_lowercase();
    let len = content.len().min(MAX_PATTERN);
    let score = |window: &[u8]| -> u32 {
        window
            .iter()
            .enumerate()
            // A byte that came before in the window adds nothing.
            .filter(|(at, byte)| !window[..*at].contains(byte))
            .map(|(_, byte)| u32::from(rarity(*byte)))
            .sum()
    };
    let mut best: Option<(u32, &[u8])> = None;
    for window in content.windows(len) {
        let score = score(window);
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, window));
        }
    }
    best.map(|(_, window)| window.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_distinctive_window_is_chosen() {
        assert_eq!(window(b"ab"), None);
        assert_eq!(&*window(b"AbC").unwrap(), b"abc");
        assert_eq!(&*window(b"AAAAAAAAAAAAAAAA\x90\xebxyz").unwrap(), b"aaa\x90\xebxyz");
        assert_eq!(&*window(&[0; 40]).unwrap(), &[0; MAX_PATTERN]);
        // Of equals the first.
        assert_eq!(&*window(b"bcdfghjkbcdfghjk").unwrap(), b"bcdfghjk");
    }
}
