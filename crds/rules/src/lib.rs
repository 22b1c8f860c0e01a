//! NIDS rules in Snort and Suricata syntax: parser, evaluator, prefilter patterns.

#![forbid(unsafe_code)]

/// A compiled rule set.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {}
