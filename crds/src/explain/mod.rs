//! What would happen to a packet, from the tables alone.

mod display;
mod esp;
mod lpm;
mod step;

use hummingbird_esp::{OwnedFrame, PacketBuffer};
use hummingbird_packet::{Frame, Ipv4Header, parse};
use hummingbird_rules::{Packet, RuleIndex, RuleSet, Scratch};

use crate::{
    DropReason,
    tables::{ClassId, Egress, Hop, Next, NfId, NonIpv4, OnMatch, PortId, Route, Tables, Work, has_ports},
};
use lpm::Lpm;
use step::mac;
pub use step::{Explanation, Flow, Outcome, RuleHit, Step};

/// Explains packets by one table set.
pub struct Explainer<'a> {
    tables: &'a Tables,
    /// By function: a Router's routes.
    routers: Vec<Option<Lpm>>,
}

impl<'a> Explainer<'a> {
    /// Prepares the routes for look-ups.
    #[must_use]
    pub fn new(tables: &'a Tables) -> Self {
        let router = |work: &Work| match work {
            Work::Router(routes) => Some(Lpm::new(routes)),
            _ => None,
        };
        Self { tables, routers: tables.functions.iter().map(|function| router(&function.work)).collect() }
    }

    /// What would happen to `frame` if it came in by `port` (an index of
    /// [`Tables::ports`]; the first port stands in for one that is none).
    #[must_use]
    pub fn explain(&self, port: PortId, frame: &[u8]) -> Explanation {
        let port = if port.index() < self.tables.ports.len() { port } else { PortId(0) };
        let mut walk = Walk {
            tables: self.tables,
            routers: &self.routers,
            ingress: port,
            frame: OwnedFrame::new(frame),
            class: None,
            flow: None,
            path: Vec::new(),
            steps: Vec::new(),
            at: None,
        };
        let outcome = walk.run(frame).unwrap_or_else(|reason| Outcome::Dropped {
            reason,
            function: walk.at.map(|nf| self.tables.functions[nf.index()].name.clone()),
        });
        Explanation {
            port: self.tables.ports.get(port.index()).map(|port| port.name.clone()).unwrap_or_default(),
            bytes: frame.len(),
            flow: walk.flow,
            class: walk.class,
            path: walk.path,
            steps: walk.steps,
            outcome,
        }
    }
}

/// One packet on its way.
struct Walk<'a> {
    tables: &'a Tables,
    routers: &'a [Option<Lpm>],
    ingress: PortId,
    frame: OwnedFrame,
    class: Option<String>,
    flow: Option<Flow>,
    path: Vec<String>,
    steps: Vec<Step>,
    /// The function that has the packet.
    at: Option<NfId>,
}

impl Walk<'_> {
    fn run(&mut self, received: &[u8]) -> Result<Outcome, DropReason> {
        let tables = self.tables;
        let port = tables.ports.get(self.ingress.index()).ok_or(DropReason::Unclassified)?;
        if received.len() > port.max_frame() {
            return Err(DropReason::FrameTooLong);
        }
        let header = match parse(received)? {
            Frame::Ipv4(header) => header,
            Frame::Other(ethertype) => return self.other(ethertype),
        };
        self.flow = Some(Flow::of(&header));
        let ports = has_ports(&header);
        let class = tables.classifier.classify(self.ingress, &header.tuple, ports);
        let class = class.ok_or(DropReason::Unclassified)?;
        self.class = Some(tables.classes[class.index()].name.clone());
        self.enter(class);
        self.follow(class)
    }

    /// A frame that is no IPv4.
    fn other(&mut self, ethertype: u16) -> Result<Outcome, DropReason> {
        self.steps.push(Step::NoIpv4 { ether_type: format!("{ethertype:#06x}") });
        match self.tables.non_ipv4 {
            NonIpv4::Drop => Err(DropReason::NonIpv4),
            NonIpv4::Forward => Ok(self.sent(self.opposite())),
        }
    }

    fn follow(&mut self, mut class: ClassId) -> Result<Outcome, DropReason> {
        let tables = self.tables;
        let mut hop = Hop::Rx;
        let mut routed = None;
        while let Next::Nf(nf) = tables.route_table.next(class, hop) {
            self.at = Some(nf);
            hop = Hop::Nf(nf);
            let function = &tables.functions[nf.index()];
            self.path.push(function.name.clone());
            let matched = match &function.work {
                Work::Encrypt(associations) => {
                    let header = self.header()?;
                    let sa = esp::encrypt(associations, &mut self.frame, &header)?;
                    self.encapsulated(&function.name, &sa.name, sa.spi);
                    false
                }
                Work::Decrypt(associations) => {
                    let header = self.header()?;
                    let (sa, result) = esp::decrypt(associations, &mut self.frame, &header);
                    if let Some(sa) = sa {
                        self.decapsulated(&function.name, &sa.name, sa.spi, result.is_ok());
                    }
                    result?;
                    false
                }
                Work::Nids(nids) => self.inspect(&function.name, &nids.rules, nids.on_match)?,
                Work::Router(_) => {
                    routed = Some(self.route(nf, &function.name)?);
                    false
                }
            };
            if let Some(to) = tables.route_table.transition(nf).filter(|_| matched) {
                let from = tables.classes[class.index()].name.clone();
                let to_name = tables.classes[to.index()].name.clone();
                self.steps.push(Step::Moved { function: function.name.clone(), from, class: to_name });
                self.enter(to);
                (class, hop) = (to, Hop::Rx);
            }
        }
        self.leave(class, routed)
    }

    fn enter(&mut self, class: ClassId) {
        let class = &self.tables.classes[class.index()];
        let path = class.path.iter().map(|nf| self.tables.functions[nf.index()].name.clone());
        self.steps.push(Step::Entered { class: class.name.clone(), path: path.collect() });
    }

    /// The headers as they are now.
    fn header(&self) -> Result<Ipv4Header, DropReason> {
        match parse(self.frame.bytes())? {
            Frame::Ipv4(header) => Ok(header),
            Frame::Other(_) => Err(DropReason::NonIpv4),
        }
    }

    fn encapsulated(&mut self, function: &str, sa: &str, spi: u32) {
        let (function, sa) = (function.to_owned(), sa.to_owned());
        self.steps.push(Step::Encrypted { function, sa, spi, bytes: self.frame.bytes().len() });
    }

    fn decapsulated(&mut self, function: &str, sa: &str, spi: u32, sound: bool) {
        let inner = if sound { self.header().ok().map(|header| Flow::of(&header)) } else { None };
        self.steps.push(Step::Decrypted { function: function.to_owned(), sa: sa.to_owned(), spi, inner });
    }

    /// Tries all rules; says whether the packet matched one that may move it.
    fn inspect(&mut self, function: &str, rules: &RuleSet, on_match: OnMatch) -> Result<bool, DropReason> {
        let header = self.header()?;
        let packet = Packet::new(self.frame.bytes(), &header);
        // Patterns only say which rules to try: all are tried.
        let hits: Vec<u32> = (0..).take(rules.patterns().len()).collect();
        let mut found: Vec<RuleIndex> = Vec::new();
        rules.evaluate(&packet, &hits, &mut Scratch::new(rules), &mut found);
        let found = found.iter().map(|index| &rules.rules()[index.index()]);
        let hits: Vec<_> = found.map(RuleHit::of).collect();
        let matched = hits.iter().any(|hit| !hit.approximate);
        self.steps.push(Step::Inspected { function: function.to_owned(), rules: hits, matched });
        match on_match {
            OnMatch::Drop if matched => Err(DropReason::NidsDrop),
            _ => Ok(matched),
        }
    }

    fn route(&mut self, nf: NfId, function: &str) -> Result<Route, DropReason> {
        let header = self.header()?;
        let route = self.routers[nf.index()].as_ref().and_then(|lpm| lpm.look_up(header.tuple.destination));
        let route = *route.ok_or(DropReason::NoRoute)?;
        self.steps.push(Step::Routed {
            function: function.to_owned(),
            prefix: route.prefix.to_string(),
            port: self.tables.ports[route.port.index()].name.clone(),
            next_hop_mac: mac(&route.next_hop),
            ttl: header.ttl,
        });
        if header.ttl <= 1 {
            return Err(DropReason::TtlExpired);
        }
        self.frame.bytes_mut()[..6].copy_from_slice(&route.next_hop);
        Ok(route)
    }

    fn leave(&mut self, class: ClassId, routed: Option<Route>) -> Result<Outcome, DropReason> {
        self.at = None;
        let port = match (self.tables.classes[class.index()].egress, routed) {
            (Egress::Port(port), _) => port,
            (_, Some(route)) => route.port,
            _ => self.opposite(),
        };
        let header = self.header()?;
        if header.total_len > self.tables.ports[port.index()].mtu {
            return Err(DropReason::MtuExceeded);
        }
        Ok(self.sent(port))
    }

    /// The other port of two, the same of one.
    fn opposite(&self) -> PortId {
        match self.tables.ports.len() {
            2 => PortId(1 - self.ingress.0),
            _ => self.ingress,
        }
    }

    fn sent(&self, port: PortId) -> Outcome {
        let bytes = self.frame.bytes();
        Outcome::Sent {
            port: self.tables.ports[port.index()].name.clone(),
            destination_mac: bytes.first_chunk().map(mac).unwrap_or_default(),
            bytes: bytes.len(),
        }
    }
}
