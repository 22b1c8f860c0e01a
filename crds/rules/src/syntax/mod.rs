//! From bytes to tokens: lines of a file, parts of a rule, values of options.
//! All of it is total: any bytes in, tokens or a reason out.

pub(crate) mod content;
pub(crate) mod lines;
pub(crate) mod number;
pub(crate) mod rule;

/// What is wrong with a rule, for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SyntaxError(pub String);

/// Makes a [`SyntaxError`] from a format string.
macro_rules! wrong {
    ($($part:tt)*) => { $crate::syntax::SyntaxError(format!($($part)*)) };
}
pub(crate) use wrong;
