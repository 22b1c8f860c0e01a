//! From a rule's parts to what the evaluator runs, or the reasons why it
//! cannot run it exactly.

mod contents;
mod draft;
mod header;
mod options;

pub(crate) use draft::{Compiled, Draft};
pub(crate) use header::{Header, Interner, Transport};
