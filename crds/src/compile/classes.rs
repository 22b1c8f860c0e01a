//! Classes: paths, egress and the classifier.

use std::collections::HashMap;

use super::{Builder, condition};
use crate::{
    api::{Class, FunctionType},
    tables::{self, ClassId, Classifier, Egress, NfId},
};

impl Builder<'_> {
    pub(super) fn classes(&mut self) -> Vec<tables::Class> {
        let spec = self.spec;
        let classes = spec.classes.iter().enumerate().map(|(at, class)| {
            let field = format!("spec.classes[{at}]");
            let path = self.path(&class.path, &format!("{field}.path"));
            tables::Class { name: class.name.clone(), egress: self.egress(class, &path, &field), path }
        });
        let classes: Vec<_> = classes.collect();
        self.warn_unused(&classes);
        classes
    }

    /// A path without the entries that are wrong.
    fn path(&mut self, names: &[String], field: &str) -> Vec<NfId> {
        let mut path = Vec::new();
        let mut first = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            let entry = format!("{field}[{at}]");
            let Some(nf) = self.names.function(name, &entry, &mut self.report) else { continue };
            if let Some(before) = first.insert(nf, at) {
                let reason = format!(
                    "visits '{name}' again, after path[{before}]; a path visits a function once, add a second function"
                );
                self.report.violate(entry, reason);
                continue;
            }
            if self.is_router(nf) && at + 1 < names.len() {
                let reason =
                    format!("'{name}' is a Router and must be the path's last: it sends the packet out");
                self.report.violate(entry, reason);
            }
            path.push(nf);
        }
        path
    }

    fn is_router(&self, nf: NfId) -> bool {
        self.spec.functions[nf.index()].type_ == FunctionType::Router
    }

    fn egress(&mut self, class: &Class, path: &[NfId], field: &str) -> Egress {
        let routed = path.last().is_some_and(|nf| self.is_router(*nf));
        let field = format!("{field}.egress");
        match &class.egress {
            Some(name) if routed => {
                let reason =
                    format!("'{name}' is never used: the Router at the path's end decides; remove it");
                self.report.violate(field, reason);
                Egress::Router
            }
            Some(name) => {
                let port = self.names.port(name, &field, &mut self.report);
                port.map_or(Egress::Opposite, Egress::Port)
            }
            None if routed => Egress::Router,
            None => {
                // A path with an unknown function has its own violation, and may well end in a Router.
                if self.spec.ports.len() > 2 && path.len() == class.path.len() {
                    let reason = format!(
                        "is missing: the path does not end in a Router, and of {} ports none is the other one; name the port",
                        self.spec.ports.len()
                    );
                    self.report.violate(field, reason);
                }
                Egress::Opposite
            }
        }
    }

    fn warn_unused(&mut self, classes: &[tables::Class]) {
        for (at, function) in self.spec.functions.iter().enumerate() {
            let used = classes.iter().any(|class| class.path.iter().any(|nf| nf.index() == at));
            if !used {
                let reason = format!("'{}' is in no path and never runs", function.name);
                self.report.warn(format!("spec.functions[{at}]"), reason);
            }
        }
    }

    pub(super) fn classifier(&mut self, transitions: &[(NfId, ClassId)]) -> Classifier {
        let spec = self.spec;
        let default = spec.default_class.as_ref();
        let default = default.and_then(|name| self.names.class(name, "spec.defaultClass", &mut self.report));
        let mut rules: Vec<(tables::Match, ClassId)> = Vec::new();
        for (id, class) in (0..).map(ClassId).zip(&spec.classes) {
            let field = format!("spec.classes[{}]", id.index());
            let Some(found) = &class.match_ else {
                if default != Some(id) && !transitions.iter().any(|(_, to)| *to == id) {
                    let reason = format!(
                        "'{}' is never entered: it has no match, no transition leads to it, and it is not the defaultClass",
                        class.name
                    );
                    self.report.warn(field, reason);
                }
                continue;
            };
            let found = condition::of_match(found, &self.names, &format!("{field}.match"), &mut self.report);
            if let Some((_, all)) =
                rules.iter().find(|(rule, _)| *rule == tables::Match::default() || *rule == found)
            {
                let reason = format!(
                    "never holds: class '{}' before it takes every such packet",
                    spec.classes[all.index()].name
                );
                self.report.warn(format!("{field}.match"), reason);
            }
            rules.push((found, id));
        }
        Classifier { rules, default }
    }
}
