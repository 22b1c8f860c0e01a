//! The bytes that a `content` value stands for.

use super::{SyntaxError, wrong};

/// Reads `abc|0d 0a|d\;e`: text with hexadecimal bytes between bars and the
/// escapes `\:`, `\;`, `\\` and `\"`.
pub(crate) fn bytes(value: &[u8]) -> Result<Box<[u8]>, SyntaxError> {
    let mut bytes = Vec::with_capacity(value.len());
    let (mut hex, mut high, mut escaped) = (false, None, false);
    for &byte in value {
        if byte == b'|' && !escaped {
            if high.is_some() {
                return Err(wrong!("half a byte of hexadecimal before a '|'"));
            }
            hex = !hex;
        } else if hex {
            match (char::from(byte).to_digit(16), high) {
                (Some(digit), None) => high = Some(digit as u8),
                (Some(digit), Some(first)) => {
                    bytes.push(first << 4 | digit as u8);
                    high = None;
                }
                (None, _) if matches!(byte, b' ' | b',') => {}
                (None, _) => {
                    return Err(wrong!("'{}' is no hexadecimal digit", char::from(byte).escape_default()));
                }
            }
        } else if escaped {
            if !matches!(byte, b':' | b';' | b'\\' | b'"') {
                return Err(wrong!("'\\{}' is no escape; write |5c|", char::from(byte).escape_default()));
            }
            bytes.push(byte);
            escaped = false;
        } else {
            match byte {
                b'\\' => escaped = true,
                b'"' => return Err(wrong!("a double quote needs a backslash")),
                _ => bytes.push(byte),
            }
        }
    }
    if hex || escaped {
        return Err(wrong!("a '|' or a backslash is left open"));
    }
    if bytes.is_empty() || bytes.len() > usize::from(u16::MAX) {
        return Err(wrong!("a content has 1 to 65535 bytes, not {}", bytes.len()));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_escapes() {
        assert_eq!(&*bytes(br#"a|0D 0a|\;\\\"\:|41,42|b"#).unwrap(), b"a\r\n;\\\":ABb");
        assert_eq!(&*bytes(b"\xff\x00").unwrap(), b"\xff\x00");
    }

    #[test]
    fn bad_values_say_why() {
        let error = |text: &str| bytes(text.as_bytes()).unwrap_err().0;
        assert_eq!(error("|0|"), "half a byte of hexadecimal before a '|'");
        assert_eq!(error("|0g|"), "'g' is no hexadecimal digit");
        assert_eq!(error("|00"), "a '|' or a backslash is left open");
        assert_eq!(error("a\\n"), "'\\n' is no escape; write |5c|");
        assert_eq!(error("a\"b"), "a double quote needs a backslash");
        assert_eq!(error("||"), "a content has 1 to 65535 bytes, not 0");
    }
}
