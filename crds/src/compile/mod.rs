//! From a bundle to tables. Every part is checked while it is built, so what
//! validation says and what compilation does are the same code.

mod chain;
mod classes;
mod condition;
mod functions;
mod hash;
mod ipsec;
mod names;
mod nids;
mod ports;
mod routes;
mod transitions;

use hummingbird_rules::LoadReport;

use crate::{
    api::NfChainSpec,
    bundle::Bundle,
    tables::{Generation, NfId, RouteTable, Tables},
    violation::{Report, Violation},
};
use names::Names;

/// What the device holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Workgroups that can be resident at once; `None` does not judge.
    pub workgroups: Option<u32>,
}

/// What a valid bundle compiles to.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The tables.
    pub tables: Tables,
    /// What is allowed and probably not meant, and notes on what was ignored.
    pub warnings: Vec<Violation>,
    /// By NIDS function: what became of its rules.
    pub rule_reports: Vec<(String, LoadReport)>,
    /// SHA-256 in hex over the chain's name and spec and the data that it
    /// names: equal for equal bundles, whatever else is in the file.
    pub hash: String,
}

/// Compiles a bundle.
///
/// # Errors
/// Everything that is wrong with it, in the order of the manifest's fields.
pub fn compile(
    bundle: &Bundle,
    generation: Generation,
    capacity: Capacity,
) -> Result<Compiled, Vec<Violation>> {
    let (report, compiled) = build(bundle, generation, capacity);
    if report.violations.is_empty() {
        Ok(Compiled { warnings: report.warnings, ..compiled })
    } else {
        Err(report.violations)
    }
}

/// All that is wrong, or probably not meant, with a bundle.
#[must_use]
pub fn validate(bundle: &Bundle, capacity: Capacity) -> Report {
    build(bundle, Generation(0), capacity).0
}

/// The parts of a chain as they are built, with what was found meanwhile.
struct Builder<'a> {
    bundle: &'a Bundle,
    spec: &'a NfChainSpec,
    names: Names<'a>,
    report: Report,
    rule_reports: Vec<(String, LoadReport)>,
}

fn build(bundle: &Bundle, generation: Generation, capacity: Capacity) -> (Report, Compiled) {
    let spec = &bundle.chain.spec;
    let mut report = Report::default();
    let names = Names::of(spec, &mut report);
    let mut builder = Builder { bundle, spec, names, report, rule_reports: Vec::new() };
    builder.check_chain(capacity);
    let ports = builder.ports();
    let functions = builder.functions();
    let classes = builder.classes();
    let transitions = builder.transitions();
    let classifier = builder.classifier(&transitions);
    let paths: Vec<&[NfId]> = classes.iter().map(|class| class.path.as_slice()).collect();
    let tables = Tables {
        generation,
        chain: bundle.chain_name(),
        route_table: RouteTable::new(functions.len(), &paths, &transitions),
        ports,
        functions,
        classes,
        classifier,
        non_ipv4: chain::non_ipv4(spec),
        max_row_delay_us: spec.dataplane.max_row_delay_microseconds.unsigned_abs(),
    };
    let Builder { report, rule_reports, .. } = builder;
    let hash = hash::content(bundle);
    (settle(bundle, report), Compiled { tables, warnings: Vec::new(), rule_reports, hash })
}

/// Joins what the shape violates with what the meaning does, each with its line.
fn settle(bundle: &Bundle, mut report: Report) -> Report {
    let shape = &bundle.shape;
    report.violations.retain(|violation| !shape.explain(&violation.field));
    report.violations.splice(0..0, shape.violations.iter().cloned());
    let (unread, harmless) = bundle.unread();
    let unread_to = match harmless && report.violations.is_empty() {
        true => &mut report.warnings,
        false => &mut report.violations,
    };
    unread_to.extend(unread.iter().cloned());
    report.warnings.extend(bundle.notes.iter().cloned());
    bundle.locate(&mut report.violations);
    bundle.locate(&mut report.warnings);
    report
}
