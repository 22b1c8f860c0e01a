//! Loading rule files.

use std::collections::HashMap;

use crate::{
    Action, LoadReport, RuleSet, VariableError, Variables, Warning,
    compile::{Draft, Interner},
    set::Builder,
    syntax::{SyntaxError, lines, rule, wrong},
};

/// How rules are read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The variables that rules may name.
    pub variables: Variables,
    /// What becomes of rules that cannot be evaluated exactly.
    pub unsupported: Unsupported,
}

/// What becomes of rules that cannot be evaluated exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsupported {
    /// They are left out.
    #[default]
    Skip,
    /// They are kept by header and contents alone, and marked approximate.
    /// Those without any content that must be there, and `pass` rules, are
    /// left out.
    ContentOnly,
}

/// One rule file.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What warnings call it.
    pub name: &'a str,
    /// Its bytes; they need not be UTF-8.
    pub text: &'a [u8],
}

/// Why nothing was loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A variable that does not resolve.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// Not one rule that can be evaluated.
    #[error("no usable rule in {files}: {}{}", report.summary(), hint(report))]
    NothingUsable {
        /// The sources' names.
        files: String,
        /// What became of the rules that there are.
        report: Box<LoadReport>,
    },
}

fn hint(report: &LoadReport) -> String {
    match (report.warnings.first(), report.by_option.is_empty()) {
        (Some(first), _) => format!("; first mistake: {first}"),
        (None, false) => "; 'unsupported: ContentOnly' keeps rules by header and contents alone".into(),
        (None, true) => String::new(),
    }
}

/// Loads rule files, in order, as one set.
///
/// A rule with a mistake is left out with a warning. Of two rules with the
/// same gid and sid the one with the higher rev stays, of equals the first.
///
/// # Errors
/// A variable that does not resolve, or no usable rule at all.
pub fn load(sources: &[Source<'_>], options: &Options) -> Result<(RuleSet, LoadReport), LoadError> {
    options.variables.check()?;
    let mut report = LoadReport::default();
    let mut sets = Interner::new(&options.variables);
    let drafts = unique(read(sources, &mut sets, &mut report), &mut report);
    let mut builder = Builder::default();
    for draft in drafts {
        let approximate = !draft.unsupported.is_empty();
        let keep = !approximate
            || options.unsupported == Unsupported::ContentOnly
                && !draft.never
                && draft.action != Action::Pass
                && draft.has_positive_content();
        for option in &draft.unsupported {
            let count = report.by_option.entry(option.clone()).or_default();
            *if keep { &mut count.approximate } else { &mut count.skipped } += 1;
        }
        *match (keep, approximate) {
            (false, _) => &mut report.skipped,
            (true, true) => &mut report.approximate,
            (true, false) => &mut report.loaded,
        } += 1;
        if keep {
            builder.push(draft);
        }
    }
    report.skipped += report.invalid + report.duplicates;
    report
        .warnings
        .sort_by_key(|warning| (sources.iter().position(|source| source.name == warning.file), warning.line));
    if report.loaded + report.approximate == 0 {
        let names: Vec<&str> = sources.iter().map(|source| source.name).collect();
        let files = if names.is_empty() { "no file".into() } else { names.join(", ") };
        return Err(LoadError::NothingUsable { files, report: Box::new(report) });
    }
    Ok((builder.finish(sets.into_sets()), report))
}

/// A rule and where it stands.
struct Placed {
    file: String,
    line: usize,
    draft: Draft,
}

fn read(sources: &[Source<'_>], sets: &mut Interner<'_>, report: &mut LoadReport) -> Vec<Placed> {
    let mut drafts = Vec::new();
    for source in sources {
        for text in lines::rules(source.text) {
            match rule::split(&text.text).and_then(|parts| Draft::new(&parts, sets)) {
                Ok(draft) => drafts.push(Placed { file: source.name.into(), line: text.line, draft }),
                Err(SyntaxError(reason)) => {
                    report.invalid += 1;
                    report.warnings.push(Warning { file: source.name.into(), line: text.line, reason });
                }
            }
        }
    }
    drafts
}

/// Leaves one rule for each gid and sid. A newer revision takes the place in
/// the order that it stands at, as in Suricata.
fn unique(placed: Vec<Placed>, report: &mut LoadReport) -> Vec<Draft> {
    let mut newest: HashMap<(u32, u32), usize> = HashMap::with_capacity(placed.len());
    let mut kept: Vec<Option<Placed>> = Vec::with_capacity(placed.len());
    for rule in placed {
        let key = (rule.draft.gid, rule.draft.sid);
        let index = kept.len();
        let loser = match newest.get(&key).and_then(|at| kept[*at].as_ref().map(|old| (*at, old))) {
            None => {
                newest.insert(key, index);
                kept.push(Some(rule));
                continue;
            }
            Some((at, old)) if rule.draft.rev > old.draft.rev => {
                newest.insert(key, index);
                let old = kept[at].take();
                kept.push(Some(rule));
                old
            }
            Some(_) => Some(rule),
        };
        if let Some(Placed { file, line, draft }) = loser {
            let SyntaxError(reason) = wrong!(
                "sid {} (gid {}) is given again with the same or a higher rev; rev {} of this line is left out",
                draft.sid,
                draft.gid,
                draft.rev
            );
            report.duplicates += 1;
            report.warnings.push(Warning { file, line, reason });
        }
    }
    kept.into_iter().flatten().map(|placed| placed.draft).collect()
}
