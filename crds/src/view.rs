//! Tables as people and programs read them.

use std::fmt;

use serde::Serialize;

use crate::tables::{
    Class, Compute, Egress, EspMode, Function, Hop, Match, Next, NonIpv4, OnMatch, PortBinding,
    SecurityAssociation, Tables, Work,
};

/// A summary of [`Tables`]: everything but keys, and of routes and rules the number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TablesView {
    /// Generation number.
    pub generation: u64,
    /// The chain's `namespace/name`.
    pub chain: String,
    /// Ports.
    pub ports: Vec<PortRow>,
    /// The classifier, in order.
    pub classifier: Vec<ClassifierRow>,
    /// The class of what no row takes; `None` drops it.
    pub default_class: Option<String>,
    /// What happens to frames that are no IPv4.
    pub non_ipv4: &'static str,
    /// Classes.
    pub classes: Vec<ClassRow>,
    /// The route table (paper, section IV-A2).
    pub route_table: Vec<RouteRow>,
    /// The NF forwarding table (paper, section IV-A3).
    pub forwarding_table: Vec<ForwardingRow>,
    /// Longest wait of a packet for its row to fill, microseconds.
    pub max_row_delay_microseconds: u32,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortRow {
    /// Its name.
    pub name: String,
    /// What the manifest binds it to.
    pub binding: String,
    /// Largest IPv4 packet, bytes.
    pub mtu: u16,
}

/// A row of the classifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassifierRow {
    /// The conditions, `port=lan destination=10.0.0.0/8`; `any` if there is none.
    #[serde(rename = "match")]
    pub condition: String,
    /// The class.
    pub class: String,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassRow {
    /// Its name.
    pub name: String,
    /// Its functions.
    pub path: Vec<String>,
    /// A port's name, `(route)` by the Router's table, `(opposite)` by the other port of two.
    pub egress: String,
}

/// A row of the route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteRow {
    /// The class.
    pub packet_type: String,
    /// The function that the packet comes from, or `rx`.
    pub current_nf: String,
    /// The function that it goes to, or `tx`.
    pub next_nf: String,
    /// The verdict that makes it go there; `None` for the plain path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
}

/// A row of the NF forwarding table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardingRow {
    /// The function.
    pub nf: String,
    /// `IPsec`, `NIDS` or `Router`.
    #[serde(rename = "type")]
    pub type_: &'static str,
    /// `CPU` or `GPU`.
    pub compute: &'static str,
    /// CPU: instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u16>,
    /// GPU: first and last workgroup of the static partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workgroups: Option<[u16; 2]>,
    /// Number of its RX queue.
    pub rx_queue: u16,
    /// Its data.
    pub data: FunctionData,
}

/// A function's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FunctionData {
    /// IPsec, outbound.
    Encrypt(Vec<SaRow>),
    /// IPsec, inbound.
    Decrypt(Vec<SaRow>),
    /// NIDS.
    Rules {
        /// How many.
        count: usize,
        /// Those that are compared by header and contents alone.
        approximate: usize,
        /// Patterns that the prefilter searches for.
        patterns: usize,
        /// What a match means.
        on_match: &'static str,
    },
    /// Router: how many routes.
    Routes(usize),
}

/// A security association, its keys apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SaRow {
    /// Its name.
    pub name: String,
    /// SPI.
    pub spi: u32,
    /// `transport`, or `tunnel 192.0.2.1 -> 198.51.100.1`.
    pub mode: String,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Packets that the replay window spans.
    pub replay_window: u32,
    /// The selector's conditions; `any` if there is none.
    pub selector: String,
}

impl TablesView {
    /// The summary of some tables.
    #[must_use]
    pub fn of(tables: &Tables) -> Self {
        let class = |id: crate::tables::ClassId| tables.classes[id.index()].name.clone();
        let rules = &tables.classifier.rules;
        Self {
            generation: tables.generation.0,
            chain: tables.chain.clone(),
            ports: tables.ports.iter().map(port).collect(),
            classifier: rules
                .iter()
                .map(|(found, to)| ClassifierRow { condition: condition(tables, found), class: class(*to) })
                .collect(),
            default_class: tables.classifier.default.map(class),
            non_ipv4: match tables.non_ipv4 {
                NonIpv4::Drop => "Drop",
                NonIpv4::Forward => "Forward",
            },
            classes: tables.classes.iter().map(|class| class_row(tables, class)).collect(),
            route_table: route_rows(tables),
            forwarding_table: forwarding_rows(tables),
            max_row_delay_microseconds: tables.max_row_delay_us,
        }
    }

    /// The route table as the paper's comma-separated text, a header line
    /// first; rows of a transition have a fourth cell, the verdict.
    #[must_use]
    pub fn route_csv(&self) -> String {
        let mut csv = String::from("packet_type,current_nf,next_nf,verdict\n");
        for row in &self.route_table {
            csv += &format!("{},{},{}", row.packet_type, row.current_nf, row.next_nf);
            csv += &row.verdict.map(|verdict| format!(",{verdict}")).unwrap_or_default();
            csv.push('\n');
        }
        csv
    }
}

fn port(port: &crate::tables::Port) -> PortRow {
    let binding = match &port.binding {
        PortBinding::PciAddress(address) => format!("pci {address}"),
        PortBinding::PciSelector => "pci by selector".into(),
        PortBinding::Kernel(interface) => format!("kernel {interface}"),
    };
    PortRow { name: port.name.clone(), binding, mtu: port.mtu }
}

fn condition(tables: &Tables, found: &Match) -> String {
    let range = |range: crate::tables::PortRange| format!("{}-{}", range.first, range.last);
    let parts = [
        found.port.map(|id| format!("port={}", tables.ports[id.index()].name)),
        found.source.map(|prefix| format!("source={prefix}")),
        found.destination.map(|prefix| format!("destination={prefix}")),
        found.protocol.map(|protocol| format!("protocol={protocol}")),
        found.source_ports.map(|ports| format!("sourcePorts={}", range(ports))),
        found.destination_ports.map(|ports| format!("destinationPorts={}", range(ports))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "any".into() } else { parts.join(" ") }
}

fn class_row(tables: &Tables, class: &Class) -> ClassRow {
    let egress = match class.egress {
        Egress::Router => "(route)".into(),
        Egress::Opposite => "(opposite)".into(),
        Egress::Port(id) => tables.ports[id.index()].name.clone(),
    };
    let path = class.path.iter().map(|nf| tables.functions[nf.index()].name.clone()).collect();
    ClassRow { name: class.name.clone(), path, egress }
}

fn route_rows(tables: &Tables) -> Vec<RouteRow> {
    let name = |next| match next {
        Next::Nf(nf) => tables.functions[nf.index()].name.clone(),
        Next::Tx => "tx".into(),
    };
    let mut rows = Vec::new();
    for (id, class) in (0..).map(crate::tables::ClassId).zip(&tables.classes) {
        let mut row = |current: &str, next, verdict| {
            rows.push(RouteRow {
                packet_type: class.name.clone(),
                current_nf: current.to_owned(),
                next_nf: name(next),
                verdict,
            });
        };
        row("rx", tables.route_table.next(id, Hop::Rx), None);
        for nf in &class.path {
            let current = &tables.functions[nf.index()].name;
            row(current, tables.route_table.next(id, Hop::Nf(*nf)), None);
            if let Some(to) = tables.route_table.transition(*nf) {
                row(current, tables.route_table.next(to, Hop::Rx), Some("Match"));
            }
        }
    }
    rows
}

fn forwarding_rows(tables: &Tables) -> Vec<ForwardingRow> {
    let mut taken = 0;
    let rows = (0..).zip(&tables.functions).map(|(rx_queue, function)| {
        let (compute, cores, workgroups) = match function.compute {
            Compute::Cpu { cores } => ("CPU", Some(cores), None),
            Compute::Gpu { workgroups } => {
                let first = taken;
                taken += workgroups;
                ("GPU", None, Some([first, taken.saturating_sub(1)]))
            }
        };
        let (type_, data) = data(tables, function);
        ForwardingRow { nf: function.name.clone(), type_, compute, cores, workgroups, rx_queue, data }
    });
    rows.collect()
}

fn data(tables: &Tables, function: &Function) -> (&'static str, FunctionData) {
    let associations = |list: &[SecurityAssociation]| list.iter().map(|sa| association(tables, sa)).collect();
    match &function.work {
        Work::Encrypt(list) => ("IPsec", FunctionData::Encrypt(associations(list))),
        Work::Decrypt(list) => ("IPsec", FunctionData::Decrypt(associations(list))),
        Work::Router(routes) => ("Router", FunctionData::Routes(routes.len())),
        Work::Nids(nids) => {
            let rules = nids.rules.rules();
            let data = FunctionData::Rules {
                count: rules.len(),
                approximate: rules.iter().filter(|rule| rule.approximate).count(),
                patterns: nids.rules.patterns().len(),
                on_match: match nids.on_match {
                    OnMatch::Alert => "Alert",
                    OnMatch::Drop => "Drop",
                },
            };
            ("NIDS", data)
        }
    }
}

fn association(tables: &Tables, sa: &SecurityAssociation) -> SaRow {
    SaRow {
        name: sa.name.clone(),
        spi: sa.spi,
        mode: match sa.mode {
            EspMode::Transport => "transport".into(),
            EspMode::Tunnel { source, destination } => format!("tunnel {source} -> {destination}"),
        },
        esn: sa.esn,
        replay_window: sa.replay_window,
        selector: condition(tables, &sa.selector),
    }
}

impl fmt::Display for TablesView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "chain {} generation {}", self.chain, self.generation)?;
        writeln!(f, "\nports")?;
        for port in &self.ports {
            writeln!(f, "  {:<16} {:<24} mtu {}", port.name, port.binding, port.mtu)?;
        }
        writeln!(f, "\nclassifier (first match wins)")?;
        for row in &self.classifier {
            writeln!(f, "  {:<16} {}", row.class, row.condition)?;
        }
        let default = self.default_class.as_deref().unwrap_or("(drop)");
        writeln!(
            f,
            "  {default:<16} everything else\n  {:<16} what is no IPv4",
            format!("({})", self.non_ipv4)
        )?;
        writeln!(f, "\nclasses")?;
        for class in &self.classes {
            writeln!(f, "  {:<16} {} -> {}", class.name, class.path.join(" -> "), class.egress)?;
        }
        writeln!(f, "\nroute table")?;
        for line in self.route_csv().lines() {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "\nNF forwarding table")?;
        self.forwarding_table.iter().try_for_each(|row| writeln!(f, "  {row}"))
    }
}

impl fmt::Display for ForwardingRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = match (self.cores, self.workgroups) {
            (Some(cores), _) => format!("{cores} cores"),
            (_, Some([first, last])) => format!("workgroups {first}-{last}"),
            _ => String::new(),
        };
        write!(
            f,
            "{:<16} {:<7} {:<4} {on:<16} RX queue {:<3} {}",
            self.nf, self.type_, self.compute, self.rx_queue, self.data
        )
    }
}

impl fmt::Display for FunctionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypt(list) | Self::Decrypt(list) => {
                let names: Vec<_> =
                    list.iter().map(|sa| format!("{} (SPI {}, {})", sa.name, sa.spi, sa.mode)).collect();
                let verb = if matches!(self, Self::Encrypt(_)) { "encrypts" } else { "decrypts" };
                write!(f, "{verb} by {}", names.join(", "))
            }
            Self::Rules { count, approximate, on_match, .. } => {
                write!(f, "{count} rules, {approximate} of them approximate, on match {on_match}")
            }
            Self::Routes(count) => write!(f, "{count} routes"),
        }
    }
}
