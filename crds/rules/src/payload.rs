//! The payload half of a rule: contents in order, with backtracking.
//!
//! This follows Suricata 7's content inspection: each keyword is tried in the
//! rule's order; the end of the last match is the cursor that relative
//! keywords count from; where a later keyword that depends on a content
//! fails, the next occurrence of that content is tried.

use crate::bytes::{ByteJump, ByteTest};

/// Keywords that one rule may try on one payload before it is given up as no
/// match: Suricata's `inspection-recursion-limit`. It bounds what a hostile
/// payload can cost.
pub(crate) const MAX_STEPS: u32 = 3000;

/// One payload keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Content(Content),
    /// `isdataat`: whether byte `at` exists, from the start or the cursor.
    IsDataAt {
        at: u16,
        relative: bool,
        negated: bool,
    },
    ByteTest(ByteTest),
    ByteJump(ByteJump),
}

/// A `content` with its modifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub needle: Needle,
    pub negated: bool,
    pub place: Place,
    /// `endswith`: the match must end where the payload does.
    pub at_end: bool,
    /// A later keyword depends on where this one matched, so that another
    /// occurrence may help where that keyword fails.
    pub retry: bool,
    /// Any relative keyword follows, whether another occurrence helps or not.
    pub relative_next: bool,
}

/// Where a content may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// From byte `offset` of the payload up to byte `end`.
    Absolute { offset: u16, end: Option<u32> },
    /// From `distance` bytes after the cursor, for `within` bytes.
    Relative { distance: i32, within: Option<i32> },
}

impl Place {
    pub const ANYWHERE: Self = Self::Absolute { offset: 0, end: None };

    fn is_relative(self) -> bool {
        matches!(self, Self::Relative { .. })
    }

    /// The window to search, if there is one.
    fn window(self, cursor: usize, len: usize) -> Option<(usize, usize)> {
        let (lower, upper) = match self {
            Self::Absolute { offset, end } => {
                (usize::from(offset), end.map_or(len, |end| len.min(end as usize)))
            }
            Self::Relative { distance, within } => {
                let from = cursor as i64 + i64::from(distance);
                let upper =
                    within.map_or(len as i64, |within| (from + i64::from(within)).clamp(0, len as i64));
                (from.max(0) as usize, upper as usize)
            }
        };
        (lower <= upper && upper > 0).then_some((lower, upper))
    }
}

/// The bytes of a content, ready to be searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needle {
    /// Lower case where case does not matter.
    bytes: Box<[u8]>,
    nocase: bool,
    /// The index of the byte that is rarest in traffic.
    anchor: u16,
}

impl Needle {
    /// `bytes` must not be empty.
    pub fn new(bytes: &[u8], nocase: bool) -> Self {
        let bytes: Box<[u8]> = if nocase { bytes.to_ascii_lowercase() } else { bytes.to_vec() }.into();
        let anchor = (0..bytes.len()).max_by_key(|at| crate::pattern::rarity(bytes[*at])).unwrap_or(0);
        Self { bytes, nocase, anchor: anchor as u16 }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    fn equals(&self, bytes: &[u8]) -> bool {
        if self.nocase { self.bytes.eq_ignore_ascii_case(bytes) } else { *self.bytes == *bytes }
    }

    /// The first occurrence within `window`.
    fn find(&self, window: &[u8]) -> Option<usize> {
        let last = window.len().checked_sub(self.len())?;
        let anchor = usize::from(self.anchor);
        let byte = *self.bytes.get(anchor)?;
        // Where the anchor may stand.
        let places = &window[anchor..=anchor + last];
        let mut from = 0;
        loop {
            let rest = &places[from..];
            let hit = if self.nocase && byte.is_ascii_lowercase() {
                memchr::memchr2(byte, byte.to_ascii_uppercase(), rest)
            } else {
                memchr::memchr(byte, rest)
            };
            let start = from + hit?;
            if self.equals(&window[start..start + self.len()]) {
                return Some(start);
            }
            from = start + 1;
        }
    }
}

impl Content {
    /// The first occurrence from byte `from` on that ends at most at `upper`.
    fn find(&self, payload: &[u8], from: usize, upper: usize) -> Option<usize> {
        let window = payload.get(from..upper)?;
        if !self.at_end {
            return self.needle.find(window).map(|at| from + at);
        }
        let tail = window.len().checked_sub(self.needle.len())?;
        (upper == payload.len() && self.needle.equals(&window[tail..])).then_some(from + tail)
    }

    /// Whether this content stands alone: no place, nothing relative to it.
    fn single(&self) -> bool {
        self.place == Place::ANYWHERE && !self.relative_next
    }
}

/// Whether all keywords hold on the payload.
pub(crate) fn matches(items: &[Item], payload: &[u8]) -> bool {
    Walk { payload, cursor: 0, steps: 0, stop: false }.inspect(items)
}

struct Walk<'a> {
    payload: &'a [u8],
    /// The end of the last match.
    cursor: usize,
    steps: u32,
    /// No other occurrence of anything can help.
    stop: bool,
}

impl Walk<'_> {
    fn inspect(&mut self, items: &[Item]) -> bool {
        let Some((item, rest)) = items.split_first() else { return true };
        self.steps += 1;
        if self.steps >= MAX_STEPS {
            self.stop = true;
            return false;
        }
        let holds = match item {
            Item::Content(content) => return self.content(content, rest),
            Item::IsDataAt { at, relative: true, negated } => {
                (self.cursor + usize::from(*at) <= self.payload.len()) != *negated
            }
            Item::IsDataAt { at, relative: false, negated } => {
                (usize::from(*at) < self.payload.len()) != *negated
            }
            Item::ByteTest(test) => test.holds(self.payload, self.cursor),
            Item::ByteJump(jump) => match jump.target(self.payload, self.cursor) {
                Some(target) => {
                    self.cursor = target;
                    true
                }
                None => false,
            },
        };
        holds && self.inspect(rest)
    }

    fn content(&mut self, content: &Content, rest: &[Item]) -> bool {
        let Some((lower, upper)) = content.place.window(self.cursor, self.payload.len()) else {
            return content.negated && self.inspect(rest);
        };
        if content.negated {
            if content.find(self.payload, lower, upper).is_none() {
                return self.inspect(rest);
            }
            self.stop |= content.single();
            return false;
        }
        let mut from = lower;
        while from <= upper {
            let Some(start) = content.find(self.payload, from, upper) else {
                // Nothing before this content could change where it is sought.
                self.stop |= !content.place.is_relative();
                return false;
            };
            self.cursor = start + content.needle.len();
            if self.inspect(rest) {
                return true;
            }
            self.stop |= !content.retry;
            if self.stop {
                return false;
            }
            from = start + 1;
        }
        false
    }
}
