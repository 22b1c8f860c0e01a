//! A pattern set as the dense automaton that the `Match` kernel walks.
//!
//! Patterns are caseless (ASCII) byte strings; all occurrences count, also
//! those that overlap. It is Aho and Corasick's automaton (CACM 18(6), 1975)
//! with the failure links compiled into the transitions: one look-up a byte,
//! whatever the traffic. Bytes that no pattern tells apart share a class, so a
//! row of transitions has one entry a class. States are numbered breadth first:
//! the shallow ones, which traffic visits most, lie together.
//!
//! **Size.** [`Automaton::as_bytes`] is `4 * states * classes` bytes and little
//! more: a state for each distinct prefix, at most one for each byte of the
//! patterns and one more; a class for each byte that occurs in a pattern, letters
//! folded, and one for the rest. 11,000 random patterns of 4 to 12 text bytes
//! take 11 MB, of any bytes 70 MB.

use crate::layout::{AutomatonHeader, HAS_OUTPUTS};
use crate::words::to_bytes;

/// Largest automaton in bytes: rows of transitions are named by 31 bits, and
/// tables lie in a memory that 32 bits address.
pub const MAX_BYTES: usize = 1 << 30;

/// The automaton of these patterns would be larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the match automaton of these patterns needs at least {bytes} bytes and may have {limit}: \
     use fewer or shorter patterns, or give tables more memory"
)]
pub struct TooLarge {
    /// Bytes that it needs at least.
    pub bytes: usize,
    /// Bytes that it may have.
    pub limit: usize,
}

/// A pattern, lower case, and its id.
type Pattern = (Vec<u8>, u32);

/// Where the class map and the transitions lie in the blob.
const CLASS_MAP: usize = size_of::<AutomatonHeader>();
const NEXT: usize = CLASS_MAP + 256;

/// Which bytes the patterns tell apart.
struct Classes {
    map: [u8; 256],
    count: usize,
}

impl Classes {
    /// Class 0 is for bytes in no pattern, if there are any; then one for each
    /// byte that occurs, upper case with lower.
    fn of(patterns: &[Pattern]) -> Self {
        let mut occurs = [false; 256];
        patterns.iter().flat_map(|(bytes, _)| bytes).for_each(|&byte| occurs[usize::from(byte)] = true);
        let fold = |byte: usize| usize::from((byte as u8).to_ascii_lowercase());
        let mut count = usize::from((0..256).any(|byte| !occurs[fold(byte)]));
        let mut map = [0; 256];
        for byte in (0..256).filter(|&byte| occurs[byte]) {
            map[byte] = count as u8;
            count += 1;
        }
        Self { map: std::array::from_fn(|byte| map[fold(byte)]), count }
    }
}

/// States that sorted patterns need: one for each distinct prefix, the empty
/// one included.
fn count_states(sorted: &[Pattern]) -> usize {
    let mut before: &[u8] = &[];
    sorted.iter().fold(1, |states, (bytes, _)| {
        let shared = bytes.iter().zip(before).take_while(|(a, b)| a == b).count();
        before = bytes;
        states + bytes.len() - shared
    })
}

/// A pattern set, ready to be published as a table and walked by the `Match`
/// kernel or by [`scan`](Self::scan).
#[derive(Clone)]
pub struct Automaton {
    bytes: Vec<u8>,
    classes: usize,
    index: usize,
    outputs: usize,
}

impl Automaton {
    /// The automaton of `patterns`; a pattern's id is its place among them. An
    /// empty pattern never occurs.
    ///
    /// # Errors
    /// If it would have more than [`MAX_BYTES`]; nothing large is built then.
    pub fn build(patterns: &[impl AsRef<[u8]>]) -> Result<Self, TooLarge> {
        Self::build_within(patterns, MAX_BYTES)
    }

    /// [`build`](Self::build) for a table memory with `limit` bytes left.
    ///
    /// # Errors
    /// If it would have more than `limit` or [`MAX_BYTES`]; nothing larger is
    /// built then.
    pub fn build_within(patterns: &[impl AsRef<[u8]>], limit: usize) -> Result<Self, TooLarge> {
        let mut sorted: Vec<Pattern> = patterns
            .iter()
            .zip(0..)
            .map(|(pattern, id)| (pattern.as_ref().to_ascii_lowercase(), id))
            .filter(|(bytes, _)| !bytes.is_empty())
            .collect();
        sorted.sort_unstable();
        Builder::new(&sorted, limit.min(MAX_BYTES))?.build()
    }

    /// The table to publish: a [`AutomatonHeader`] and what it points to.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Calls `found` with a pattern's id for each of its occurrences in
    /// `payload` in the order in which they end, longer ones first, then by id:
    /// what the kernel does, on the CPU, without its limit on ids.
    pub fn scan(&self, payload: &[u8], mut found: impl FnMut(u32)) {
        let mut row = 0;
        for &byte in payload {
            let class = self.bytes[CLASS_MAP + usize::from(byte)];
            let next = word(&self.bytes, NEXT + 4 * (row + usize::from(class)));
            row = (next & !HAS_OUTPUTS) as usize;
            if next & HAS_OUTPUTS != 0 {
                let index = self.index + 4 * (row / self.classes);
                let (first, end) = (word(&self.bytes, index), word(&self.bytes, index + 4));
                (first..end).for_each(|i| found(word(&self.bytes, self.outputs + 4 * i as usize)));
            }
        }
    }
}

impl std::fmt::Debug for Automaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Automaton")
            .field("classes", &self.classes)
            .field("states", &((self.index - NEXT) / 4 / self.classes))
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let (&four, _) = bytes[at..].split_first_chunk().expect("an automaton's offsets lie inside it");
    u32::from_le_bytes(four)
}

/// A state: the sorted patterns that begin with its `depth` bytes.
#[derive(Clone, Copy)]
struct State {
    first: usize,
    end: usize,
    depth: usize,
    /// The state of the longest proper suffix; shallower, so complete before.
    fail: usize,
}

struct Builder<'a> {
    sorted: &'a [Pattern],
    classes: Classes,
    count: usize,
    limit: usize,
    /// The blob up to the row being made.
    bytes: Vec<u8>,
    states: Vec<State>,
    index: Vec<u32>,
    outputs: Vec<u32>,
}

impl<'a> Builder<'a> {
    fn new(sorted: &'a [Pattern], limit: usize) -> Result<Self, TooLarge> {
        let classes = Classes::of(sorted);
        let count = count_states(sorted);
        let root = State { first: 0, end: sorted.len(), depth: 0, fail: 0 };
        let mut builder = Self {
            sorted,
            classes,
            count,
            limit,
            bytes: Vec::new(),
            states: vec![root],
            index: vec![0, 0],
            outputs: Vec::new(),
        };
        // Each pattern ends at one state at least.
        let bytes = builder.check(sorted.len())?;
        builder.bytes.reserve_exact(bytes);
        Ok(builder)
    }

    fn index_offset(&self) -> usize {
        NEXT + 4 * self.count * self.classes.count
    }

    fn outputs_offset(&self) -> usize {
        self.index_offset() + 4 * (self.count + 1)
    }

    /// Bytes of the whole with so many outputs, if it may have them.
    fn check(&self, outputs: usize) -> Result<usize, TooLarge> {
        let bytes = self.outputs_offset() + 4 * outputs;
        if bytes > self.limit { Err(TooLarge { bytes, limit: self.limit }) } else { Ok(bytes) }
    }

    fn row(&self, state: usize) -> usize {
        NEXT + 4 * state * self.classes.count
    }

    fn build(mut self) -> Result<Automaton, TooLarge> {
        let header = AutomatonHeader {
            classes: self.classes.count as u32,
            states: self.count as u32,
            class_map: CLASS_MAP as u32,
            next: NEXT as u32,
            index: self.index_offset() as u32,
            outputs: self.outputs_offset() as u32,
            reserved: [0; 10],
        };
        self.bytes.extend(header.to_bytes());
        self.bytes.extend(self.classes.map);
        let mut state = 0;
        while state < self.states.len() {
            self.add_row(state)?;
            state += 1;
        }
        let (classes, index, outputs) = (self.classes.count, self.index_offset(), self.outputs_offset());
        self.bytes.extend(to_bytes(self.index));
        self.bytes.extend(to_bytes(self.outputs));
        Ok(Automaton { bytes: self.bytes, classes, index, outputs })
    }

    /// The transitions of the next state: its own children, and for all other
    /// bytes what the state it fails to would do.
    fn add_row(&mut self, number: usize) -> Result<(), TooLarge> {
        let State { first, end, depth, fail } = self.states[number];
        let row = self.row(number);
        if number == 0 {
            self.bytes.resize(row + 4 * self.classes.count, 0);
        } else {
            let from = self.row(fail);
            self.bytes.extend_from_within(from..from + 4 * self.classes.count);
        }
        // Patterns that end here come first among those of the state.
        let longer = self.sorted[first..end].iter().position(|(bytes, _)| bytes.len() > depth);
        let mut at = first + longer.unwrap_or(end - first);
        while at < end {
            let byte = self.sorted[at].0[depth];
            let group = self.sorted[at..end].iter().take_while(|(bytes, _)| bytes[depth] == byte).count();
            let transition = row + 4 * usize::from(self.classes.map[usize::from(byte)]);
            // Before it is overwritten it leads where the failure state goes.
            let fail = (word(&self.bytes, transition) & !HAS_OUTPUTS) as usize / self.classes.count;
            let to = self.add_state(State { first: at, end: at + group, depth: depth + 1, fail })?;
            self.bytes[transition..transition + 4].copy_from_slice(&to.to_le_bytes());
            at += group;
        }
        Ok(())
    }

    /// Adds a state with its outputs; gives the transition that leads to it.
    fn add_state(&mut self, state: State) -> Result<u32, TooLarge> {
        let before = self.outputs.len();
        let own =
            self.sorted[state.first..state.end].iter().take_while(|(bytes, _)| bytes.len() == state.depth);
        self.outputs.extend(own.map(|&(_, id)| id));
        self.outputs.extend_from_within(self.index[state.fail] as usize..self.index[state.fail + 1] as usize);
        self.check(self.outputs.len())?;
        self.index.push(self.outputs.len() as u32);
        let row = (self.states.len() * self.classes.count) as u32;
        self.states.push(state);
        Ok(row | if self.outputs.len() > before { HAS_OUTPUTS } else { 0 })
    }
}

impl AutomatonHeader {
    /// The 64 bytes that the kernel reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { classes, states, class_map, next, index, outputs, reserved } = *self;
        to_bytes([classes, states, class_map, next, index, outputs].into_iter().chain(reserved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aho_corasick::AhoCorasick;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::cmp::Reverse;

    /// All occurrences by a library that shares no code with ours, in the order
    /// that we document.
    fn expected(patterns: &[Vec<u8>], payload: &[u8]) -> Vec<u32> {
        let ac = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).expect("small");
        let mut found: Vec<_> = ac
            .find_overlapping_iter(payload)
            .map(|m| (m.end(), Reverse(m.end() - m.start()), m.pattern().as_u32()))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, _, id)| id).collect()
    }

    proptest! {
        #[test]
        fn finds_what_the_aho_corasick_crate_finds(
            patterns in vec(vec(select(b"abAB\x00\xff".to_vec()), 1..5), 0..20),
            payload in vec(select(b"abcABC\x00\xff".to_vec()), 0..200),
        ) {
            let automaton = Automaton::build(&patterns).unwrap();
            prop_assert_eq!(ids(&automaton, &payload), expected(&patterns, &payload));
        }
    }

    fn ids(automaton: &Automaton, payload: &[u8]) -> Vec<u32> {
        let mut ids = Vec::new();
        automaton.scan(payload, |id| ids.push(id));
        ids
    }

    #[test]
    fn no_pattern_and_empty_patterns_never_match() {
        assert_eq!(ids(&Automaton::build(&[""; 0]).unwrap(), b"anything"), []);
        assert_eq!(ids(&Automaton::build(&["", "b", ""]).unwrap(), b"abc"), [1]);
    }

    #[test]
    fn patterns_that_differ_in_case_alone_are_both_found() {
        assert_eq!(ids(&Automaton::build(&["Ab", "aB", "b"]).unwrap(), b"xAB"), [0, 1, 2]);
    }

    #[test]
    fn all_bytes_in_use_leave_no_class_for_others() {
        let patterns: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        let automaton = Automaton::build(&patterns).unwrap();
        assert_eq!(automaton.classes, 256 - 26);
        assert_eq!(ids(&automaton, b"\x00Z\xff"), [0, 90, 122, 255]);
    }

    #[test]
    fn too_large_is_told_before_anything_is_built() {
        let error = Automaton::build_within(&["abc"], 100).unwrap_err();
        // Four states of four classes.
        assert_eq!(error, TooLarge { bytes: 64 + 256 + 4 * 4 * 4 + 4 * 5 + 4, limit: 100 });
        assert!(Automaton::build_within(&["abc"], error.bytes).is_ok());
        assert!(error.to_string().contains("408 bytes"));
    }

    #[test]
    fn outputs_count_towards_the_size() {
        let patterns: Vec<Vec<u8>> = (1..200).map(|len| vec![b'a'; len]).collect();
        let size = Automaton::build(&patterns).unwrap().as_bytes().len();
        assert!(Automaton::build_within(&patterns, size).is_ok());
        assert!(Automaton::build_within(&patterns, size - 1).is_err());
    }

    #[test]
    fn eleven_thousand_patterns_fit_their_documented_size() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut set = |alphabet: u64, base: u64| -> usize {
            let patterns: Vec<Vec<u8>> = (0..11_000)
                .map(|_| (0..4 + random(9)).map(|_| (base + random(alphabet)) as u8).collect())
                .collect();
            Automaton::build(&patterns).unwrap().as_bytes().len() / 1_000_000
        };
        assert_eq!((set(40, 0x60), set(256, 0)), (11, 70));
    }
}
