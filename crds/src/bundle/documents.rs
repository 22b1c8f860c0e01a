//! A stream of YAML documents or JSON values, each read apart from the others,
//! so that one that cannot be read spoils none but itself.

use serde::Deserialize;
use serde_json::Value;

use super::nesting;
use crate::violation::Violation;

/// One document of a bundle.
pub(super) struct Document<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// The line that it starts on, from 1.
    pub line: usize,
    /// Its text.
    pub text: &'a str,
    /// What it holds.
    pub value: Result<Value, SyntaxError>,
}

/// Why a document cannot be read.
pub(super) struct SyntaxError {
    /// The reader's words.
    pub reason: String,
    /// Line in the bundle, where known.
    pub line: Option<usize>,
}

impl SyntaxError {
    /// The error as a violation of the document at `place`.
    pub fn at(&self, place: &str) -> Violation {
        Violation { line: self.line, ..Violation::new(place, format!("is no YAML: {}", self.reason)) }
    }
}

impl Document<'_> {
    /// `document 3`.
    pub fn place(&self) -> String {
        format!("document {}", self.number)
    }
}

/// Splits a text into its documents.
pub(super) fn split(text: &str) -> Vec<Document<'_>> {
    let pieces = json_values(text).unwrap_or_else(|| {
        yaml_pieces(text).into_iter().map(|(line, text)| (line, text, yaml_value(line, text))).collect()
    });
    let mut documents = Vec::new();
    for (line, text, value) in pieces {
        for value in flatten(value) {
            documents.push(Document { number: documents.len() + 1, line, text, value });
        }
    }
    documents
}

type Piece<'a> = (usize, &'a str, Result<Value, SyntaxError>);

/// The text as JSON values one after the other, or `None` where it is no JSON.
/// (YAML readers do not know all of JSON's escapes.)
fn json_values(text: &str) -> Option<Vec<Piece<'_>>> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut line = 1;
    while let Some(value) = values.next() {
        let end = values.byte_offset();
        let blank = text[start..end].len() - text[start..end].trim_start().len();
        line += newlines(&text[start..start + blank]);
        pieces.push((line, &text[start + blank..end], Ok(value.ok()?)));
        line += newlines(&text[start + blank..end]);
        start = end;
    }
    Some(pieces)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The YAML documents of a text with their first lines. The markers `---` and
/// `...` at the start of a line stand in no scalar (YAML 1.2, section 9.1.2),
/// so they can be found without reading what is between them.
fn yaml_pieces(text: &str) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut start_line = 1;
    let mut at = 0;
    let mut bare = true;
    for (line, row) in (1..).zip(text.split_inclusive('\n')) {
        let marker = |mark| {
            row.strip_prefix(mark).is_some_and(|rest: &str| rest.trim_start() != rest || rest.is_empty())
        };
        let end = at + row.len();
        if marker("---") {
            if !bare {
                pieces.push((start_line, &text[start..at]));
            }
            if !bare || text[start..at].trim().is_empty() {
                (start, start_line) = (at, line);
            }
            bare = false;
        } else if marker("...") {
            if !bare {
                pieces.push((start_line, &text[start..at]));
            }
            (start, start_line, bare) = (end, line + 1, true);
        } else if bare {
            let content = row.trim_start();
            bare = content.is_empty() || content.starts_with('#') || row.starts_with('%');
        }
        at = end;
    }
    if !bare {
        pieces.push((start_line, &text[start..]));
    }
    pieces
}

fn yaml_value(line: usize, text: &str) -> Result<Value, SyntaxError> {
    if nesting::is_too_deep(text) {
        let reason = format!("its brackets nest deeper than {}", nesting::MAX_DEPTH);
        return Err(SyntaxError { reason, line: Some(line) });
    }
    read_yaml(text).map(json).map_err(|error| {
        // Read again behind as many line ends, so that all positions are those in the bundle.
        let error = read_yaml(&("\n".repeat(line - 1) + text)).err().unwrap_or(error);
        SyntaxError { line: error.location().map(|location| location.line()), reason: error.to_string() }
    })
}

fn read_yaml(text: &str) -> Result<serde_yaml::Value, serde_yaml::Error> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text)?;
    value.apply_merge()?;
    Ok(value)
}

/// YAML that JSON can say, as it; tags are dropped, keys become text.
fn json(value: serde_yaml::Value) -> Value {
    match value {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(bool) => bool.into(),
        serde_yaml::Value::Number(number) => {
            serde_json::Number::deserialize(number).map_or(Value::Null, Value::Number)
        }
        serde_yaml::Value::String(text) => text.into(),
        serde_yaml::Value::Sequence(items) => items.into_iter().map(json).collect(),
        serde_yaml::Value::Mapping(fields) => fields
            .into_iter()
            .map(|(key, value)| {
                let key = match json(key) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                (key, json(value))
            })
            .collect(),
        serde_yaml::Value::Tagged(tagged) => json(tagged.value),
    }
}

/// A `v1` List, as `kubectl get -o yaml` prints it, is its items.
fn flatten(value: Result<Value, SyntaxError>) -> Vec<Result<Value, SyntaxError>> {
    match value {
        Ok(Value::Object(mut list)) if list.get("kind").is_some_and(|kind| kind == "List") => {
            match list.remove("items") {
                Some(Value::Array(items)) => items.into_iter().map(Ok).collect(),
                _ => Vec::new(),
            }
        }
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        split(text).iter().map(|document| document.line).collect()
    }

    #[test]
    fn documents_start_where_their_marker_is() {
        assert_eq!(lines("a: 1\n---\nb: 2\n--- {c: 3}\n"), [1, 2, 4]);
        assert_eq!(lines("---\na: 1\n...\n# between\n---\nb: 2\n"), [1, 4]);
        assert_eq!(lines("%YAML 1.2\n---\na: 1\n"), [1]);
        assert_eq!(lines("# only a comment\n"), [0; 0]);
        assert_eq!(lines("a: |\n  ---\n  b\n"), [1]);
    }

    #[test]
    fn crlf_is_a_line_end() {
        assert_eq!(lines("a: 1\r\n---\r\nb: 2\r\n"), [1, 2]);
    }

    #[test]
    fn a_broken_document_spoils_only_itself() {
        let documents = split("a: 1\n---\nb: [1,\n---\nc: 3\n");
        assert!(documents[0].value.is_ok() && documents[2].value.is_ok());
        let error = documents[1].value.as_ref().err().unwrap();
        assert!(error.line.is_some_and(|line| (2..=4).contains(&line)), "{:?}", error.line);
    }

    #[test]
    fn json_values_may_follow_each_other() {
        let documents = split("{\"a\": \"\\ud83d\\ude00\"}\n\n{\"kind\": \"List\", \"items\": [1, 2]}");
        assert_eq!(documents[0].value.as_ref().ok().unwrap()["a"], "😀");
        assert_eq!(
            documents.iter().map(|d| (d.number, d.line)).collect::<Vec<_>>(),
            [(1, 1), (2, 3), (3, 3)]
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let previous = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{previous}]\n");
        }
        assert!(split(&text)[0].value.is_err());
    }
}
