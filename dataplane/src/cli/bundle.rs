//! Reading a bundle for a command.

use std::path::Path;

use anyhow::Context;
use hummingbird_crds::{Bundle, Capacity, Compiled, Violation, compile, tables::Generation};

/// What a file turned out to be.
pub enum Read {
    /// A bundle that compiles.
    Valid(Box<(Bundle, Compiled)>),
    /// All that is wrong.
    Invalid(Vec<Violation>),
}

/// Reads and compiles a bundle as generation 1.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path, capacity: Capacity) -> anyhow::Result<Read> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bundle = match Bundle::read(&bytes) {
        Ok(bundle) => bundle,
        Err(violations) => return Ok(Read::Invalid(violations)),
    };
    Ok(match compile(&bundle, Generation(1), capacity) {
        Ok(compiled) => Read::Valid(Box::new((bundle, compiled))),
        Err(violations) => Read::Invalid(violations),
    })
}

/// Prints what is wrong, a line each, to standard error.
pub fn complain(path: &Path, violations: &[Violation]) {
    for violation in violations {
        eprintln!("error: {}: {violation}", path.display());
    }
}

/// Prints what is probably not meant, a line each, to standard error.
pub fn warn(path: &Path, warnings: &[Violation]) {
    for warning in warnings {
        eprintln!("warning: {}: {warning}", path.display());
    }
}
