//! A look at YAML before it is read: how deep its brackets nest.
//!
//! The time of a YAML reader grows with the square of that depth, and no
//! manifest nests deeper than a dozen levels. Brackets in quotes, comments and
//! block scalars are text and do not count; that the scanner knows less of
//! YAML than a reader does no harm below the limit.

/// Documents that nest deeper are refused.
pub(super) const MAX_DEPTH: usize = 256;

/// Whether the brackets of a document nest deeper than [`MAX_DEPTH`].
pub(super) fn is_too_deep(text: &str) -> bool {
    let mut scan = Scan { depth: 0, quote: None, escaped: false };
    let mut block = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if block.is_some_and(|owner| indent > owner || line.trim().is_empty()) {
            continue;
        }
        scan.line(line.as_bytes());
        if scan.depth > MAX_DEPTH {
            return true;
        }
        let begins = scan.quote.is_none() && scan.depth == 0 && begins_block(line);
        block = begins.then(|| owner(line, indent));
    }
    false
}

/// Whether a line ends in the header of a block scalar: `|`, `>-`, `|2+`.
fn begins_block(line: &str) -> bool {
    let last = line.split_whitespace().next_back().unwrap_or_default();
    last.strip_prefix(['|', '>']).is_some_and(|rest| {
        rest.len() <= 2 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'+')
    })
}

/// The column that the lines of a block scalar stand right of: that of its
/// key, or of its dash.
fn owner(line: &str, indent: usize) -> usize {
    let content = line.trim_start_matches([' ', '-', '?']);
    if content.starts_with(['|', '>']) { indent } else { line.len() - content.len() }
}

struct Scan {
    depth: usize,
    quote: Option<u8>,
    escaped: bool,
}

impl Scan {
    fn line(&mut self, line: &[u8]) {
        let mut before = b'\n';
        let mut previous = b' ';
        for byte in line.iter().copied() {
            match self.quote {
                Some(quote) => self.quoted(byte, quote),
                None if byte == b'#' && previous.is_ascii_whitespace() => return,
                None => self.plain(byte, before, previous),
            }
            if !byte.is_ascii_whitespace() {
                before = byte;
            }
            previous = byte;
            if self.depth > MAX_DEPTH {
                return;
            }
        }
    }

    fn quoted(&mut self, byte: u8, quote: u8) {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' && quote == b'"' {
            self.escaped = true;
        } else if byte == quote {
            self.quote = None;
        }
    }

    fn plain(&mut self, byte: u8, before: u8, previous: u8) {
        match byte {
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            // A quote inside a word is an apostrophe; two single ones in a
            // quoted text are one.
            b'"' | b'\'' if b"\n:-,[{?".contains(&before) || previous == b'\'' => self.quote = Some(byte),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_where_they_are_syntax() {
        assert!(is_too_deep(&"[".repeat(MAX_DEPTH + 1)));
        assert!(is_too_deep(&"{a: ".repeat(MAX_DEPTH + 1)));
        assert!(is_too_deep(&"- [\n".repeat(MAX_DEPTH + 1)));
        assert!(!is_too_deep(&"a: [{}]\n".repeat(10 * MAX_DEPTH)));
    }

    #[test]
    fn brackets_in_text_do_not_count() {
        let many = "[".repeat(2 * MAX_DEPTH);
        for text in [
            format!("a: \"it's \\\" {many}\"\n"),
            format!("a: 'it''s {many}'\n"),
            format!("a: 1 # {many}\n"),
            format!("a: |\n  {many}\n\n  {many}\nb: 1\n"),
            format!("data:\n  a.rules: |-\n    {many}\n  b: don't\n"),
            format!("- >\n  {many}\n"),
        ] {
            assert!(!is_too_deep(&text), "{text}");
        }
    }
}
