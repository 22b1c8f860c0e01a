//! Rule variables, and the address and port sets that name them.

use std::{collections::BTreeMap, net::Ipv4Addr, str::FromStr};

use hummingbird_packet::Prefix;

use crate::ranges::Ranges;

/// How deep lists and variables may nest.
const DEPTH: usize = 32;
/// How many members one set may have, those of its variables included: lists
/// that double at every level must not cost for ever.
const MEMBERS: usize = 100_000;

/// Suricata's variables and their defaults, as in its `suricata.yaml`.
const DEFAULTS: &[(&str, &str)] = &[
    ("HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"),
    ("EXTERNAL_NET", "!$HOME_NET"),
    ("HTTP_SERVERS", "$HOME_NET"),
    ("SMTP_SERVERS", "$HOME_NET"),
    ("SQL_SERVERS", "$HOME_NET"),
    ("DNS_SERVERS", "$HOME_NET"),
    ("TELNET_SERVERS", "$HOME_NET"),
    ("AIM_SERVERS", "$EXTERNAL_NET"),
    ("DC_SERVERS", "$HOME_NET"),
    ("DNP3_SERVER", "$HOME_NET"),
    ("DNP3_CLIENT", "$HOME_NET"),
    ("MODBUS_CLIENT", "$HOME_NET"),
    ("MODBUS_SERVER", "$HOME_NET"),
    ("ENIP_CLIENT", "$HOME_NET"),
    ("ENIP_SERVER", "$HOME_NET"),
    ("HTTP_PORTS", "80"),
    ("SHELLCODE_PORTS", "!80"),
    ("ORACLE_PORTS", "1521"),
    ("SSH_PORTS", "22"),
    ("DNP3_PORTS", "20000"),
    ("MODBUS_PORTS", "502"),
    ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
    ("FTP_PORTS", "21"),
    ("GENEVE_PORTS", "6081"),
    ("VXLAN_PORTS", "4789"),
    ("TEREDO_PORTS", "3544"),
];

/// The address and port variables that rules refer to as `$NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

/// Why a variable's value, or an address or port set in a rule, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// A name that no variable can have.
    #[error("'{0}' is no variable name: letters, digits and '_', not starting with a digit")]
    Name(String),
    /// A variable without a value.
    #[error("${0} is empty; give at least one address, port or variable, or 'any'")]
    Empty(String),
    /// A value that cannot be read.
    #[error("${name}: {reason}")]
    Value {
        /// The variable.
        name: String,
        /// What is wrong with its value.
        reason: SetError,
    },
}

/// Why an address or port set is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// A `$NAME` that is not set.
    #[error("the variable ${0} is not defined")]
    Undefined(String),
    /// A variable that refers to itself.
    #[error("the variable ${0} refers to itself")]
    Cycle(String),
    /// Brackets or commas that do not fit.
    #[error("'{0}' has a bracket or comma too many or too few")]
    List(String),
    /// More than a few dozen levels of lists and variables, or far too many
    /// members in them.
    #[error("lists and variables nest too deep or hold too many members")]
    TooLarge,
    /// Not an address, prefix or range.
    #[error("'{0}' is no IP address, prefix or range")]
    Address(String),
    /// Not a port or range of ports.
    #[error("'{0}' is no port or range of ports")]
    Port(String),
    /// Nothing is left after the negations.
    #[error("'{0}' leaves nothing to match")]
    Nothing(String),
}

impl Default for Variables {
    fn default() -> Self {
        Self(DEFAULTS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }
}

impl Variables {
    /// Sets a variable; `name` with or without its `$`. Each value is an
    /// address, prefix, range, port, `any`, a list in brackets or another
    /// variable, any of them negated by `!`; several values are a list.
    /// A variable that a value names may be set later: [`crate::load`] checks.
    ///
    /// # Errors
    /// A bad name or value, or a variable that would refer to itself; nothing
    /// is changed then.
    pub fn set(&mut self, name: &str, values: &[String]) -> Result<(), VariableError> {
        let name = name.strip_prefix('$').unwrap_or(name);
        if !is_name(name) {
            return Err(VariableError::Name(name.into()));
        }
        let value = match values {
            [] => return Err(VariableError::Empty(name.into())),
            [one] => one.clone(),
            several => format!("[{}]", several.join(",")),
        };
        if value.trim().is_empty() {
            return Err(VariableError::Empty(name.into()));
        }
        let before = self.0.insert(name.into(), value);
        match self.judge(name) {
            Ok(()) | Err(SetError::Undefined(_)) => Ok(()),
            Err(reason) => {
                match before {
                    Some(value) => self.0.insert(name.into(), value),
                    None => self.0.remove(name),
                };
                Err(VariableError::Value { name: name.into(), reason })
            }
        }
    }

    /// Checks that every variable can be resolved.
    pub(crate) fn check(&self) -> Result<(), VariableError> {
        self.0.keys().try_for_each(|name| {
            self.judge(name).map_err(|reason| VariableError::Value { name: name.clone(), reason })
        })
    }

    /// A variable is good if it reads as a port set, where its name says so,
    /// or else as an address set or a port set.
    fn judge(&self, name: &str) -> Result<(), SetError> {
        let reference = format!("${name}");
        let ports = || self.ports(&reference).map(drop);
        if name.ends_with("PORTS") || name.ends_with("PORT") {
            return ports();
        }
        match self.addresses(&reference) {
            Err(SetError::Address(text)) => ports().map_err(|_| SetError::Address(text)),
            other => other.map(drop),
        }
    }

    /// The set of IPv4 addresses that a rule's header names.
    pub(crate) fn addresses(&self, text: &str) -> Result<Ranges, SetError> {
        self.set_of(&Kind { max: u32::MAX, item: address }, text)
    }

    /// The set of ports that a rule's header names.
    pub(crate) fn ports(&self, text: &str) -> Result<Ranges, SetError> {
        self.set_of(&Kind { max: 65535, item: port }, text)
    }

    fn set_of(&self, kind: &Kind, text: &str) -> Result<Ranges, SetError> {
        let set = self.resolve(kind, text, &mut Walk::default())?;
        // IPv6 alone is a set without IPv4 addresses, which is no mistake.
        if set.is_none() && !(kind.max == u32::MAX && text.contains(':')) {
            return Err(SetError::Nothing(text.into()));
        }
        Ok(set)
    }

    /// A list's set: its plain members (all, if there are none), less its
    /// negated ones.
    fn resolve<'a>(&'a self, kind: &Kind, text: &'a str, walk: &mut Walk<'a>) -> Result<Ranges, SetError> {
        walk.depth += 1;
        if walk.depth > DEPTH {
            return Err(SetError::TooLarge);
        }
        let (mut plain, mut negated) = (Vec::new(), Vec::new());
        for member in members(text)? {
            walk.members += 1;
            if walk.members > MEMBERS {
                return Err(SetError::TooLarge);
            }
            let (negate, member) = match member.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, member),
            };
            let set = if let Some(inner) = member.strip_prefix('[') {
                let inner = inner.strip_suffix(']').ok_or_else(|| SetError::List(text.into()))?;
                self.resolve(kind, inner, walk)?
            } else if let Some(name) = member.strip_prefix('$') {
                let (name, value) =
                    self.0.get_key_value(name).ok_or_else(|| SetError::Undefined(name.into()))?;
                if walk.open.contains(&name.as_str()) {
                    return Err(SetError::Cycle(name.clone()));
                }
                walk.open.push(name);
                let set = self.resolve(kind, value, walk)?;
                walk.open.pop();
                set
            } else if member.eq_ignore_ascii_case("any") {
                Ranges::of(0, kind.max)
            } else {
                (kind.item)(member)?
            };
            if negate { negated.push(set) } else { plain.push(set) }
        }
        walk.depth -= 1;
        let base = if plain.is_empty() { Ranges::of(0, kind.max) } else { Ranges::union(&plain) };
        Ok(if negated.is_empty() { base } else { base.minus(&Ranges::union(&negated), kind.max) })
    }
}

/// Where a resolution stands.
#[derive(Default)]
struct Walk<'a> {
    /// The variables being resolved, outermost first.
    open: Vec<&'a str>,
    depth: usize,
    members: usize,
}

/// What differs between addresses and ports.
struct Kind {
    max: u32,
    item: fn(&str) -> Result<Ranges, SetError>,
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Splits at the commas outside brackets.
fn members(text: &str) -> Result<Vec<&str>, SetError> {
    let wrong = || SetError::List(text.into());
    let (mut members, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.checked_sub(1).ok_or_else(wrong)?,
            b',' if depth == 0 => {
                members.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(text[start..].trim());
    if depth != 0 || members.iter().any(|member| member.is_empty()) { Err(wrong()) } else { Ok(members) }
}

fn address(text: &str) -> Result<Ranges, SetError> {
    let wrong = || SetError::Address(text.into());
    if text.contains(':') {
        let host = text.split(['/', '-']).next().unwrap_or_default();
        return std::net::Ipv6Addr::from_str(host).map(|_| Ranges::none()).map_err(|_| wrong());
    }
    let ip = |text: &str| text.trim().parse::<Ipv4Addr>().map_err(|_| wrong());
    if let Some((network, mask)) = text.split_once('/') {
        let len = if mask.contains('.') {
            let mask = u32::from(ip(mask)?);
            if mask.leading_ones() + mask.trailing_zeros() < 32 {
                return Err(wrong());
            }
            mask.leading_ones() as u8
        } else {
            mask.parse().ok().filter(|len| *len <= 32).ok_or_else(wrong)?
        };
        let prefix = Prefix::of(ip(network)?, len);
        let first = u32::from(prefix.address());
        return Ok(Ranges::of(first, first | !prefix.mask()));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (u32::from(ip(first)?), u32::from(ip(last)?));
    if first <= last { Ok(Ranges::of(first, last)) } else { Err(wrong()) }
}

fn port(text: &str) -> Result<Ranges, SetError> {
    let wrong = || SetError::Port(text.into());
    let number = |text: &str, default: u16| match text.trim() {
        "" => Ok(default),
        text => text.parse::<u16>().map_err(|_| wrong()),
    };
    let (first, last) = match text.split_once(':') {
        Some((first, last)) => (number(first, 0)?, number(last, u16::MAX)?),
        None => {
            let port = text.parse().map_err(|_| wrong())?;
            (port, port)
        }
    };
    if first <= last { Ok(Ranges::of(first.into(), last.into())) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str, address: [u8; 4]) -> bool {
        Variables::default().addresses(text).unwrap().contains(u32::from_be_bytes(address))
    }

    #[test]
    fn lists_negation_and_variables_combine() {
        assert!(addresses("$HOME_NET", [10, 1, 2, 3]) && !addresses("$HOME_NET", [8, 8, 8, 8]));
        assert!(addresses("$EXTERNAL_NET", [8, 8, 8, 8]) && !addresses("$EXTERNAL_NET", [10, 1, 2, 3]));
        assert!(addresses("![10.0.0.0/8,!10.1.0.0/16]", [10, 1, 0, 1]));
        assert!(!addresses("[10.0.0.0/8, !10.1.0.0/16]", [10, 1, 0, 1]));
        assert!(addresses("[10.0.0.0/255.0.0.0,1.1.1.1-1.1.1.9]", [1, 1, 1, 9]));
        let ports = |text: &str, port| Variables::default().ports(text).unwrap().contains(port);
        assert!(ports("[80,1024:,!8080]", 65535) && !ports("[80,1024:,!8080]", 8080));
        assert!(ports(":1023", 0) && !ports("!$HTTP_PORTS", 80) && ports("$FILE_DATA_PORTS", 143));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let variables = Variables::default();
        assert_eq!(variables.addresses("$NOPE").unwrap_err(), SetError::Undefined("NOPE".into()));
        assert_eq!(variables.addresses("[10.0.0.0/8").unwrap_err(), SetError::List("[10.0.0.0/8".into()));
        assert_eq!(variables.addresses("!any").unwrap_err(), SetError::Nothing("!any".into()));
        assert_eq!(variables.addresses("10.0.0.0/33").unwrap_err(), SetError::Address("10.0.0.0/33".into()));
        assert_eq!(variables.ports("90:80").unwrap_err(), SetError::Port("90:80".into()));
        assert_eq!(variables.ports("80,,81").unwrap_err(), SetError::List("80,,81".into()));
        assert_eq!(
            variables.ports(&format!("{}80{}", "[".repeat(99), "]".repeat(99))).unwrap_err(),
            SetError::TooLarge
        );
        assert!(variables.addresses("2001:db8::/32").unwrap().is_none());
    }

    #[test]
    fn setting_is_checked_and_atomic() {
        let mut variables = Variables::default();
        variables.set("$HOME_NET", &["192.0.2.0/24".into(), "$LAB".into()]).unwrap();
        assert_eq!(
            variables.check().unwrap_err().to_string(),
            "$AIM_SERVERS: the variable $LAB is not defined"
        );
        variables.set("LAB", &["198.51.100.7".into()]).unwrap();
        variables.check().unwrap();
        assert!(variables.addresses("$HTTP_SERVERS").unwrap().contains(0xc633_6407));
        let before = variables.clone();
        let cycle = variables.set("LAB", &["$HOME_NET".into()]).unwrap_err();
        assert!(cycle.to_string().ends_with("refers to itself"), "{cycle}");
        assert!(matches!(variables.set("HTTP_PORTS", &["x".into()]), Err(VariableError::Value { .. })));
        assert!(matches!(variables.set("A B", &["any".into()]), Err(VariableError::Name(_))));
        assert!(matches!(variables.set("LAB", &[]), Err(VariableError::Empty(_))));
        assert_eq!(variables, before);
        for level in 0..30 {
            let below = format!("$V{}", level + 1);
            variables.set(&format!("V{level}"), &[below.clone(), below]).unwrap();
        }
        variables.set("V30", &["any".into()]).unwrap();
        assert!(matches!(
            variables.check().unwrap_err(),
            VariableError::Value { reason: SetError::TooLarge, .. }
        ));
    }
}
