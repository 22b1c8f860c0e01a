//! A content while its modifiers are being read.

use crate::{
    payload::{Content, Needle, Place},
    syntax::{
        SyntaxError, content,
        number::{bounded, text},
        rule::quoted,
        wrong,
    },
};

/// The largest distance or within, as in Suricata.
const MAX_RELATIVE: i32 = 1024 * 1024;

/// A content and what was said of it so far.
#[derive(Debug)]
pub(crate) struct DraftContent {
    pub bytes: Box<[u8]>,
    pub negated: bool,
    nocase: bool,
    offset: Option<u16>,
    depth: Option<u16>,
    starts: bool,
    pub ends: bool,
    distance: Option<i32>,
    pub within: Option<i32>,
    pub fast: Option<Fast>,
    /// A modifier names a variable of `byte_extract`.
    pub variable: bool,
    pub retry: bool,
    pub relative_next: bool,
}

/// What `fast_pattern` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fast {
    Whole,
    Only,
    /// Offset and length in the content.
    Part(u16, u16),
}

impl DraftContent {
    pub fn new(name: &str, value: &[u8]) -> Result<Self, SyntaxError> {
        let (negated, inner) = quoted(name, value)?;
        let bytes = content::bytes(inner).map_err(|error| wrong!("{name}: {error}"))?;
        Ok(Self {
            bytes,
            negated,
            nocase: false,
            offset: None,
            depth: None,
            starts: false,
            ends: false,
            distance: None,
            within: None,
            fast: None,
            variable: false,
            retry: false,
            relative_next: false,
        })
    }

    pub fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }

    fn is_absolute(&self) -> bool {
        self.offset.is_some() || self.depth.is_some() || self.starts
    }

    /// Applies a modifier of contents. The rules of what goes together are
    /// Suricata's.
    pub fn modify(&mut self, name: &str, value: &[u8]) -> Result<(), SyntaxError> {
        if matches!(name, "nocase" | "startswith" | "endswith") && !value.is_empty() {
            return Err(wrong!("{name} takes no value"));
        }
        let twice = |given: bool| if given { Err(wrong!("{name} is given twice")) } else { Ok(()) };
        match name {
            "nocase" => {
                twice(self.nocase)?;
                self.nocase = true;
            }
            "endswith" => self.ends = true,
            "fast_pattern" => return self.fast_pattern(value),
            "distance" | "within" => {
                if self.is_absolute() {
                    return Err(wrong!("{name} does not go with offset, depth or startswith"));
                }
                self.refuse_fast(name)?;
                twice(if name == "distance" { self.distance } else { self.within }.is_some())?;
                let number = self.number(name, value, MAX_RELATIVE)?;
                if name == "distance" {
                    self.distance = Some(number.unwrap_or(0).max(-MAX_RELATIVE));
                } else {
                    if number.is_some_and(|number| number < self.bytes.len() as i32) {
                        return Err(wrong!("within is shorter than the content, so it never matches"));
                    }
                    self.within = Some(number.unwrap_or(MAX_RELATIVE));
                }
            }
            _ => {
                if self.is_relative() {
                    return Err(wrong!("{name} does not go with distance or within"));
                }
                self.refuse_fast(name)?;
                match name {
                    "offset" if self.starts => return Err(wrong!("offset does not go with startswith")),
                    "offset" => {
                        twice(self.offset.is_some())?;
                        self.offset = Some(self.number(name, value, u16::MAX)?.unwrap_or(0));
                    }
                    "depth" => {
                        twice(self.depth.is_some() || self.starts)?;
                        let depth = self.number(name, value, u16::MAX)?;
                        if depth.is_some_and(|depth| usize::from(depth) < self.bytes.len()) {
                            return Err(wrong!("depth is shorter than the content, so it never matches"));
                        }
                        self.depth = Some(depth.unwrap_or(u16::MAX));
                    }
                    _ => {
                        twice(self.depth.is_some() || self.starts)?;
                        if self.offset.is_some() {
                            return Err(wrong!("startswith does not go with offset"));
                        }
                        self.starts = true;
                    }
                }
            }
        }
        Ok(())
    }

    /// A modifier's number; `None` where it names a variable.
    fn number<T>(&mut self, name: &str, value: &[u8], max: T) -> Result<Option<T>, SyntaxError>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let text = text(name, value)?;
        if text.starts_with(|first: char| first.is_ascii_alphabetic()) {
            self.variable = true;
            return Ok(None);
        }
        bounded(name, text, max).map(Some)
    }

    fn refuse_fast(&self, name: &str) -> Result<(), SyntaxError> {
        match self.fast {
            Some(Fast::Only) => Err(wrong!("{name} does not go with fast_pattern:only")),
            Some(_) if self.negated => Err(wrong!("{name} does not go with a negated fast_pattern")),
            _ => Ok(()),
        }
    }

    fn fast_pattern(&mut self, value: &[u8]) -> Result<(), SyntaxError> {
        if self.fast.is_some() {
            return Err(wrong!("fast_pattern is given twice"));
        }
        let placed = self.is_relative() || self.is_absolute();
        if self.negated && placed {
            return Err(wrong!("fast_pattern does not go with a negated content that has a place"));
        }
        let fast = match value {
            b"" => Fast::Whole,
            b"only" if self.negated || placed => {
                return Err(wrong!("fast_pattern:only does not go with negation or a place"));
            }
            b"only" => Fast::Only,
            value => {
                let text = text("fast_pattern", value)?;
                let (offset, len) = text
                    .split_once(',')
                    .ok_or_else(|| wrong!("fast_pattern: '{text}' is neither only nor offset,length"))?;
                let offset: u16 = bounded("fast_pattern", offset.trim(), u16::MAX)?;
                let len: u16 = bounded("fast_pattern", len.trim(), u16::MAX)?;
                if usize::from(offset) + usize::from(len) > self.bytes.len() || len == 0 {
                    return Err(wrong!("fast_pattern: {offset},{len} is not a part of the content"));
                }
                Fast::Part(offset, len)
            }
        };
        self.fast = Some(fast);
        Ok(())
    }

    /// The part of the content that the prefilter may search for.
    pub fn fast_bytes(&self) -> &[u8] {
        match self.fast {
            Some(Fast::Part(offset, len)) => &self.bytes[usize::from(offset)..][..usize::from(len)],
            _ => &self.bytes,
        }
    }

    /// The content with its place.
    pub fn finish(&self) -> Content {
        let place = if self.is_relative() {
            Place::Relative { distance: self.distance.unwrap_or(0), within: self.within }
        } else if self.starts {
            Place::Absolute { offset: 0, end: Some(self.bytes.len() as u32) }
        } else {
            let offset = self.offset.unwrap_or(0);
            Place::Absolute { offset, end: self.depth.map(|depth| u32::from(offset) + u32::from(depth)) }
        };
        Content {
            needle: Needle::new(&self.bytes, self.nocase),
            negated: self.negated,
            place,
            at_end: self.ends,
            retry: self.retry,
            relative_next: self.relative_next,
        }
    }

    /// The content anywhere in the payload.
    pub fn finish_anywhere(&self) -> Content {
        Content {
            needle: Needle::new(&self.bytes, self.nocase),
            negated: self.negated,
            place: Place::ANYWHERE,
            at_end: false,
            retry: false,
            relative_next: false,
        }
    }
}
