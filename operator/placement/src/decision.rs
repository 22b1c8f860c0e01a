//! What a plan says, for programs and for people.

use std::fmt;

use hummingbird_crds::api::{AssignedNic, ChainReference};

use crate::{refusal::Refusal, supply::Allotment};

/// Where everything goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// One per chain, by namespace and name.
    pub decisions: Vec<Decision>,
    /// Assignments of chains that are not among the given ones, as (node, uid):
    /// each is to become `Absent`.
    pub orphans: Vec<(String, String)>,
}

/// What becomes of one chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// `metadata.uid`.
    pub uid: String,
    /// Its namespace and name.
    pub chain: ChainReference,
    /// What it asks and may not have anywhere.
    pub rejected: Option<Refusal>,
    /// Where it runs or is to run now, by node.
    pub placed: Vec<Placed>,
    /// Where it will run once it is gone from the node it is on.
    pub reserved: Option<Placed>,
    /// Assignments to be made `Absent` now.
    pub withdrawn: Vec<Withdrawn>,
    /// Why not on each other node that was looked at, by node.
    pub refusals: Vec<NodeRefusal>,
}

/// A chain on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The node.
    pub node: String,
    /// Whether it was there before.
    pub kept: bool,
    /// What it gets.
    pub allotment: Allotment,
    /// What is near, what is far: a line each.
    pub notes: Vec<String>,
    /// It stays with what it has, for this is why what it asks now cannot be had.
    pub unmet: Option<Refusal>,
}

/// A chain that has to leave a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Withdrawn {
    /// The node.
    pub node: String,
    /// Why.
    pub why: Refusal,
}

/// Why a chain is not on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRefusal {
    /// The node.
    pub node: String,
    /// Why.
    pub refusal: Refusal,
}

/// What a condition says of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The condition: `Accepted` or `Placed`.
    pub condition: &'static str,
    /// Whether it is true.
    pub status: bool,
    /// Its reason: `Placed`, a refusal's, or `NoNodeFits` where nodes differ.
    pub reason: &'static str,
    /// Its message: a line per node.
    pub message: String,
}

impl Decision {
    /// What a condition says of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let of = |status, refusal: &Refusal, message: String| Verdict {
            condition: refusal.condition(),
            status,
            reason: refusal.reason(),
            message,
        };
        if let Some(refusal) = &self.rejected {
            return of(false, refusal, refusal.to_string());
        }
        if let Some((placed, refusal)) = self.placed.iter().find_map(|p| Some((p, p.unmet.as_ref()?))) {
            let message = format!("stays on {} as it is: {refusal}", placed.node);
            return of(refusal.condition() == "Placed", refusal, message);
        }
        if !self.placed.is_empty() {
            let nodes: Vec<_> = self.placed.iter().map(|placed| placed.node.as_str()).collect();
            let message = format!("on {}", nodes.join(", "));
            return Verdict { condition: "Placed", status: true, reason: "Placed", message };
        }
        let lines: Vec<_> = self.refusals.iter().map(|no| format!("{}: {}", no.node, no.refusal)).collect();
        let message = lines.join("\n");
        // A wait says more than what the nodes that were passed over lack.
        let waits = |refusal: &&Refusal| matches!(refusal, Refusal::WaitsForOtherNode { .. });
        if let Some(wait) = self.refusals.iter().map(|no| &no.refusal).find(waits) {
            return of(false, wait, message);
        }
        let elsewhere = |refusal: &&Refusal| matches!(refusal, Refusal::NodeSelectorMismatch { .. });
        let all = self.refusals.iter().map(|no| &no.refusal);
        let meant: Vec<_> = all.clone().filter(|refusal| !elsewhere(refusal)).collect();
        let judged = if meant.is_empty() { all.collect() } else { meant };
        match judged.as_slice() {
            [] => of(false, &Refusal::NoNodes, Refusal::NoNodes.to_string()),
            [first, rest @ ..] if rest.iter().all(|other| other.reason() == first.reason()) => {
                of(false, first, message)
            }
            _ => Verdict { condition: "Placed", status: false, reason: "NoNodeFits", message },
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decisions.iter().try_for_each(|decision| write!(f, "{decision}"))
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict();
        writeln!(f, "{}: {}", self.chain, verdict.reason)?;
        if let Some(refusal) = &self.rejected {
            writeln!(f, "  rejected: {refusal}")?;
        }
        for placed in &self.placed {
            placed.write(f, if placed.kept { "stays on" } else { "goes to" })?;
        }
        if let Some(reserved) = &self.reserved {
            reserved.write(f, "will go to")?;
        }
        for Withdrawn { node, why } in &self.withdrawn {
            writeln!(f, "  leaves {node}: {why}")?;
        }
        self.refusals.iter().try_for_each(|no| writeln!(f, "  not on {}: {}", no.node, no.refusal))
    }
}

impl Placed {
    fn write(&self, f: &mut fmt::Formatter<'_>, verb: &str) -> fmt::Result {
        writeln!(f, "  {verb} {}: {}", self.node, self.allotment)?;
        if let Some(refusal) = &self.unmet {
            writeln!(f, "    as it is: {refusal}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "    {note}"))
    }
}

impl fmt::Display for Allotment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for AssignedNic { port, pci_address, interface } in &self.nics {
            let nic = pci_address.as_ref().or(interface.as_ref()).map_or("", String::as_str);
            write!(f, "{port}={nic}, ")?;
        }
        if let Some(device) = self.device {
            write!(f, "{} workgroups of device {device}, ", self.workgroups)?;
        }
        let policy = format!("{:?}", self.cpu_policy).to_lowercase();
        let (pages, memory) = (self.hugepages >> 20, self.memory >> 20);
        write!(f, "{} {policy} cores, {pages} MiB in hugepages, {memory} MiB of memory", self.cores)
    }
}
