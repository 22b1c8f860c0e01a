//! A rule's header: protocol, addresses, ports, direction.

use std::{collections::HashMap, net::Ipv4Addr};

use hummingbird_packet::{FiveTuple, Protocol};

use crate::{
    Variables,
    ranges::Ranges,
    syntax::{SyntaxError, rule::RuleParts, wrong},
};

/// The protocols that a rule applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    Any,
    Only(Protocol),
    TcpOrUdp,
}

impl Transport {
    pub fn includes(self, protocol: Protocol) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => protocol == only,
            Self::TcpOrUdp => matches!(protocol, Protocol::TCP | Protocol::UDP),
        }
    }
}

/// A set of addresses or ports in the [`Interner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SetId(u32);

/// What a rule's header asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Header {
    pub transport: Transport,
    source: End,
    destination: End,
    both_ways: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct End {
    addresses: SetId,
    /// `None` for `any`.
    ports: Option<SetId>,
}

impl Header {
    /// Whether the header fits a packet.
    pub fn holds(&self, sets: &[Ranges], tuple: &FiveTuple, fragment: bool) -> bool {
        let has_ports = !fragment && matches!(tuple.protocol, Protocol::TCP | Protocol::UDP);
        let end = |end: &End, address: Ipv4Addr, port: u16| {
            end.ports.is_none_or(|set| has_ports && sets[set.0 as usize].contains(port.into()))
                && sets[end.addresses.0 as usize].contains(address.into())
        };
        let forth = || {
            end(&self.source, tuple.source, tuple.source_port)
                && end(&self.destination, tuple.destination, tuple.destination_port)
        };
        let back = || {
            end(&self.source, tuple.destination, tuple.destination_port)
                && end(&self.destination, tuple.source, tuple.source_port)
        };
        self.transport.includes(tuple.protocol) && (forth() || self.both_ways && back())
    }
}

/// Every set once: thousands of rules share `$HOME_NET`.
pub(crate) struct Interner<'a> {
    variables: &'a Variables,
    sets: Vec<Ranges>,
    by_set: HashMap<Ranges, SetId>,
    by_text: HashMap<(Kind, String), SetId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Addresses,
    Ports,
}

impl<'a> Interner<'a> {
    pub fn new(variables: &'a Variables) -> Self {
        Self { variables, sets: Vec::new(), by_set: HashMap::new(), by_text: HashMap::new() }
    }

    /// The sets, by [`SetId`].
    pub fn into_sets(self) -> Box<[Ranges]> {
        self.sets.into()
    }

    fn set(&mut self, kind: Kind, text: &str) -> Result<SetId, SyntaxError> {
        let key = (kind, text.to_owned());
        if let Some(id) = self.by_text.get(&key) {
            return Ok(*id);
        }
        let set = match kind {
            Kind::Addresses => self.variables.addresses(text),
            Kind::Ports => self.variables.ports(text),
        }
        .map_err(|error| wrong!("{error}"))?;
        let id = *self.by_set.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            SetId(self.sets.len() as u32 - 1)
        });
        self.by_text.insert(key, id);
        Ok(id)
    }

    fn end(&mut self, addresses: &str, ports: &str) -> Result<End, SyntaxError> {
        Ok(End {
            addresses: self.set(Kind::Addresses, addresses)?,
            ports: if ports.eq_ignore_ascii_case("any") { None } else { Some(self.set(Kind::Ports, ports)?) },
        })
    }

    pub fn header(&mut self, parts: &RuleParts<'_>, transport: Transport) -> Result<Header, SyntaxError> {
        Ok(Header {
            transport,
            source: self.end(parts.source, parts.source_ports)?,
            destination: self.end(parts.destination, parts.destination_ports)?,
            both_ways: parts.both_ways,
        })
    }
}

/// How well a rule's protocol can be evaluated on single packets.
pub(crate) enum ProtocolName {
    Exact(Transport),
    /// Needs a parser of the application's protocol, or a stream; the
    /// transport is what can be told without.
    Approximate(Transport),
    /// Never on IPv4 with the ports that we read.
    Never,
}

/// Reads the protocol of a rule.
pub(crate) fn protocol(name: &str) -> Result<ProtocolName, SyntaxError> {
    use ProtocolName::{Approximate, Exact, Never};
    let (tcp, udp) = (Transport::Only(Protocol::TCP), Transport::Only(Protocol::UDP));
    Ok(match name {
        "ip" | "ip4" | "ipv4" => Exact(Transport::Any),
        "tcp" | "tcp-pkt" => Exact(tcp),
        "udp" => Exact(udp),
        "icmp" | "icmpv4" => Exact(Transport::Only(Protocol::ICMP)),
        "pkthdr" => Approximate(Transport::Any),
        "tcp-stream" | "http" | "http1" | "http2" | "tls" | "ssl" | "ssh" | "smtp" | "ftp" | "ftp-data"
        | "imap" | "pop3" | "smb" | "smb2" | "modbus" | "dnp3" | "rdp" | "mqtt" | "rfb" | "telnet"
        | "pgsql" | "websocket" | "ldap" | "msn" | "jabber" | "irc" => Approximate(tcp),
        "dhcp" | "tftp" | "snmp" | "ike" | "quic" | "bittorrent-dht" | "ntp" => Approximate(udp),
        "dns" | "nfs" | "krb5" | "sip" | "enip" | "dcerpc" => Approximate(Transport::TcpOrUdp),
        "ip6" | "ipv6" | "icmpv6" | "sctp" => Never,
        other => return Err(wrong!("'{other}' is no protocol of a rule")),
    })
}
