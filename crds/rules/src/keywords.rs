//! Keywords that ask for a field of the packet's headers, or its size.

use hummingbird_packet::Protocol;

use crate::{
    Packet,
    packet::Layer4,
    syntax::{
        SyntaxError,
        number::{Number, bounded, text},
        wrong,
    },
};

/// One condition on the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    PayloadSize(Number),
    Ttl(Number),
    Tos { value: u8, negated: bool },
    IpId(u16),
    IpProtocol(Number),
    IpOption(IpOption),
    FragmentFlags(Flags),
    FragmentOffset(Number),
    SameAddress,
    IcmpType(Number),
    IcmpCode(Number),
    IcmpId(u16),
    IcmpSequence(u16),
    TcpFlags(Flags),
    TcpSequence(u32),
    TcpAcknowledgment(u32),
    TcpWindow { value: u16, negated: bool },
}

/// How a set of flag bits is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    mode: FlagsMode,
    bits: u8,
    /// Bits that count at all.
    mask: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlagsMode {
    Exactly,
    AllOf,
    /// All, and at least one more: what `+` means for `fragbits`.
    AllAndMore,
    AnyOf,
    NotAllOf,
}

/// Which IPv4 option is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpOption {
    Any,
    Type(u8),
}

impl Condition {
    /// Reads the keyword `name`; `None` if it is not one of these.
    pub fn parse(name: &str, value: &[u8]) -> Result<Option<Self>, SyntaxError> {
        let number = |max| Number::parse(name, value, max);
        Ok(Some(match name {
            "dsize" => Self::PayloadSize(number(65535)?),
            "ttl" => Self::Ttl(number(255)?),
            "itype" => Self::IcmpType(number(255)?),
            "icode" => Self::IcmpCode(number(255)?),
            "tos" => tos(name, value)?,
            "id" => Self::IpId(bounded(name, unquoted(text(name, value)?), u16::MAX)?),
            "icmp_id" => Self::IcmpId(bounded(name, unquoted(text(name, value)?), u16::MAX)?),
            "icmp_seq" => Self::IcmpSequence(bounded(name, unquoted(text(name, value)?), u16::MAX)?),
            "seq" | "tcp.seq" => Self::TcpSequence(bounded(name, text(name, value)?, u32::MAX)?),
            "ack" | "tcp.ack" => Self::TcpAcknowledgment(bounded(name, text(name, value)?, u32::MAX)?),
            "window" | "tcp.window" => {
                let (negated, value) = negation(text(name, value)?);
                Self::TcpWindow { value: bounded(name, value, u16::MAX)?, negated }
            }
            "flags" | "tcp.flags" => Self::TcpFlags(tcp_flags(name, text(name, value)?)?),
            "fragbits" => Self::FragmentFlags(fragment_flags(name, text(name, value)?)?),
            "fragoffset" => Self::FragmentOffset(number(65535)?),
            "ip_proto" => Self::IpProtocol(ip_protocol(name, text(name, value)?)?),
            "ipopts" => Self::IpOption(ip_option(name, text(name, value)?)?),
            "sameip" if value.is_empty() => Self::SameAddress,
            "sameip" => return Err(wrong!("sameip takes no value")),
            _ => return Ok(None),
        }))
    }

    /// Whether the packet is as the condition asks. A condition on a header
    /// that the packet does not have never holds.
    pub fn holds(&self, packet: &Packet<'_>) -> bool {
        let ip = &packet.ip;
        match (*self, packet.layer4) {
            (Self::PayloadSize(size), _) => {
                // "Not n bytes" asks for a payload in Suricata: none is no size.
                let some = !packet.payload.is_empty() || !matches!(size, Number::IsNot(_));
                !packet.fragment && some && size.holds(packet.payload.len() as u32)
            }
            (Self::Ttl(number), _) => number.holds(ip.ttl.into()),
            (Self::Tos { value, negated }, _) => (ip.tos == value) != negated,
            (Self::IpId(id), _) => ip.id == id,
            (Self::IpProtocol(number), _) => number.holds(packet.tuple.protocol.0.into()),
            (Self::IpOption(option), _) => option.is_in(ip.options),
            (Self::FragmentFlags(flags), _) => flags.hold(ip.flags),
            (Self::FragmentOffset(number), _) => number.holds(ip.fragment_offset.into()),
            (Self::SameAddress, _) => packet.tuple.source == packet.tuple.destination,
            (Self::IcmpType(number), Layer4::Icmp { kind, .. }) => number.holds(kind.into()),
            (Self::IcmpCode(number), Layer4::Icmp { code, .. }) => number.holds(code.into()),
            (Self::IcmpId(wanted), Layer4::Icmp { kind, id, .. }) => has_id(kind) && id == wanted,
            (Self::IcmpSequence(wanted), Layer4::Icmp { kind, sequence, .. }) => {
                has_id(kind) && sequence == wanted
            }
            (Self::TcpFlags(wanted), Layer4::Tcp { flags, .. }) => wanted.hold(flags),
            (Self::TcpSequence(wanted), Layer4::Tcp { sequence, .. }) => sequence == wanted,
            (Self::TcpAcknowledgment(wanted), Layer4::Tcp { acknowledgment, .. }) => acknowledgment == wanted,
            (Self::TcpWindow { value, negated }, Layer4::Tcp { window, .. }) => (window == value) != negated,
            _ => false,
        }
    }
}

impl Flags {
    fn hold(&self, value: u8) -> bool {
        // No flags asked for: none may be set, mask or not; "not none": any.
        if self.bits == 0 && value != 0 {
            return self.mode == FlagsMode::NotAllOf;
        }
        let value = value & self.mask;
        let common = value & self.bits;
        match self.mode {
            FlagsMode::Exactly => value == self.bits,
            FlagsMode::AllOf => common == self.bits,
            FlagsMode::AllAndMore => common == self.bits && value != self.bits,
            FlagsMode::AnyOf => common != 0,
            FlagsMode::NotAllOf => common != self.bits,
        }
    }
}

impl IpOption {
    /// Walks the options (RFC 791 section 3.1) as far as they are sound.
    fn is_in(self, options: &[u8]) -> bool {
        let mut rest = options;
        while let [kind, after @ ..] = rest {
            if self == Self::Any || self == Self::Type(*kind) {
                return true;
            }
            rest = match (*kind, after) {
                (0, _) => return false,
                (1, after) => after,
                (_, [len, ..]) if *len >= 2 => rest.get(usize::from(*len)..).unwrap_or_default(),
                _ => return false,
            };
        }
        false
    }
}

/// The ICMP types with identifier and sequence number: echo, timestamp,
/// information and address mask, request and reply.
fn has_id(kind: u8) -> bool {
    matches!(kind, 0 | 8 | 13..=18)
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}

fn negation(text: &str) -> (bool, &str) {
    text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim_start()))
}

fn tos(name: &str, value: &[u8]) -> Result<Condition, SyntaxError> {
    let (negated, text) = negation(unquoted(text(name, value)?));
    let value = match text.strip_prefix(['x', 'X']) {
        Some(hex) => {
            u8::from_str_radix(hex, 16).map_err(|_| wrong!("{name}: '{text}' is no byte in hexadecimal"))?
        }
        None => bounded(name, text, u8::MAX)?,
    };
    Ok(Condition::Tos { value, negated })
}

fn tcp_flags(name: &str, text: &str) -> Result<Flags, SyntaxError> {
    let bit = |letter| match letter {
        'F' => Some(1),
        'S' => Some(2),
        'R' => Some(4),
        'P' => Some(8),
        'A' => Some(0x10),
        'U' => Some(0x20),
        'E' | '2' => Some(0x40),
        'C' | '1' => Some(0x80),
        _ => None,
    };
    let (wanted, ignored) = text.split_once(',').map_or((text, ""), |(wanted, rest)| (wanted, rest.trim()));
    let (mut flags, mut seen) = (Flags { mode: FlagsMode::Exactly, bits: 0, mask: 0xff }, false);
    for letter in wanted.chars().filter(|letter| !letter.is_whitespace()) {
        let mode = match letter {
            '!' => FlagsMode::NotAllOf,
            '+' => FlagsMode::AllOf,
            '*' => FlagsMode::AnyOf,
            '0' => {
                (flags.bits, seen) = (0, true);
                continue;
            }
            letter => {
                flags.bits |= bit(letter).ok_or_else(|| wrong!("{name}: '{letter}' is no TCP flag"))?;
                seen = true;
                continue;
            }
        };
        if flags.mode != FlagsMode::Exactly {
            return Err(wrong!("{name}: only one of ! + * may be given"));
        }
        flags.mode = mode;
    }
    if !seen {
        return Err(wrong!("{name}: '{text}' names no flag"));
    }
    for letter in ignored.chars() {
        flags.mask &= !bit(letter).ok_or_else(|| wrong!("{name}: '{letter}' is no TCP flag"))?;
    }
    Ok(flags)
}

fn fragment_flags(name: &str, text: &str) -> Result<Flags, SyntaxError> {
    let (mode, letters) = match text.as_bytes() {
        [b'!', ..] => (FlagsMode::NotAllOf, &text[1..]),
        [b'+', ..] => (FlagsMode::AllAndMore, &text[1..]),
        [b'*', ..] => (FlagsMode::AnyOf, &text[1..]),
        _ => (FlagsMode::Exactly, text),
    };
    let mut bits = 0;
    for letter in letters.trim().chars() {
        bits |= match letter {
            'M' => 1,
            'D' => 2,
            'R' => 4,
            _ => return Err(wrong!("{name}: '{letter}' is none of the flags M, D and R")),
        };
    }
    if bits == 0 { Err(wrong!("{name}: '{text}' names no flag")) } else { Ok(Flags { mode, bits, mask: 7 }) }
}

fn ip_protocol(name: &str, text: &str) -> Result<Number, SyntaxError> {
    let (sign, protocol) = match text.as_bytes() {
        [b'!' | b'<' | b'>', ..] => text.split_at(1),
        _ => ("", text),
    };
    let protocol = protocol.trim();
    let number = match &*protocol.to_ascii_lowercase() {
        "icmp" => Protocol::ICMP.0,
        "igmp" => 2,
        "ipv4" | "ipencap" | "ip-encap" => Protocol::IPIP.0,
        "tcp" => Protocol::TCP.0,
        "udp" => Protocol::UDP.0,
        "ipv6" => 41,
        "gre" => 47,
        "esp" => Protocol::ESP.0,
        "ah" => 51,
        "ospf" => 89,
        "pim" => 103,
        "vrrp" => 112,
        "l2tp" => 115,
        "sctp" => 132,
        _ => bounded(name, protocol, u8::MAX)?,
    };
    let number = number.into();
    Ok(match sign {
        "!" => Number::IsNot(number),
        "<" => Number::Below(number),
        ">" => Number::Above(number),
        _ => Number::Is(number),
    })
}

fn ip_option(name: &str, text: &str) -> Result<IpOption, SyntaxError> {
    Ok(match text {
        "any" => IpOption::Any,
        "eol" => IpOption::Type(0),
        "nop" => IpOption::Type(1),
        "rr" => IpOption::Type(7),
        "ts" => IpOption::Type(68),
        "sec" => IpOption::Type(130),
        "lsrr" => IpOption::Type(131),
        "esec" => IpOption::Type(133),
        "satid" => IpOption::Type(136),
        "ssrr" => IpOption::Type(137),
        _ => return Err(wrong!("{name}: '{text}' is no IP option")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Flags {
        tcp_flags("flags", text).unwrap()
    }

    #[test]
    fn tcp_flags_compare_as_documented() {
        let (syn, ack, fin) = (2, 16, 1);
        assert!(flags("S").hold(syn) && !flags("S").hold(syn | ack));
        assert!(flags("+S").hold(syn | ack) && flags("S+").hold(syn | ack));
        assert!(flags("*SF").hold(fin | ack) && !flags("*SF").hold(ack));
        assert!(flags("!S").hold(ack) && !flags("!S").hold(syn));
        assert!(flags("S,12").hold(syn | 0xc0) && !flags("S,12").hold(syn | ack));
        assert!(flags("0").hold(0) && !flags("0").hold(ack));
        assert!(tcp_flags("flags", "+!S").is_err() && tcp_flags("flags", "+").is_err());
        assert!(tcp_flags("flags", "SX").is_err());
    }

    #[test]
    fn fragment_flags_compare_as_documented() {
        let flags = |text: &str| fragment_flags("fragbits", text).unwrap();
        assert!(flags("M").hold(1) && !flags("M").hold(3));
        assert!(flags("+D").hold(3) && !flags("+D").hold(2));
        assert!(flags("*MD").hold(2) && !flags("*MD").hold(4));
        assert!(flags("!D").hold(1) && !flags("!D").hold(2) && flags("!D").hold(0));
        assert!(fragment_flags("fragbits", "X").is_err() && fragment_flags("fragbits", "!").is_err());
    }

    #[test]
    fn ip_options_are_walked_and_broken_ones_end_the_walk() {
        assert!(IpOption::Type(7).is_in(&[1, 7, 3, 4, 0]));
        assert!(!IpOption::Type(9).is_in(&[7, 3, 9, 0, 9]));
        assert!(!IpOption::Type(9).is_in(&[7, 1, 9]) && !IpOption::Type(9).is_in(&[7]));
        assert!(IpOption::Any.is_in(&[1]) && !IpOption::Any.is_in(&[]));
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for (name, value) in [
            ("ttl", "256"),
            ("tos", "xfff"),
            ("id", "65536"),
            ("icmp_id", "x"),
            ("seq", "-1"),
            ("window", "!"),
            ("ip_proto", "nope"),
            ("ipopts", "x"),
            ("sameip", "x"),
            ("dsize", ""),
        ] {
            assert!(Condition::parse(name, value.as_bytes()).is_err(), "{name}:{value}");
        }
        assert_eq!(Condition::parse("flow", b"x").unwrap(), None);
    }
}
