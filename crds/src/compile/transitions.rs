//! Transitions between classes.

use std::collections::HashSet;

use super::Builder;
use crate::{
    api::{FunctionType, OnMatch, Transition},
    tables::{ClassId, NfId},
};

impl Builder<'_> {
    pub(super) fn transitions(&mut self) -> Vec<(NfId, ClassId)> {
        let spec = self.spec;
        let mut transitions: Vec<(NfId, ClassId)> = Vec::new();
        for (at, transition) in spec.transitions.iter().enumerate() {
            let field = format!("spec.transitions[{at}]");
            let from = self.transition_function(transition, &format!("{field}.function"));
            let to = self.names.class(&transition.class, &format!("{field}.class"), &mut self.report);
            let (Some(from), Some(to)) = (from, to) else { continue };
            if transitions.iter().any(|(before, _)| *before == from) {
                let reason =
                    format!("'{}' has a transition for Match already; leave one", transition.function);
                self.report.violate(format!("{field}.function"), reason);
                continue;
            }
            transitions.push((from, to));
        }
        self.refuse_cycles(&transitions);
        transitions
    }

    fn transition_function(&mut self, transition: &Transition, field: &str) -> Option<NfId> {
        let nf = self.names.function(&transition.function, field, &mut self.report)?;
        let function = &self.spec.functions[nf.index()];
        if function.type_ != FunctionType::Nids {
            let reason = format!(
                "'{}' is of type {}; only a NIDS gives the verdict Match",
                function.name, function.type_
            );
            self.report.violate(field, reason);
        }
        if !self.spec.classes.iter().any(|class| class.path.contains(&function.name)) {
            let reason =
                format!("'{}' is in no path, so its verdict moves nothing; add it to one", function.name);
            self.report.violate(field, reason);
        }
        if function.nids.as_ref().is_some_and(|nids| nids.on_match == OnMatch::Drop) {
            let reason = format!(
                "'{}' has onMatch: Drop, so nothing is left to move; use onMatch: Alert or remove the transition",
                function.name
            );
            self.report.violate(field, reason);
        }
        Some(nf)
    }

    /// A class leads to another where a function on its path has a transition
    /// there. Each transition that closes a cycle is a violation.
    fn refuse_cycles(&mut self, transitions: &[(NfId, ClassId)]) {
        let mut reported = HashSet::new();
        for (at, transition) in self.spec.transitions.iter().enumerate() {
            let Some(start) = self.spec.classes.iter().position(|class| class.name == transition.class)
            else {
                continue;
            };
            let Some(cycle) = self.cycle_through(start, transitions) else { continue };
            let mut classes = cycle.clone();
            classes.sort_unstable();
            if !reported.insert(classes) {
                continue;
            }
            let names = cycle.iter().chain([&start]).map(|class| self.spec.classes[*class].name.as_str());
            let reason = format!(
                "makes a cycle, {}: a packet could go round for ever; give the last a path without that function",
                names.collect::<Vec<_>>().join(" -> ")
            );
            self.report.violate(format!("spec.transitions[{at}].class"), reason);
        }
    }

    /// The classes on a way from `start` back to it, if there is one.
    fn cycle_through(&self, start: usize, transitions: &[(NfId, ClassId)]) -> Option<Vec<usize>> {
        let mut ways = vec![vec![start]];
        let mut seen = HashSet::new();
        while let Some(way) = ways.pop() {
            let path = &self.spec.classes[*way.last()?].path;
            for (nf, to) in transitions {
                if !path.contains(&self.spec.functions[nf.index()].name) {
                    continue;
                }
                if to.index() == start {
                    return Some(way);
                }
                if seen.insert(to.index()) {
                    ways.push(way.iter().copied().chain([to.index()]).collect());
                }
            }
        }
        None
    }
}
