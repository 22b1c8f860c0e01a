//! What became of the rules of a load.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

/// What a load did with every active rule: `loaded + approximate + skipped`
/// is their number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// Rules that are evaluated exactly.
    pub loaded: usize,
    /// Rules kept by header and contents alone.
    pub approximate: usize,
    /// Rules left out, those in `invalid` and `duplicates` among them.
    pub skipped: usize,
    /// Rules left out because they have a mistake; each has a warning.
    pub invalid: usize,
    /// Rules left out because another has their sid; each has a warning.
    pub duplicates: usize,
    /// For each option (or `protocol x`) that is not evaluated: how many rules
    /// use it. A rule counts once under each of its options.
    pub by_option: BTreeMap<String, OptionCount>,
    /// What the author of the rules should look at, in file order.
    pub warnings: Vec<Warning>,
}

/// How many rules use an option that is not evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OptionCount {
    /// Rules left out.
    pub skipped: usize,
    /// Rules kept by header and contents alone.
    pub approximate: usize,
}

/// A mistake in a rule file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The source's name.
    pub file: String,
    /// The line, from 1, that the rule starts on.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

impl LoadReport {
    /// One line with the counts.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} rules loaded, {} approximate, {} skipped ({} with mistakes, {} duplicates)",
            self.loaded, self.approximate, self.skipped, self.invalid, self.duplicates
        )
    }
}

impl fmt::Display for LoadReport {
    /// The counts, a table of the options that are not evaluated, most used
    /// first, and the warnings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary())?;
        if !self.by_option.is_empty() {
            writeln!(f, "  {:<28} {:>8} {:>12}", "option not evaluated", "skipped", "approximate")?;
            let mut options: Vec<_> = self.by_option.iter().collect();
            options.sort_by_key(|(_, count)| std::cmp::Reverse(count.skipped + count.approximate));
            for (name, count) in options {
                writeln!(f, "  {name:<28} {:>8} {:>12}", count.skipped, count.approximate)?;
            }
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        Ok(())
    }
}
