//! Names that outlive generations: a function or class keeps its counters, and
//! a function its instances, for as long as the process lives.

use hummingbird_crds::tables::{Class, Compute, Function, Work};

/// Functions that a process can know in all its generations.
pub const FUNCTIONS: usize = 64;
/// Classes that a process can know in all its generations.
pub const CLASSES: usize = 256;

/// What must stay the same under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ESP encapsulation.
    Encrypt,
    /// ESP decapsulation.
    Decrypt,
    /// Content rules.
    Nids,
    /// Longest-prefix match.
    Router,
}

impl Kind {
    /// The kind of some work.
    #[must_use]
    pub const fn of(work: &Work) -> Self {
        match work {
            Work::Encrypt(_) => Self::Encrypt,
            Work::Decrypt(_) => Self::Decrypt,
            Work::Nids(_) => Self::Nids,
            Work::Router(_) => Self::Router,
        }
    }
}

/// A function that some generation had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// Where it runs; for a GPU function, on how many workgroups now.
    pub compute: Compute,
}

/// All names so far; a name's place never changes.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// Functions.
    pub functions: Vec<Member>,
    /// Classes.
    pub classes: Vec<String>,
}

/// Too many names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} {what} have had names in the life of this process; restart it")]
pub struct RosterFull {
    what: &'static str,
    limit: usize,
}

impl Roster {
    /// The place of a function, entered if it is new.
    ///
    /// # Errors
    /// There is no place for another.
    pub fn function(&mut self, function: &Function) -> Result<usize, RosterFull> {
        let member =
            Member { name: function.name.clone(), kind: Kind::of(&function.work), compute: function.compute };
        if let Some(slot) = self.functions.iter().position(|known| known.name == member.name) {
            self.functions[slot] = member;
            return Ok(slot);
        }
        if self.functions.len() == FUNCTIONS {
            return Err(RosterFull { what: "functions", limit: FUNCTIONS });
        }
        self.functions.push(member);
        Ok(self.functions.len() - 1)
    }

    /// The place of a class, entered if it is new.
    ///
    /// # Errors
    /// There is no place for another.
    pub fn class(&mut self, class: &Class) -> Result<usize, RosterFull> {
        if let Some(slot) = self.classes.iter().position(|known| *known == class.name) {
            return Ok(slot);
        }
        if self.classes.len() == CLASSES {
            return Err(RosterFull { what: "classes", limit: CLASSES });
        }
        self.classes.push(class.name.clone());
        Ok(self.classes.len() - 1)
    }
}
