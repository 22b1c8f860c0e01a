//! A compiled rule set, and the evaluation of packets against it.

use std::{collections::HashMap, fmt};

use hummingbird_packet::Protocol;

use crate::{
    Packet,
    compile::{Compiled, Draft, Header, Transport},
    keywords::Condition,
    payload::{self, Item},
    ranges::Ranges,
};

/// What a rule's author wants done with a matching packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Report it.
    Alert,
    /// Report and drop it.
    Drop,
    /// Report and drop it, and tell the sender (which is not ours to do).
    Reject,
    /// Let it go, whatever other rules say.
    Pass,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alert => "alert",
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::Pass => "pass",
        })
    }
}

/// The place of a rule in [`RuleSet::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub u32);

impl RuleIndex {
    /// The index as a `usize`.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What its author wants done.
    pub action: Action,
    /// Signature id.
    pub sid: u32,
    /// Generator id; 1 unless the rule says otherwise.
    pub gid: u32,
    /// Revision.
    pub rev: u32,
    /// What it is about; empty where the rule does not say.
    pub msg: Box<str>,
    /// Whether it stands for a rule that asks for more than we evaluate: it
    /// then matches more packets, and must never cost one its way.
    pub approximate: bool,
    /// The index in [`RuleSet::patterns`] of the pattern without which it
    /// cannot match; `None` if it has none.
    pub pattern: Option<u32>,
    conditions: Box<[Condition]>,
    items: Box<[Item]>,
    on_fragments: bool,
}

impl Rule {
    /// Whether all but the header fits.
    fn matches(&self, packet: &Packet<'_>) -> bool {
        (self.on_fragments || !packet.fragment)
            && self.conditions.iter().all(|condition| condition.holds(packet))
            && (self.items.is_empty()
                || !packet.payload.is_empty() && payload::matches(&self.items, packet.payload))
    }
}

/// A compiled rule set.
///
/// It is immutable and may be shared between threads; each brings its own
/// [`Scratch`].
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Box<[Rule]>,
    /// Every header once; thousands of rules share a few hundred.
    headers: Box<[Header]>,
    sets: Box<[Ranges]>,
    patterns: Box<[Box<[u8]>]>,
    /// The rules of each pattern.
    by_pattern: Lists,
    /// The rules without a pattern, for each [`Slot`].
    always: Lists,
}

/// A rule to try, and its header, which is judged first and without touching
/// the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    header: u32,
    rule: u32,
}

/// Lists of candidates, one behind the other, those of one header together.
#[derive(Clone, Debug, Default)]
struct Lists {
    /// Where each list starts in `candidates`, and where the last one ends.
    starts: Box<[u32]>,
    candidates: Box<[Candidate]>,
}

impl Lists {
    fn new(mut lists: Vec<Vec<Candidate>>) -> Self {
        let mut starts = vec![0];
        for list in &mut lists {
            list.sort_unstable();
            starts.push(starts.last().copied().unwrap_or(0) + list.len() as u32);
        }
        Self { starts: starts.into(), candidates: lists.concat().into() }
    }

    fn get(&self, list: usize) -> &[Candidate] {
        match (self.starts.get(list), self.starts.get(list + 1)) {
            (Some(start), Some(end)) => &self.candidates[*start as usize..*end as usize],
            _ => &[],
        }
    }
}

/// Which rules without a pattern a packet must be tried against.
#[derive(Clone, Copy)]
enum Slot {
    Tcp,
    Udp,
    Icmp,
    Other,
}

impl Slot {
    const ALL: [(Self, Option<Protocol>); 4] = [
        (Self::Tcp, Some(Protocol::TCP)),
        (Self::Udp, Some(Protocol::UDP)),
        (Self::Icmp, Some(Protocol::ICMP)),
        (Self::Other, None),
    ];

    fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::TCP => Self::Tcp,
            Protocol::UDP => Self::Udp,
            Protocol::ICMP => Self::Icmp,
            _ => Self::Other,
        }
    }
}

/// A thread's working memory for [`RuleSet::evaluate`]; one fits all sets.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The number of the packet that a pattern was last seen in.
    seen: Vec<u32>,
    packet: u32,
}

impl Scratch {
    /// Working memory that fits `rules` without growing.
    #[must_use]
    pub fn new(rules: &RuleSet) -> Self {
        Self { seen: vec![0; rules.patterns.len()], packet: 0 }
    }

    /// Starts a packet.
    fn next(&mut self, patterns: usize) {
        if self.seen.len() < patterns {
            self.seen.resize(patterns, 0);
        }
        self.packet = self.packet.wrapping_add(1);
        if self.packet == 0 {
            self.seen.fill(0);
            self.packet = 1;
        }
    }

    /// Whether the pattern is new in this packet.
    fn first(&mut self, pattern: u32) -> bool {
        match self.seen.get_mut(pattern as usize) {
            Some(seen) => std::mem::replace(seen, self.packet) != self.packet,
            None => false,
        }
    }
}

impl RuleSet {
    /// What the prefilter must search every payload for, without regard to
    /// ASCII case: lower-case byte strings, all different, between
    /// [`MIN_PATTERN`](crate::MIN_PATTERN) and
    /// [`MAX_PATTERN`](crate::MAX_PATTERN) bytes. Their indices are the `hits`
    /// of [`evaluate`](Self::evaluate).
    #[must_use]
    pub fn patterns(&self) -> &[Box<[u8]>] {
        &self.patterns
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Finds the rules that match a packet and puts them, in order and each
    /// once, into `matches`, which is cleared before. A packet that a `pass`
    /// rule matches yields none.
    ///
    /// `hits` are the patterns that occur in the payload, by index, in any
    /// order and any number of times; wrong ones cost time and change nothing,
    /// a missing one may hide a match. Allocates nothing once `scratch` and
    /// `matches` have grown.
    pub fn evaluate(
        &self,
        packet: &Packet<'_>,
        hits: &[u32],
        scratch: &mut Scratch,
        matches: &mut Vec<RuleIndex>,
    ) {
        matches.clear();
        scratch.next(self.patterns.len());
        let mut passed =
            self.try_rules(self.always.get(Slot::of(packet.tuple.protocol) as usize), packet, matches);
        for hit in hits {
            if scratch.first(*hit) {
                passed |= self.try_rules(self.by_pattern.get(*hit as usize), packet, matches);
            }
        }
        if passed {
            matches.clear();
        } else {
            matches.sort_unstable();
        }
    }

    /// Whether a `pass` rule is among those that match.
    fn try_rules(&self, candidates: &[Candidate], packet: &Packet<'_>, matches: &mut Vec<RuleIndex>) -> bool {
        let mut passed = false;
        for same_header in candidates.chunk_by(|a, b| a.header == b.header) {
            let header = &self.headers[same_header[0].header as usize];
            if !header.holds(&self.sets, &packet.tuple, packet.fragment) {
                continue;
            }
            for candidate in same_header {
                let rule = &self.rules[candidate.rule as usize];
                if rule.matches(packet) {
                    if rule.action == Action::Pass {
                        passed = true;
                    } else {
                        matches.push(RuleIndex(candidate.rule));
                    }
                }
            }
        }
        passed
    }

    /// What a set of all-knowing hits gives: every rule is tried.
    #[cfg(test)]
    pub(crate) fn evaluate_all(&self, packet: &Packet<'_>) -> Vec<RuleIndex> {
        let mut matches = Vec::new();
        let always = Slot::ALL.iter().flat_map(|(slot, _)| self.always.get(*slot as usize));
        let mut all: Vec<Candidate> = self.by_pattern.candidates.iter().chain(always).copied().collect();
        all.sort_unstable();
        all.dedup();
        if self.try_rules(&all, packet, &mut matches) {
            matches.clear();
        }
        matches.sort_unstable();
        matches
    }
}

/// Collects rules into a set.
#[derive(Default)]
pub(crate) struct Builder {
    rules: Vec<Rule>,
    headers: Vec<Header>,
    by_header: HashMap<Header, u32>,
    patterns: HashMap<Box<[u8]>, u32>,
    by_pattern: Vec<Vec<Candidate>>,
    always: [Vec<Candidate>; Slot::ALL.len()],
}

impl Builder {
    pub fn push(&mut self, draft: Draft) {
        let approximate = !draft.unsupported.is_empty();
        let (action, sid, gid, rev) = (draft.action, draft.sid, draft.gid, draft.rev);
        let (msg, header) = (draft.msg.clone(), draft.header.clone());
        let transport = header.transport;
        let header = *self.by_header.entry(header).or_insert_with_key(|header| {
            self.headers.push(header.clone());
            self.headers.len() as u32 - 1
        });
        let candidate = Candidate { header, rule: self.rules.len() as u32 };
        let Compiled { conditions, items, pattern, on_fragments } = draft.compile();
        let pattern = pattern.map(|bytes| {
            let next = self.by_pattern.len() as u32;
            *self.patterns.entry(bytes).or_insert_with(|| {
                self.by_pattern.push(Vec::new());
                next
            })
        });
        match pattern {
            Some(pattern) => self.by_pattern[pattern as usize].push(candidate),
            None => {
                for (slot, protocol) in Slot::ALL {
                    let fits = match protocol {
                        Some(protocol) => transport.includes(protocol),
                        None => transport == Transport::Any,
                    };
                    if fits {
                        self.always[slot as usize].push(candidate);
                    }
                }
            }
        }
        self.rules.push(Rule {
            action,
            sid,
            gid,
            rev,
            msg,
            approximate,
            pattern,
            conditions,
            items,
            on_fragments,
        });
    }

    pub fn finish(self, sets: Box<[Ranges]>) -> RuleSet {
        let mut patterns: Vec<(Box<[u8]>, u32)> = self.patterns.into_iter().collect();
        patterns.sort_unstable_by_key(|(_, index)| *index);
        RuleSet {
            rules: self.rules.into(),
            headers: self.headers.into(),
            sets,
            patterns: patterns.into_iter().map(|(bytes, _)| bytes).collect(),
            by_pattern: Lists::new(self.by_pattern),
            always: Lists::new(self.always.into()),
        }
    }
}
