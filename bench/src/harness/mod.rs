//! What every measure uses: time, comparison, traffic, the dataplane's binary,
//! tables and curves.

pub mod chain;
pub mod chart;
pub mod child;
pub mod compare;
pub mod cpu;
pub mod document;
pub mod machine;
pub mod traffic;

use std::path::PathBuf;

/// What a measure is told.
pub struct Context {
    /// A short form: fewer rounds and sizes, shorter runs.
    pub quick: bool,
    /// The dataplane's binary.
    pub dataplane: PathBuf,
    /// The repository.
    pub root: PathBuf,
    /// Where manifests, traces and reports of this run go.
    pub scratch: PathBuf,
}

impl Context {
    /// `full`, or `quick` in the short form.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// A file of the optional data folder beside the repository, if it is there.
    pub fn shared(&self, path: &str) -> Option<PathBuf> {
        Some(self.root.join("../shared/data").join(path)).filter(|path| path.exists())
    }

    /// The rounds of a comparison.
    pub fn rounds(&self) -> usize {
        self.pick(7, 3)
    }
}

/// Says on standard error what happens now.
pub fn say(text: impl AsRef<str>) {
    eprintln!("    {}", text.as_ref());
}
