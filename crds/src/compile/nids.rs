//! Rules of NIDS functions.

use std::sync::Arc;

use hummingbird_rules::{LoadError, Options, RuleSet, Source, Variables, load};

use super::Builder;
use crate::{
    api::{Nids, OnMatch, Unsupported},
    tables::{self, Work},
};

impl Builder<'_> {
    pub(super) fn nids(&mut self, name: &str, nids: &Nids, field: &str) -> Work {
        let on_match = match nids.on_match {
            OnMatch::Alert => tables::OnMatch::Alert,
            OnMatch::Drop => tables::OnMatch::Drop,
        };
        Work::Nids(tables::Nids { rules: Arc::new(self.rules(name, nids, field)), on_match })
    }

    /// The rules; none where there is a violation.
    fn rules(&mut self, name: &str, nids: &Nids, field: &str) -> RuleSet {
        let mut variables = Variables::default();
        let mut sound = true;
        for (variable, values) in &nids.variables {
            if let Err(error) = variables.set(variable, values) {
                self.report.violate(format!("{field}.variables.{variable}"), error.to_string());
                sound = false;
            }
        }
        let texts = match self.bundle.texts(&nids.rules_from) {
            Ok(texts) => texts,
            Err(reason) => {
                self.report.violate(format!("{field}.rulesFrom"), reason);
                return RuleSet::default();
            }
        };
        if !sound {
            return RuleSet::default();
        }
        let sources: Vec<_> = texts.iter().map(|(name, text)| Source { name, text }).collect();
        let unsupported = match nids.unsupported {
            Unsupported::Skip => hummingbird_rules::Unsupported::Skip,
            Unsupported::ContentOnly => hummingbird_rules::Unsupported::ContentOnly,
        };
        match load(&sources, &Options { variables, unsupported }) {
            Ok((rules, report)) => {
                self.rule_reports.push((name.to_owned(), report));
                rules
            }
            Err(error @ LoadError::Variable(_)) => {
                self.report.violate(format!("{field}.variables"), error.to_string());
                RuleSet::default()
            }
            Err(error) => {
                self.report.violate(format!("{field}.rulesFrom"), error.to_string());
                RuleSet::default()
            }
        }
    }
}
