//! What is wrong with a bundle, said so that it can be put right.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One mistake: where, what and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The field, as `spec.classes[1].path[0]`; `document 3` where there is none.
    pub field: String,
    /// A sentence that says what is wrong and what to do.
    pub reason: String,
    /// Its line in the bundle, from 1, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl Violation {
    /// A violation whose line is not known yet.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into(), line: None }
    }

    /// The same at a line.
    #[must_use]
    pub fn at(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}: {}", self.field, self.reason),
            None => write!(f, "{}: {}", self.field, self.reason),
        }
    }
}

impl std::error::Error for Violation {}

/// All that a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What forbids the bundle.
    pub violations: Vec<Violation>,
    /// What is allowed and probably not meant, and notes.
    pub warnings: Vec<Violation>,
}

impl Report {
    /// Adds a violation.
    pub fn violate(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.violations.push(Violation::new(field, reason));
    }

    /// Adds a warning.
    pub fn warn(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.warnings.push(Violation::new(field, reason));
    }
}
