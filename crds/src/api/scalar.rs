//! Scalars that YAML may write as a number or as text.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A number or a text: protocols and port ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrText {
    /// Written as a number.
    Int(i64),
    /// Written as text.
    Text(String),
}

impl fmt::Display for IntOrText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl JsonSchema for IntOrText {
    fn schema_name() -> Cow<'static, str> {
        "IntOrText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-int-or-string": true })
    }
}

/// An amount of memory as Kubernetes writes it: `512Mi`, `1Gi`, `2000000`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(pub IntOrText);

impl Default for Quantity {
    /// Nothing.
    fn default() -> Self {
        Self::of_bytes(0)
    }
}

impl Quantity {
    /// An amount of bytes, written with the largest of `Gi`, `Mi` and `Ki` that leaves it whole.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        let unit = [(30, "Gi"), (20, "Mi"), (10, "Ki")]
            .into_iter()
            .find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
        let (shift, suffix) = unit.unwrap_or((0, ""));
        Self(IntOrText::Text(format!("{}{suffix}", bytes >> shift)))
    }

    /// The amount in bytes, or `None` where it is no whole number of bytes
    /// with one of the suffixes `k M G T Ki Mi Gi Ti`, or too large.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let text = match &self.0 {
            IntOrText::Int(number) => return u64::try_from(*number).ok(),
            IntOrText::Text(text) => text,
        };
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, suffix) = text.split_at(digits);
        let unit = match suffix {
            "" => 1,
            "k" => 1000,
            "M" => 1000 * 1000,
            "G" => 1000 * 1000 * 1000,
            "T" => 1000 * 1000 * 1000 * 1000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        IntOrText::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_bytes() {
        let bytes = |text: &str| Quantity(IntOrText::Text(text.into())).bytes();
        assert_eq!(bytes("512Mi"), Some(512 << 20));
        assert_eq!(bytes("2G"), Some(2_000_000_000));
        assert_eq!(bytes("77"), Some(77));
        assert_eq!(Quantity(IntOrText::Int(77)).bytes(), Some(77));
        assert_eq!(Quantity(IntOrText::Int(-1)).bytes(), None);
        for (bytes, text) in [(0, "0"), (77, "77"), (3 << 10, "3Ki"), (1 << 29, "512Mi"), (3 << 30, "3Gi")] {
            assert_eq!(Quantity::of_bytes(bytes).0, IntOrText::Text(text.into()));
            assert_eq!(Quantity::of_bytes(bytes).bytes(), Some(bytes));
        }
        for wrong in ["", "Mi", "1.5Gi", "1 Gi", "-1", "18446744073709551615Ki"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
