//! Comparisons of a packet's number with a rule's: `10`, `!10`, `<10`,
//! `>=10`, `5<>10`.

use std::str::FromStr;

use super::{SyntaxError, wrong};

/// A condition on a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Is(u32),
    IsNot(u32),
    Below(u32),
    AtMost(u32),
    Above(u32),
    AtLeast(u32),
    /// Both ends excluded, as in Suricata 7.
    Between(u32, u32),
}

impl Number {
    pub fn holds(&self, value: u32) -> bool {
        match *self {
            Self::Is(n) => value == n,
            Self::IsNot(n) => value != n,
            Self::Below(n) => value < n,
            Self::AtMost(n) => value <= n,
            Self::Above(n) => value > n,
            Self::AtLeast(n) => value >= n,
            Self::Between(low, high) => low < value && value < high,
        }
    }

    /// Reads a condition on a number from 0 to `max`.
    pub fn parse(name: &str, value: &[u8], max: u32) -> Result<Self, SyntaxError> {
        let text = text(name, value)?;
        let number = |text: &str| bounded(name, text.trim_start(), max);
        if let Some((low, high)) = text.split_once("<>").or_else(|| text.split_once('-')) {
            let (low, high) = (number(low.trim_end())?, number(high)?);
            return if high > low && high - low > 1 {
                Ok(Self::Between(low, high))
            } else {
                Err(wrong!("{name}: no number lies between {low} and {high}, which are excluded"))
            };
        }
        for (sign, make) in [
            (">=", Self::AtLeast as fn(u32) -> Self),
            ("<=", Self::AtMost),
            ("!=", Self::IsNot),
            (">", Self::Above),
            ("<", Self::Below),
            ("!", Self::IsNot),
            ("=", Self::Is),
        ] {
            if let Some(rest) = text.strip_prefix(sign) {
                let condition = make(number(rest)?);
                return match condition {
                    Self::Below(0) | Self::AtLeast(0) => Err(wrong!("{name}: '{text}' says nothing")),
                    Self::Above(n) | Self::AtMost(n) if n == max => {
                        Err(wrong!("{name}: '{text}' says nothing"))
                    }
                    condition => Ok(condition),
                };
            }
        }
        number(text).map(Self::Is)
    }
}

/// The value as text.
pub(crate) fn text<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, SyntaxError> {
    match std::str::from_utf8(value) {
        Ok("") => Err(wrong!("{name} needs a value")),
        Ok(text) => Ok(text),
        Err(_) => Err(wrong!("the value of {name} is not text")),
    }
}

/// A decimal number of at most `max`.
pub(crate) fn bounded<T>(name: &str, text: &str, max: T) -> Result<T, SyntaxError>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let digits = text.strip_prefix('-').unwrap_or(text);
    Some(text)
        .filter(|_| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|number| *number <= max)
        .ok_or_else(|| wrong!("{name}: '{text}' is no number up to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparison() {
        let holds = |text: &str, value| Number::parse("dsize", text.as_bytes(), 65535).unwrap().holds(value);
        for (text, yes, no) in [
            ("10", 10, 11),
            ("= 10", 10, 9),
            ("!10", 9, 10),
            ("!=10", 11, 10),
            ("<10", 9, 10),
            ("<=10", 10, 11),
            (">10", 11, 10),
            (">= 10", 10, 9),
            ("5<>10", 6, 5),
            ("5 <> 10", 9, 10),
            ("5-10", 9, 10),
        ] {
            assert!(holds(text, yes) && !holds(text, no), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "x", "5<>6", "10<>5", "<0", ">65535", "65536", "1 2", "-1", "+1"] {
            assert!(Number::parse("dsize", text.as_bytes(), 65535).is_err(), "{text}");
        }
    }
}
