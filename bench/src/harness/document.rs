//! `docs/performance.md`: sections with tables, curves and targets.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;

use super::{chart::Chart, compare::Spread, machine};

/// A measure's result.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What is compared, what each side does for a packet, what is unfair about it.
    pub about: String,
    /// What was run, for a reader who wants to run it by hand.
    pub commands: Vec<String>,
    /// Figures.
    pub tables: Vec<Table>,
    /// Curves.
    pub charts: Vec<Chart>,
    /// What was asked of it.
    pub targets: Vec<Target>,
}

/// A table with a header line.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Headers.
    pub head: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
}

/// A figure with a bound.
#[derive(Clone, Debug)]
pub struct Target {
    /// What was measured.
    pub measure: String,
    /// The figure.
    pub figure: f64,
    /// The bound.
    pub bound: Bound,
}

/// Which side of a figure is good.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// At least.
    AtLeast(f64),
    /// At most.
    AtMost(f64),
}

impl Target {
    /// Whether it is met.
    pub fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.figure >= least,
            Bound::AtMost(most) => self.figure <= most,
        }
    }
}

impl Table {
    /// A table with these headers.
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { head: head.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// As GitHub's Markdown; figures to the right.
    pub fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|", self.head.join(" | "));
        for column in 0..self.head.len() {
            text += if column == 0 { " --- |" } else { " ---: |" };
        }
        for row in &self.rows {
            let _ = write!(text, "\n| {} |", row.join(" | "));
        }
        text + "\n"
    }
}

impl Section {
    /// The whole section as Markdown; `folder` is where its curves are.
    pub fn markdown(&self, folder: &str) -> String {
        let mut text = format!("## {}\n\n{}\n", self.title, self.about.trim());
        if !self.commands.is_empty() {
            let _ = write!(text, "\n```\n{}\n```\n", self.commands.join("\n"));
        }
        for table in &self.tables {
            let _ = write!(text, "\n{}", table.markdown());
        }
        for chart in &self.charts {
            let _ = write!(text, "\n![{}]({folder}/{})\n", chart.title, chart.file);
        }
        text
    }
}

/// Two or three digits that mean something.
pub fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        ..0.1 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// `0.93 (0.90 … 0.97)`.
pub fn spread(value: Spread) -> String {
    format!("{} ({} … {})", figure(value.median), figure(value.min), figure(value.max))
}

/// The table of all targets.
pub fn targets(sections: &[Section]) -> Table {
    let mut table = Table::new(["measure", "figure", "target", "met"]);
    for target in sections.iter().flat_map(|section| &section.targets) {
        let bound = match target.bound {
            Bound::AtLeast(least) => format!("≥ {}", figure(least)),
            Bound::AtMost(most) => format!("≤ {}", figure(most)),
        };
        let met = if target.is_met() { "yes" } else { "**no**" };
        table.row([target.measure.clone(), figure(target.figure), bound, met.into()]);
    }
    table
}

const INTRODUCTION: &str = "\
# Performance

Written by `make bench`; do not edit. All figures of one file come from one run.

## How to read it

- A figure stands beside its peer's, taken in the same run on the same core, and the *ratio* is what
  counts: ours by the peer's, more is better. Absolute figures move with the machine; ratios much less.
- The two sides run in turn (A B B A …), every figure is the median of the rounds, and the spread of the
  ratio over the rounds follows in brackets (least … most).
- \"per CPU second\" means time that the measured thread or process really ran, as the kernel counts it,
  so that other work on the machine does not count. It still shares caches, memory and clock with it.
- Sizes are bytes of Ethernet frames without FCS unless a table says otherwise.

## What it does not say

- **The GPU here is PoCL**: OpenCL on the same CPU cores that also run the packet path. Rows, leases and
  dynamic chains are measured truly as mechanisms; that a GPU is faster or slower than a CPU is *not*
  shown by anything below.
- Ports are virtual: a trace in memory in, nothing out. No figure includes a NIC, its DMA or its interrupts.
- The machine is small and virtual, pages are ordinary ones where it has no hugepages, and traces are
  short enough for caches. Real traffic touches more memory.
";

/// Writes the document and its curves.
///
/// # Errors
/// A file cannot be written.
pub fn write(docs: &Path, sections: &[Section], quick: bool) -> anyhow::Result<()> {
    let mut text = INTRODUCTION.to_owned();
    let _ = write!(text, "\n## The machine\n\n| | |\n| --- | --- |\n| date | {} |\n", machine::date());
    let form = if quick { "`make bench QUICK=1` (few rounds)" } else { "`make bench`" };
    let _ = writeln!(text, "| command | {form} |");
    for (name, value) in machine::describe() {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let _ = write!(text, "\n## Targets\n\n{}", targets(sections).markdown());
    let folder = docs.join("performance");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for section in sections {
        let _ = write!(text, "\n{}", section.markdown("performance"));
        for chart in &section.charts {
            let path = folder.join(&chart.file);
            fs::write(&path, chart.svg()).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    let path = docs.join("performance.md");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_few_digits() {
        let shown: Vec<_> = [0.0, 0.0123, 0.5, 9.876, 45.67, 1234.5].map(figure).to_vec();
        assert_eq!(shown, ["0", "0.012", "0.50", "9.88", "45.7", "1234"]);
    }

    #[test]
    fn a_missed_target_is_seen() {
        let target = |figure, bound| Target { measure: "m".into(), figure, bound };
        let section = Section {
            targets: vec![
                target(0.8, Bound::AtLeast(0.7)),
                target(0.6, Bound::AtLeast(0.7)),
                target(6.0, Bound::AtMost(5.0)),
            ],
            ..Section::default()
        };
        assert_eq!(
            targets(&[section]).markdown(),
            "| measure | figure | target | met |\n| --- | ---: | ---: | ---: |\n\
             | m | 0.80 | ≥ 0.70 | yes |\n| m | 0.60 | ≥ 0.70 | **no** |\n| m | 6.00 | ≤ 5.00 | **no** |\n"
        );
    }

    #[test]
    fn a_document_holds_its_sections_and_curves() {
        let folder = tempfile::tempdir().unwrap();
        let chart = Chart { file: "a.svg".into(), title: "A".into(), ..Chart::default() };
        let section = Section { title: "Rows".into(), charts: vec![chart], ..Section::default() };
        write(folder.path(), &[section], true).unwrap();
        let text = fs::read_to_string(folder.path().join("performance.md")).unwrap();
        assert!(text.contains("## Rows") && text.contains("![A](performance/a.svg)"), "{text}");
        assert!(folder.path().join("performance/a.svg").exists());
    }
}
