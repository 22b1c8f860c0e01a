//! A rule while its options are being read.

use std::collections::BTreeSet;

use super::{
    contents::DraftContent,
    header::{Header, Interner, ProtocolName, Transport, protocol},
    options::{Foreign, classify},
};
use crate::{
    Action,
    bytes::{ByteJump, ByteTest, Parsed},
    keywords::Condition,
    pattern,
    payload::{Item, Place},
    syntax::{
        SyntaxError,
        number::{bounded, text},
        rule::{RuleOption, RuleParts, quoted},
        wrong,
    },
};

/// A rule that was read: whole, or but for what `unsupported` names.
#[derive(Debug)]
pub(crate) struct Draft {
    pub action: Action,
    pub header: Header,
    pub sid: u32,
    pub gid: u32,
    pub rev: u32,
    pub msg: Box<str>,
    /// Options, or `protocol x`, that are not evaluated exactly.
    pub unsupported: BTreeSet<String>,
    /// Whether contents alone could stand for the rule.
    pub never: bool,
    conditions: Vec<Condition>,
    items: Vec<DraftItem>,
}

#[derive(Debug)]
struct DraftItem {
    kind: Kind,
    /// In a buffer, not in the payload itself.
    buffered: bool,
    /// What it counts from is not known here.
    lost: bool,
}

#[derive(Debug)]
enum Kind {
    Content(DraftContent),
    Fixed(Item),
}

/// What the evaluator runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compiled {
    pub conditions: Box<[Condition]>,
    pub items: Box<[Item]>,
    /// Lower case; `None` where no content is long enough.
    pub pattern: Option<Box<[u8]>>,
    /// Whether it makes sense on a fragment of a datagram: nothing in it asks
    /// where in the payload something is, or that something is not there.
    pub on_fragments: bool,
}

/// Where contents go while options are read.
#[derive(Default)]
struct Reader {
    sid: Option<u32>,
    gid: Option<u32>,
    rev: Option<u32>,
    msg: Option<Box<str>>,
    unsupported: BTreeSet<String>,
    conditions: Vec<Condition>,
    items: Vec<DraftItem>,
    /// Inside a sticky buffer.
    sticky: bool,
    /// The cursor was moved by something that we do not evaluate.
    lost: bool,
}

impl Draft {
    /// Understands a rule.
    pub fn new(parts: &RuleParts<'_>, sets: &mut Interner<'_>) -> Result<Self, SyntaxError> {
        let mut reader = Reader::default();
        let action = match &*parts.action {
            "alert" => Action::Alert,
            "drop" => Action::Drop,
            "pass" => Action::Pass,
            "reject" | "rejectsrc" | "rejectdst" | "rejectboth" => Action::Reject,
            other => return Err(wrong!("'{other}' is no action; it is alert, drop, reject or pass")),
        };
        let (transport, never) = match protocol(&parts.protocol)? {
            ProtocolName::Exact(transport) => (transport, false),
            ProtocolName::Approximate(transport) => {
                reader.unsupported.insert(format!("protocol {}", parts.protocol));
                (transport, false)
            }
            ProtocolName::Never => {
                reader.unsupported.insert(format!("protocol {}", parts.protocol));
                (Transport::Any, true)
            }
        };
        let header = sets.header(parts, transport)?;
        for option in &parts.options {
            reader.option(option)?;
        }
        if transport != Transport::Any
            && reader.conditions.iter().any(|condition| matches!(condition, Condition::IpProtocol(_)))
        {
            return Err(wrong!("ip_proto needs a rule of protocol ip"));
        }
        if reader.items.iter().filter(|item| item.content().is_some_and(|c| c.fast.is_some())).count() > 1 {
            return Err(wrong!("fast_pattern is given for more than one content"));
        }
        Ok(Self {
            action,
            header,
            sid: reader.sid.ok_or_else(|| wrong!("no sid"))?,
            gid: reader.gid.unwrap_or(1),
            rev: reader.rev.unwrap_or(0),
            msg: reader.msg.unwrap_or_default(),
            unsupported: reader.unsupported,
            never,
            conditions: reader.conditions,
            items: reader.items,
        })
    }

    /// Whether any content must be there for the rule to match.
    pub fn has_positive_content(&self) -> bool {
        self.items.iter().filter_map(DraftItem::content).any(|content| !content.negated)
    }

    /// What the evaluator runs. Without anything unsupported that is the rule
    /// itself. Otherwise it is a weaker one: what stands in a buffer is sought
    /// anywhere in the payload, and what counts from an unknown place, or says
    /// that a buffer lacks something, is left out.
    pub fn compile(mut self) -> Compiled {
        link(&mut self.items);
        let (mut items, mut buffered) = (Vec::new(), Vec::new());
        for item in &self.items {
            match &item.kind {
                Kind::Content(content)
                    if item.buffered || content.variable || item.lost && content.is_relative() =>
                {
                    if !content.negated {
                        let target = if item.buffered { &mut buffered } else { &mut items };
                        let mut weak = content.finish_anywhere();
                        // Nothing relative may count from a content in a buffer.
                        if !item.buffered {
                            (weak.retry, weak.relative_next) = (content.retry, content.relative_next);
                        }
                        target.push(Item::Content(weak));
                    }
                }
                Kind::Content(content) => items.push(Item::Content(content.finish())),
                Kind::Fixed(_) if item.buffered || item.lost => {}
                Kind::Fixed(fixed) => items.push(fixed.clone()),
            }
        }
        items.extend(buffered);
        let on_fragments = items.iter().all(|item| {
            matches!(item, Item::Content(content) if !content.negated && !content.at_end
                && (content.place == Place::ANYWHERE || matches!(content.place, Place::Relative { .. })))
        }) && !matches!(
            items.first(),
            Some(Item::Content(content)) if content.place != Place::ANYWHERE
        );
        Compiled {
            conditions: self.conditions.into(),
            pattern: fast_pattern(&self.items),
            items: items.into(),
            on_fragments,
        }
    }
}

impl DraftItem {
    fn content(&self) -> Option<&DraftContent> {
        match &self.kind {
            Kind::Content(content) => Some(content),
            Kind::Fixed(_) => None,
        }
    }

    fn content_mut(&mut self) -> Option<&mut DraftContent> {
        match &mut self.kind {
            Kind::Content(content) => Some(content),
            Kind::Fixed(_) => None,
        }
    }

    fn is_relative(&self) -> bool {
        match &self.kind {
            Kind::Content(content) => content.is_relative(),
            Kind::Fixed(Item::IsDataAt { relative, .. }) => *relative,
            Kind::Fixed(Item::ByteTest(test)) => test.relative(),
            Kind::Fixed(Item::ByteJump(jump)) => jump.relative(),
            Kind::Fixed(Item::Content(_)) => false,
        }
    }
}

/// Marks the contents that a later relative keyword depends on, as Suricata
/// does: another occurrence helps unless only a `distance` of a positive
/// content follows, for which the first one is as good as any.
fn link(items: &mut [DraftItem]) {
    for at in 1..items.len() {
        let (before, rest) = items.split_at_mut(at);
        let item = &rest[0];
        if item.buffered || item.lost || !item.is_relative() {
            continue;
        }
        let mut payload = before.iter_mut().rev().filter(|item| !item.buffered);
        match &item.kind {
            Kind::Content(content) => {
                if let Some(previous) = payload.find_map(|item| item.content_mut()) {
                    previous.relative_next = true;
                    previous.retry |= content.negated || content.within.is_some();
                }
            }
            Kind::Fixed(_) => {
                if let Some(previous) = payload.next().and_then(|item| item.content_mut()) {
                    previous.relative_next = true;
                    previous.retry = true;
                }
            }
        }
    }
}

/// The content that `fast_pattern` names, else the longest, of equals the
/// first.
fn fast_pattern(items: &[DraftItem]) -> Option<Box<[u8]>> {
    let contents = || items.iter().filter_map(DraftItem::content).filter(|content| !content.negated);
    contents()
        .filter(|content| content.fast.is_some())
        .find_map(|content| pattern::window(content.fast_bytes()))
        .or_else(|| {
            contents()
                .reduce(|best, content| if content.bytes.len() > best.bytes.len() { content } else { best })
                .and_then(|content| pattern::window(&content.bytes))
        })
}

impl Reader {
    fn option(&mut self, option: &RuleOption<'_>) -> Result<(), SyntaxError> {
        let RuleOption { name, value } = option;
        if let Some(condition) = Condition::parse(name, value)? {
            self.conditions.push(condition);
            return Ok(());
        }
        match &**name {
            "sid" => once(&mut self.sid, name, bounded(name, text(name, value)?, u32::MAX)?)?,
            "gid" => once(&mut self.gid, name, bounded(name, text(name, value)?, u32::MAX)?)?,
            "rev" => once(&mut self.rev, name, bounded(name, text(name, value)?, u32::MAX)?)?,
            "msg" => once(&mut self.msg, name, message(quoted(name, value)?.1))?,
            "content" => {
                let content = DraftContent::new(name, value)?;
                self.push_content(content, self.sticky);
            }
            "uricontent" => {
                self.unsupported.insert(name.clone());
                let content = DraftContent::new(name, value)?;
                self.push_content(content, true);
            }
            "nocase" | "offset" | "depth" | "startswith" | "endswith" | "distance" | "within"
            | "fast_pattern" => self.modify(name, value)?,
            "isdataat" => self.is_data_at(value)?,
            "byte_test" => match ByteTest::parse(value)? {
                Parsed::Exact(test) => self.push_fixed(Item::ByteTest(test), test.relative()),
                Parsed::Unsupported => drop(self.unsupported.insert(name.clone())),
            },
            "byte_jump" => match ByteJump::parse(value)? {
                Parsed::Exact(jump) => {
                    self.push_fixed(Item::ByteJump(jump), jump.relative());
                    // Not relative, it sets the cursor.
                    self.lost &= jump.relative() || self.sticky;
                }
                Parsed::Unsupported => {
                    self.unsupported.insert(name.clone());
                    self.lost = true;
                }
            },
            "pkt_data" => self.sticky = false,
            _ => self.foreign(name, value)?,
        }
        Ok(())
    }

    /// Adds a content. Whether it is relative is known only after its
    /// modifiers; a positive one in the payload is a new place to count from.
    fn push_content(&mut self, content: DraftContent, buffered: bool) {
        let lost = self.lost;
        self.lost &= content.negated || buffered;
        self.items.push(DraftItem { kind: Kind::Content(content), buffered, lost });
    }

    /// Adds a keyword whose value says all; a relative one belongs where the
    /// keyword before it does.
    fn push_fixed(&mut self, item: Item, relative: bool) {
        let buffered = self.sticky || relative && self.items.last().is_some_and(|item| item.buffered);
        let lost = relative && self.lost;
        self.items.push(DraftItem { kind: Kind::Fixed(item), buffered, lost });
    }

    fn modify(&mut self, name: &str, value: &[u8]) -> Result<(), SyntaxError> {
        self.last_content(name)?.modify(name, value)
    }

    fn last_content(&mut self, name: &str) -> Result<&mut DraftContent, SyntaxError> {
        self.items
            .iter_mut()
            .rev()
            .find_map(DraftItem::content_mut)
            .ok_or_else(|| wrong!("{name} needs a content before it"))
    }

    fn is_data_at(&mut self, value: &[u8]) -> Result<(), SyntaxError> {
        let text = text("isdataat", value)?;
        let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let mut parts = text.split(',').map(str::trim);
        let at = parts.next().unwrap_or_default();
        let mut relative = false;
        for part in parts {
            match part {
                "relative" => relative = true,
                "rawbytes" => {}
                other => return Err(wrong!("isdataat: '{other}' is neither relative nor rawbytes")),
            }
        }
        if at.starts_with(|first: char| first.is_ascii_alphabetic()) {
            self.unsupported.insert("isdataat".into());
            return Ok(());
        }
        let at = bounded("isdataat", at, u16::MAX)?;
        if let (true, true, 1, Some(Kind::Content(content))) =
            (negated, relative, at, self.items.last_mut().map(|item| &mut item.kind))
        {
            content.ends = true;
            return Ok(());
        }
        self.push_fixed(Item::IsDataAt { at, relative, negated }, relative);
        Ok(())
    }

    fn foreign(&mut self, name: &str, value: &[u8]) -> Result<(), SyntaxError> {
        let class = classify(name, !value.is_empty());
        if class != Foreign::Meta {
            self.unsupported.insert(name.into());
        }
        match class {
            Foreign::Meta | Foreign::Elsewhere => {}
            Foreign::MovesCursor => self.lost = true,
            Foreign::StickyBuffer => self.sticky = true,
            Foreign::BufferModifier => {
                let at = self.items.iter().rposition(|item| item.content().is_some());
                let at = at.ok_or_else(|| wrong!("{name} needs a content before it"))?;
                // It is no place to count from after all.
                self.lost |= self.items[at].lost;
                self.items[at].buffered = true;
            }
        }
        Ok(())
    }
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), SyntaxError> {
    if slot.replace(value).is_some() { Err(wrong!("{name} is given twice")) } else { Ok(()) }
}

/// A message without its escapes.
fn message(value: &[u8]) -> Box<str> {
    let mut escaped = false;
    let plain: Vec<u8> = value
        .iter()
        .copied()
        .filter(|byte| {
            escaped = *byte == b'\\' && !escaped;
            !escaped
        })
        .collect();
    String::from_utf8_lossy(&plain).into()
}
