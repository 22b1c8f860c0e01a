//! Finds the line of a field, given as `spec.classes[1].path[0]`.
//!
//! The YAML reader tells a position only with an error, so a deserializer
//! walks to the field and fails there on purpose.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::violation::Violation;

/// Documents larger than this are not searched, bytes.
const MAX_TEXT: usize = 1 << 20;
/// Violations beyond this many get no line.
const MAX_LOOKUPS: usize = 64;

/// Gives violations that have none their lines in `text`, whose first line
/// follows line `before` of the bundle. A field that is absent has the line of
/// what it is missing from.
pub(super) fn locate(text: &str, before: usize, violations: &mut [Violation]) {
    if text.len() > MAX_TEXT {
        return;
    }
    let unknown = violations.iter_mut().filter(|violation| violation.line.is_none());
    for violation in unknown.take(MAX_LOOKUPS) {
        let path = segments(&violation.field);
        violation.line =
            (1..=path.len()).rev().find_map(|len| line(text, &path[..len])).map(|at| before + at);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

fn segments(field: &str) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    for part in field.split('.') {
        let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !key.is_empty() {
            segments.push(Segment::Key(key));
        }
        let indices = indices.split(['[', ']']).filter_map(|index| index.parse().ok());
        segments.extend(indices.map(Segment::Index));
    }
    segments
}

const HERE: &str = "the field is here";

fn line(text: &str, path: &[Segment<'_>]) -> Option<usize> {
    let error = Walk(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    error.to_string().contains(HERE).then(|| error.location().map(|location| location.line()))?
}

/// Fails with [`HERE`] at the end of a path, and does nothing off it.
#[derive(Clone, Copy)]
struct Walk<'a>(&'a [Segment<'a>]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { HERE } else { "a map or a list" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom(HERE));
        };
        while let Some(found) = map.next_key_seed(Key { wanted, last: rest.is_empty() })? {
            if found {
                map.next_value_seed(Walk(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Segment::Index(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom(HERE));
        };
        for _ in 0..*wanted {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        items.next_element_seed(Walk(rest))?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Whether a key is the wanted one; fails with [`HERE`] where it is the last.
struct Key<'a> {
    wanted: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.last => Err(E::custom(HERE)),
            found => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "kind: NfChain\nspec:\n  classes:\n  - name: a\n    path: [x,\n      y]\n  - name: b\n";

    #[test]
    fn fields_have_lines() {
        for (field, expected) in [
            ("kind", 1),
            ("spec", 2),
            ("spec.classes", 3),
            ("spec.classes[0]", 4),
            ("spec.classes[0].path", 5),
            ("spec.classes[0].path[1]", 6),
            ("spec.classes[1].name", 7),
        ] {
            assert_eq!(line(TEXT, &segments(field)), Some(expected), "{field}");
        }
    }

    #[test]
    fn an_absent_field_has_the_line_of_its_parent() {
        let mut violations = [Violation::new("spec.classes[1].path", "is missing")];
        locate(TEXT, 10, &mut violations);
        assert_eq!(violations[0].line, Some(17));
    }

    #[test]
    fn a_field_of_another_document_has_none() {
        let mut violations = [Violation::new("document 3", "is ignored")];
        locate(TEXT, 0, &mut violations);
        assert_eq!(violations[0].line, None);
    }
}
