//! A rule's text as header and options.

use super::{SyntaxError, wrong};

/// The parts of a rule, not yet understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RuleParts<'a> {
    pub action: String,
    pub protocol: String,
    pub source: &'a str,
    pub source_ports: &'a str,
    pub both_ways: bool,
    pub destination: &'a str,
    pub destination_ports: &'a str,
    pub options: Vec<RuleOption<'a>>,
}

/// One option: `name;` or `name:value;`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RuleOption<'a> {
    /// Lower case.
    pub name: String,
    /// Without blanks around it; empty where there is none.
    pub value: &'a [u8],
}

/// Takes a rule apart.
pub(crate) fn split(text: &[u8]) -> Result<RuleParts<'_>, SyntaxError> {
    let (mut rest, options) = match text.iter().position(|byte| *byte == b'(') {
        Some(at) => text.split_at(at),
        None => return Err(wrong!("no options in parentheses")),
    };
    let mut next = |what: &str| {
        let (token, after) = token(rest);
        rest = after;
        match std::str::from_utf8(token) {
            Ok("") => Err(wrong!("the {what} is missing")),
            Ok(token) => Ok(token),
            Err(_) => Err(wrong!("the {what} is not text")),
        }
    };
    let action = next("action")?.to_ascii_lowercase();
    let protocol = next("protocol")?.to_ascii_lowercase();
    let source = next("source address")?;
    let source_ports = next("source port")?;
    let both_ways = match next("direction")? {
        "->" => false,
        "<>" => true,
        other => return Err(wrong!("'{other}' is no direction; it is -> or <>")),
    };
    let destination = next("destination address")?;
    let destination_ports = next("destination port")?;
    if let Ok(extra) = next("end") {
        return Err(wrong!("'{extra}' follows the destination port; a list with blanks needs brackets"));
    }
    let options = options
        .trim_ascii()
        .strip_prefix(b"(")
        .and_then(|options| options.strip_suffix(b")"))
        .ok_or_else(|| wrong!("the options do not end with ')'"))?;
    Ok(RuleParts {
        action,
        protocol,
        source,
        source_ports,
        both_ways,
        destination,
        destination_ports,
        options: split_options(options)?,
    })
}

/// The next token: up to a blank outside brackets.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let mut depth = 0usize;
    let end = text.iter().position(|byte| {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && byte.is_ascii_whitespace()
    });
    text.split_at(end.unwrap_or(text.len()))
}

/// Options end with a semicolon that no backslash stands before. Quotes do
/// not protect one, as in Suricata.
fn split_options(mut text: &[u8]) -> Result<Vec<RuleOption<'_>>, SyntaxError> {
    let mut options = Vec::new();
    loop {
        text = text.trim_ascii_start();
        if text.is_empty() {
            return Ok(options);
        }
        let end = (0..text.len())
            .find(|at| text[*at] == b';' && (*at == 0 || text[*at - 1] != b'\\'))
            .ok_or_else(|| wrong!("no ';' after the last option"))?;
        let (option, rest) = text.split_at(end);
        text = &rest[1..];
        let (name, value) = match option.iter().position(|byte| *byte == b':') {
            Some(at) => (&option[..at], option[at + 1..].trim_ascii()),
            None => (option, &[][..]),
        };
        let name = name.trim_ascii();
        if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b)) {
            return Err(wrong!("'{}' is no option name", String::from_utf8_lossy(name)));
        }
        options.push(RuleOption { name: String::from_utf8_lossy(name).to_ascii_lowercase(), value });
    }
}

/// Takes the quotes off a value that must have them, and a `!` before them.
pub(crate) fn quoted<'a>(name: &str, value: &'a [u8]) -> Result<(bool, &'a [u8]), SyntaxError> {
    let (negated, value) = match value.strip_prefix(b"!") {
        Some(rest) => (true, rest.trim_ascii_start()),
        None => (false, value),
    };
    match value {
        [b'"', inner @ .., b'"'] if !inner.is_empty() => Ok((negated, inner)),
        _ => Err(wrong!("the value of {name} is empty or not in double quotes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_rule_apart() {
        let rule = split(
            br#"Alert TCP [10.0.0.0/8, !10.1.0.0/16] any <> $EXTERNAL_NET 80 ( msg:"a\;b"; nocase ;x: 1 , 2;)"#,
        )
        .unwrap();
        assert_eq!((&*rule.action, &*rule.protocol, rule.both_ways), ("alert", "tcp", true));
        assert_eq!(rule.source, "[10.0.0.0/8, !10.1.0.0/16]");
        assert_eq!(rule.destination_ports, "80");
        let options: Vec<(&str, &[u8])> = rule.options.iter().map(|o| (&*o.name, o.value)).collect();
        assert_eq!(options, [("msg", &br#""a\;b""#[..]), ("nocase", b""), ("x", b"1 , 2")]);
    }

    #[test]
    fn says_what_is_missing() {
        let error = |text: &str| split(text.as_bytes()).unwrap_err().0;
        assert_eq!(error("alert tcp any any -> any any"), "no options in parentheses");
        assert_eq!(error("alert tcp any any -> any (sid:1;)"), "the destination port is missing");
        assert_eq!(error("alert tcp any any => any any (sid:1;)"), "'=>' is no direction; it is -> or <>");
        assert_eq!(error("alert tcp any any -> any any (sid:1)"), "no ';' after the last option");
        assert_eq!(error("alert tcp any any -> any any (sid:1;"), "the options do not end with ')'");
        assert_eq!(
            error("alert tcp any any -> any 1, 2 (sid:1;)").split(';').next().unwrap(),
            "'2' follows the destination port"
        );
        assert_eq!(error("alert tcp any any -> any any (a b:1;)"), "'a b' is no option name");
    }
}
