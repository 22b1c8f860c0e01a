//! Matches of classes and selectors of SAs.

use hummingbird_packet::{Prefix, Protocol};

use super::names::Names;
use crate::{
    api::{IntOrText, Match, Selector},
    tables::{self, PortRange},
    violation::Report,
};

/// A class's match. A condition that is wrong is a violation and left out.
pub(super) fn of_match(found: &Match, names: &Names<'_>, field: &str, report: &mut Report) -> tables::Match {
    let port = found.port.as_ref().and_then(|name| names.port(name, &format!("{field}.port"), report));
    tables::Match { port, ..of_selector(&found.selector(), field, report) }
}

/// An SA's selector, likewise.
pub(super) fn of_selector(selector: &Selector, field: &str, report: &mut Report) -> tables::Match {
    let mut prefix = |name: &str, text: &Option<String>| {
        let text = text.as_ref()?;
        prefix(text).map_err(|reason| report.violate(format!("{field}.{name}"), reason)).ok()
    };
    let source = prefix("source", &selector.source);
    let destination = prefix("destination", &selector.destination);
    let protocol = selector.protocol.as_ref().and_then(|word| {
        protocol(word).map_err(|reason| report.violate(format!("{field}.protocol"), reason)).ok()
    });
    let mut ports = |name: &str, range: &Option<IntOrText>| {
        let range = range.as_ref()?;
        let field = format!("{field}.{name}");
        if let Some(protocol) = protocol.filter(|known| ![Protocol::TCP, Protocol::UDP].contains(known)) {
            let reason = format!("has no meaning for protocol {protocol}, which has no ports; leave it out");
            report.violate(field.as_str(), reason);
        }
        port_range(range).map_err(|reason| report.violate(field, reason)).ok()
    };
    let source_ports = ports("sourcePorts", &selector.source_ports);
    let destination_ports = ports("destinationPorts", &selector.destination_ports);
    tables::Match { port: None, source, destination, protocol, source_ports, destination_ports }
}

fn prefix(text: &str) -> Result<Prefix, String> {
    text.parse().map_err(|error| format!("is no prefix: {error}"))
}

fn protocol(word: &IntOrText) -> Result<Protocol, String> {
    let text = word.to_string();
    match text.to_ascii_uppercase().as_str() {
        "TCP" => Ok(Protocol::TCP),
        "UDP" => Ok(Protocol::UDP),
        "ICMP" => Ok(Protocol::ICMP),
        "ESP" => Ok(Protocol::ESP),
        number => number.parse().map(Protocol).map_err(|_| {
            format!("'{text}' is no protocol; write TCP, UDP, ICMP, ESP or a number from 0 to 255")
        }),
    }
}

fn port_range(range: &IntOrText) -> Result<PortRange, String> {
    let text = range.to_string();
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(PortRange { first, last }),
        (Ok(first), Ok(last)) => Err(format!("{first}-{last} ends before it begins; write {last}-{first}")),
        _ => Err(format!("'{text}' is no range of ports; write 53 or 4000-4999, each from 0 to 65535")),
    }
}
