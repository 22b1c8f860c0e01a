//! Security associations and their keys.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::Arc,
};

use super::{Builder, condition, names};
use crate::{
    api::{Direction, Ipsec, SaMode, SecurityAssociation},
    bundle::Data,
    tables::{self, EspMode, SaKeys, Work},
    violation::Report,
};

impl Builder<'_> {
    pub(super) fn ipsec(&mut self, ipsec: &Ipsec, field: &str) -> Work {
        let mut first = HashMap::new();
        let mut associations = Vec::new();
        for (at, sa) in ipsec.security_associations.iter().enumerate() {
            let field = format!("{field}.securityAssociations[{at}]");
            if let Some(before) = first.insert(sa.name.as_str(), at) {
                let reason = format!("'{}' is the name of securityAssociations[{before}] already", sa.name);
                self.report.violate(format!("{field}.name"), reason);
            } else if !names::is_name(&sa.name) {
                let reason = format!("'{}' is no name; use letters, digits, '-', '_' and '.'", sa.name);
                self.report.violate(format!("{field}.name"), reason);
            }
            associations.push(self.association(ipsec.direction, sa, &field));
        }
        let associations = Arc::new(associations);
        match ipsec.direction {
            Direction::Encrypt => {
                warn_shadowed(&associations, field, &mut self.report);
                Work::Encrypt(associations)
            }
            Direction::Decrypt => Work::Decrypt(associations),
        }
    }

    fn association(
        &mut self,
        direction: Direction,
        sa: &SecurityAssociation,
        field: &str,
    ) -> tables::SecurityAssociation {
        let mode = mode(sa, field, &mut self.report);
        let replay_window = match direction {
            Direction::Decrypt => sa.replay_window().unsigned_abs(),
            Direction::Encrypt => 0,
        };
        if direction == Direction::Encrypt && sa.replay_window.is_some() {
            let reason = "is for direction: Decrypt; a sender has no replay window, remove it";
            self.report.violate(format!("{field}.replayWindow"), reason);
        }
        if direction == Direction::Decrypt && sa.selector.is_none() {
            let reason = "is missing: any inner packet is let through; say which addresses the peer may use";
            self.report.warn(format!("{field}.selector"), reason);
        }
        let selector = sa.selector.clone().unwrap_or_default();
        let selector = condition::of_selector(&selector, &format!("{field}.selector"), &mut self.report);
        let keys = self.keys(sa, &format!("{field}.keysFrom.secretRef"));
        let spi = u32::try_from(sa.spi).unwrap_or(0);
        tables::SecurityAssociation {
            name: sa.name.clone(),
            spi,
            mode,
            esn: sa.esn,
            keys,
            selector,
            replay_window,
        }
    }

    fn keys(&mut self, sa: &SecurityAssociation, field: &str) -> SaKeys {
        let secret = &sa.keys_from.secret_ref.name;
        let report = &mut self.report;
        let (mut cipher, mut integrity) = ([0; 16], [0; 20]);
        match self.bundle.secret(secret) {
            Ok(content) => {
                let mut key = |name, into: &mut [u8]| {
                    let result = key(content, name, into);
                    if let Err(reason) = result {
                        report.violate(field, format!("key {name} of Secret {secret} {reason}"));
                    }
                };
                key("cipherKey", &mut cipher);
                key("integrityKey", &mut integrity);
            }
            Err(reason) => report.violate(field, reason),
        }
        SaKeys { cipher, integrity }
    }

    /// SPI and outer destination must name one SA of a direction, over all its
    /// functions. Whoever receives in transport mode goes by the SPI alone.
    pub(super) fn check_spis(&mut self) {
        let mut seen: HashMap<(Direction, i64), Vec<Named<'_>>> = HashMap::new();
        for (function, block) in self.spec.functions.iter().enumerate() {
            let Some(ipsec) = &block.ipsec else { continue };
            let direction = ipsec.direction;
            for (at, sa) in ipsec.security_associations.iter().enumerate() {
                let field = format!("spec.functions[{function}].ipsec.securityAssociations[{at}]");
                let destination = sa.tunnel.as_ref().map(|tunnel| tunnel.destination.as_str());
                let same = |other: Option<&str>| {
                    other == destination
                        || direction == Direction::Decrypt && (other.is_none() || destination.is_none())
                };
                let others = seen.entry((direction, sa.spi)).or_default();
                if let Some((_, before)) = others.iter().find(|(other, _)| same(*other)) {
                    let reason = format!(
                        "{} with {} is {before} already, and {direction:?} could not tell them apart; use another SPI",
                        sa.spi,
                        destination.map_or("no tunnel".into(), |to| format!("tunnel destination {to}")),
                    );
                    self.report.violate(format!("{field}.spi"), reason);
                }
                others.push((destination, field));
            }
        }
    }
}

/// A tunnel's destination and the SA's field.
type Named<'a> = (Option<&'a str>, String);

fn mode(sa: &SecurityAssociation, field: &str, report: &mut Report) -> EspMode {
    match (sa.mode, &sa.tunnel) {
        (SaMode::Transport, None) => EspMode::Transport,
        (SaMode::Transport, Some(_)) => {
            let reason = "is for mode: Tunnel; Transport keeps the packet's own addresses, remove it";
            report.violate(format!("{field}.tunnel"), reason);
            EspMode::Transport
        }
        (SaMode::Tunnel, None) => {
            report.violate(format!("{field}.tunnel"), "is missing; mode Tunnel needs source and destination");
            EspMode::Transport
        }
        (SaMode::Tunnel, Some(tunnel)) => {
            let mut address = |name: &str, text: &str| {
                text.parse().unwrap_or_else(|_| {
                    let reason = format!("'{text}' is no IPv4 address; write 192.0.2.1");
                    report.violate(format!("{field}.tunnel.{name}"), reason);
                    Ipv4Addr::UNSPECIFIED
                })
            };
            EspMode::Tunnel {
                source: address("source", &tunnel.source),
                destination: address("destination", &tunnel.destination),
            }
        }
    }
}

/// An SA behind one that takes every packet is never used.
fn warn_shadowed(associations: &[tables::SecurityAssociation], field: &str, report: &mut Report) {
    let all = associations.iter().position(|sa| sa.selector == tables::Match::default());
    for (at, sa) in associations.iter().enumerate().skip(all.map_or(usize::MAX, |at| at + 1)) {
        let reason =
            format!("{} is never used: an SA before it has no selector and takes every packet", sa.name);
        report.warn(format!("{field}.securityAssociations[{at}]"), reason);
    }
}

/// Copies a key, or says why it does not fit. Never says what it is.
fn key(content: &BTreeMap<String, Data>, name: &str, into: &mut [u8]) -> Result<(), String> {
    let Some(Data(bytes)) = content.get(name) else { return Err("is missing; add it".into()) };
    if bytes.len() == into.len() {
        into.copy_from_slice(bytes);
        return Ok(());
    }
    let text = bytes.trim_ascii_end();
    let hint = if text.len() == 2 * into.len() && text.iter().all(u8::is_ascii_hexdigit) {
        "; it looks like hex: store the bytes themselves, in base64 under data"
    } else if text.len() == into.len() {
        "; it ends in a line break: remove that"
    } else {
        ""
    };
    Err(format!("has {} bytes; it must have {}{hint}", bytes.len(), into.len()))
}
