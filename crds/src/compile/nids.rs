//! Rules of NIDS functions.

use std::sync::Arc;

use super::Builder;
use crate::{
    api::{Nids, OnMatch},
    tables::{self, Work},
};

impl Builder<'_> {
    pub(super) fn nids(&mut self, _name: &str, nids: &Nids, field: &str) -> Work {
        if let Err(reason) = self.bundle.texts(&nids.rules_from) {
            self.report.violate(format!("{field}.rulesFrom"), reason);
        }
        let on_match = match nids.on_match {
            OnMatch::Alert => tables::OnMatch::Alert,
            OnMatch::Drop => tables::OnMatch::Drop,
        };
        Work::Nids(tables::Nids { rules: Arc::default(), on_match })
    }
}
