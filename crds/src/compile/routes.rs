//! Routes, from the manifest or from CSV.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use hummingbird_packet::Prefix;

use super::{Builder, names};
use crate::{
    api::Router,
    bundle::Text,
    tables::{PortId, Route, Work},
    violation::Report,
};

/// The first line of a CSV of routes.
const HEADER: &str = "prefix,port,nextHopMac";
/// Mistakes of one Router that are reported one by one.
const MAX_REPORTED: usize = 20;

impl Builder<'_> {
    pub(super) fn router(&mut self, router: &Router, field: &str) -> Work {
        let mut reader = Reader::new(self.names.ports());
        match (&router.routes, &router.routes_from) {
            (Some(routes), None) => {
                for (at, route) in routes.iter().enumerate() {
                    reader.add(Place::Field(at), [&route.prefix, &route.port, &route.next_hop_mac]);
                }
                reader.report(&format!("{field}.routes"), &mut self.report);
            }
            (None, Some(from)) => {
                let field = format!("{field}.routesFrom");
                match self.bundle.texts(from) {
                    Ok(texts) => {
                        for text in &texts {
                            reader.read(text);
                        }
                        reader.report(&field, &mut self.report);
                    }
                    Err(reason) => self.report.violate(field, reason),
                }
            }
            (both, _) => {
                let found = if both.is_some() { "both" } else { "neither" };
                self.report
                    .violate(field, format!("has {found} of routes and routesFrom; it needs exactly one"));
            }
        }
        Work::Router(Arc::new(reader.routes))
    }
}

/// Where a route is written.
#[derive(Clone, Copy)]
enum Place {
    /// In the manifest: its index.
    Field(usize),
    /// In a text: the text's index, and the line from 1.
    Line(usize, usize),
}

/// Routes as they are read.
struct Reader<'a> {
    ports: &'a HashMap<&'a str, PortId>,
    texts: Vec<String>,
    routes: Vec<Route>,
    places: HashMap<Prefix, Place>,
    mistakes: Vec<(Place, &'static str, String)>,
    more_mistakes: usize,
}

impl<'a> Reader<'a> {
    fn new(ports: &'a HashMap<&'a str, PortId>) -> Self {
        let (texts, routes, places, mistakes) = Default::default();
        Self { ports, texts, routes, places, mistakes, more_mistakes: 0 }
    }

    /// Reads a CSV: the header, then a route a line. Blank lines and lines
    /// that begin with `#` are skipped.
    fn read(&mut self, (name, bytes): &Text<'_>) {
        let text = self.texts.len();
        self.texts.push(name.clone());
        let rows = (1..)
            .zip(bytes.split(|byte| *byte == b'\n'))
            .map(|(line, row)| (Place::Line(text, line), row.trim_ascii()));
        let mut rows = rows.filter(|(_, row)| !row.is_empty() && !row.starts_with(b"#"));
        match rows.next() {
            Some((_, row)) if row == HEADER.as_bytes() => {}
            Some((place, row)) => {
                let found = String::from_utf8_lossy(row).into_owned();
                self.mistake(place, "", format!("is '{found}'; the first line must be {HEADER}"));
            }
            None => {
                self.mistake(Place::Line(text, 1), "", format!("is empty; the first line must be {HEADER}"))
            }
        }
        for (place, row) in rows {
            let row = String::from_utf8_lossy(row);
            let mut cells = row.split(',').map(str::trim);
            match (cells.next(), cells.next(), cells.next(), cells.next()) {
                (Some(prefix), Some(port), Some(mac), None) => self.add(place, [prefix, port, mac]),
                _ => self.mistake(place, "", format!("is '{row}'; a line has three cells: {HEADER}")),
            }
        }
    }

    fn add(&mut self, place: Place, [prefix, port, mac]: [&str; 3]) {
        let parsed = prefix.parse::<Prefix>();
        if let Err(error) = &parsed {
            self.mistake(place, "prefix", format!("is no prefix: {error}"));
        }
        let port_id = self.ports.get(port).copied();
        if port_id.is_none() {
            let known = names::known(self.ports.keys().copied());
            self.mistake(place, "port", format!("'{port}' is no port of the chain; {known}"));
        }
        let next_hop = parse_mac(mac);
        if next_hop.is_none() {
            self.mistake(place, "nextHopMac", format!("'{mac}' is no MAC address; write 02:00:00:00:00:01"));
        }
        let (Ok(prefix), Some(port), Some(next_hop)) = (parsed, port_id, next_hop) else { return };
        match self.places.entry(prefix) {
            Entry::Vacant(free) => {
                free.insert(place);
                self.routes.push(Route { prefix, port, next_hop });
            }
            Entry::Occupied(taken) => {
                let taken = *taken.get();
                let before = self.describe(taken);
                self.mistake(place, "prefix", format!("{prefix} has a route already, {before}; leave one"));
            }
        }
    }

    fn mistake(&mut self, place: Place, cell: &'static str, reason: String) {
        if self.mistakes.len() < MAX_REPORTED {
            self.mistakes.push((place, cell, reason));
        } else {
            self.more_mistakes += 1;
        }
    }

    fn describe(&self, place: Place) -> String {
        match place {
            Place::Field(at) => format!("at index {at}"),
            Place::Line(text, line) => format!("{} line {line}", self.texts[text]),
        }
    }

    fn report(&mut self, field: &str, report: &mut Report) {
        if self.routes.is_empty() && self.mistakes.is_empty() {
            report.warn(field, "holds no route: every packet is dropped as no_route");
        }
        for (place, cell, reason) in std::mem::take(&mut self.mistakes) {
            match place {
                Place::Field(at) => report.violate(format!("{field}[{at}].{cell}"), reason),
                Place::Line(..) if cell.is_empty() => {
                    report.violate(field, format!("{} {reason}", self.describe(place)))
                }
                Place::Line(..) => {
                    report.violate(field, format!("{}: {cell} {reason}", self.describe(place)))
                }
            }
        }
        if self.more_mistakes > 0 {
            report.violate(field, format!("has {} mistakes more, likewise", self.more_mistakes));
        }
    }
}

/// Six pairs of hex digits with colons between them.
pub(super) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}
