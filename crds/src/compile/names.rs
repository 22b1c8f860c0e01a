//! Names of ports, functions and classes, and their indices.

use std::collections::HashMap;

use crate::{
    api::NfChainSpec,
    tables::{ClassId, NfId, PortId},
    violation::Report,
};

/// What a name stands for.
pub(super) struct Names<'a> {
    ports: HashMap<&'a str, PortId>,
    functions: HashMap<&'a str, NfId>,
    classes: HashMap<&'a str, ClassId>,
}

impl<'a> Names<'a> {
    /// The names of a chain; each of one kind must be there once.
    pub fn of(spec: &'a NfChainSpec, report: &mut Report) -> Self {
        let ports = index("ports", spec.ports.iter().map(|port| port.name.as_str()), PortId, report);
        let functions =
            index("functions", spec.functions.iter().map(|function| function.name.as_str()), NfId, report);
        let classes = index("classes", spec.classes.iter().map(|class| class.name.as_str()), ClassId, report);
        for (at, function) in spec.functions.iter().enumerate() {
            if ["rx", "tx"].contains(&function.name.as_str()) {
                let reason = format!("'{}' is a word of the route table; choose another name", function.name);
                report.violate(format!("spec.functions[{at}].name"), reason);
            }
        }
        Self { ports, functions, classes }
    }

    /// The port of that name, or a violation of `field`.
    pub fn port(&self, name: &str, field: &str, report: &mut Report) -> Option<PortId> {
        look_up("port", &self.ports, name, field, report)
    }

    /// The function of that name, or a violation of `field`.
    pub fn function(&self, name: &str, field: &str, report: &mut Report) -> Option<NfId> {
        look_up("function", &self.functions, name, field, report)
    }

    /// The class of that name, or a violation of `field`.
    pub fn class(&self, name: &str, field: &str, report: &mut Report) -> Option<ClassId> {
        look_up("class", &self.classes, name, field, report)
    }

    /// The ports' names, for tables of many routes.
    pub fn ports(&self) -> &HashMap<&'a str, PortId> {
        &self.ports
    }
}

fn index<'a, Id>(
    list: &str,
    names: impl Iterator<Item = &'a str>,
    id: fn(u16) -> Id,
    report: &mut Report,
) -> HashMap<&'a str, Id> {
    let mut ids = HashMap::new();
    let mut first = HashMap::new();
    for (at, name) in (0u16..).zip(names) {
        let field = format!("spec.{list}[{at}].name");
        if let Some(before) = first.insert(name, at) {
            report.violate(field, format!("'{name}' is the name of spec.{list}[{before}] already"));
            continue;
        }
        if !is_name(name) {
            let reason = format!(
                "'{name}' is no name; use letters, digits, '-', '_' and '.', a letter or digit first"
            );
            report.violate(field, reason);
        }
        ids.insert(name, id(at));
    }
    ids
}

/// Whether a text is free of what would break a CSV line or a command line.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn look_up<Id: Copy>(
    kind: &str,
    ids: &HashMap<&str, Id>,
    name: &str,
    field: &str,
    report: &mut Report,
) -> Option<Id> {
    let id = ids.get(name).copied();
    if id.is_none() {
        report.violate(field, format!("'{name}' is no {kind} of the chain; {}", known(ids.keys().copied())));
    }
    id
}

/// `there are: a, b`.
pub(super) fn known<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    if names.is_empty() { "there is none".into() } else { format!("there are: {}", names.join(", ")) }
}
