//! The rules of a file: comments left out, continued lines joined.

use std::borrow::Cow;

/// One rule's text and the line (from 1) that it starts on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RuleText<'a> {
    pub line: usize,
    pub text: Cow<'a, [u8]>,
}

/// Splits a rule file. Empty lines and lines that start with `#` or `;` are
/// left out; a line that ends in a backslash goes on in the next one.
pub(crate) fn rules(file: &[u8]) -> Vec<RuleText<'_>> {
    let mut rules = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' || line[0] == b';' {
            continue;
        }
        let (part, goes_on) = match line.strip_suffix(b"\\") {
            Some(part) => (part, true),
            None => (line, false),
        };
        match (open.take(), goes_on) {
            (None, false) => rules.push(RuleText { line: index + 1, text: Cow::Borrowed(part) }),
            (None, true) => open = Some((index + 1, part.to_vec())),
            (Some((start, mut text)), goes_on) => {
                text.extend_from_slice(part);
                if goes_on {
                    open = Some((start, text));
                } else {
                    rules.push(RuleText { line: start, text: Cow::Owned(text) });
                }
            }
        }
    }
    rules.extend(open.map(|(line, text)| RuleText { line, text: Cow::Owned(text) }));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_continued_lines_join() {
        let file = b"# no\r\n\r\nalert a \\\r\n# inside\n  (b; \\\n c;)\r\n  drop d\n;no\nlast \\";
        let found: Vec<(usize, Vec<u8>)> =
            rules(file).into_iter().map(|rule| (rule.line, rule.text.into_owned())).collect();
        assert_eq!(
            found,
            [(3, b"alert a (b; c;)".to_vec()), (7, b"drop d".to_vec()), (9, b"last ".to_vec())]
        );
    }
}
