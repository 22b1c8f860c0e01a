#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bytes;
mod compile;
mod keywords;
mod load;
mod packet;
mod pattern;
mod payload;
mod ranges;
mod report;
mod set;
mod syntax;
#[cfg(test)]
mod tests;
mod variables;

pub use load::{LoadError, Options, Source, Unsupported, load};
pub use packet::{IpFields, Layer4, Packet};
pub use pattern::{MAX_PATTERN, MIN_PATTERN};
pub use report::{LoadReport, OptionCount, Warning};
pub use set::{Action, Rule, RuleIndex, RuleSet, Scratch};
pub use variables::{SetError, VariableError, Variables};
