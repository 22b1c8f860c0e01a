//! What a bundle compiles to: the tables that the packet path runs by.
//!
//! A table set is immutable. Everything in it is addressed by small indices
//! ([`PortId`], [`NfId`], [`ClassId`]) that are valid within their
//! own set only.

use std::{net::Ipv4Addr, sync::Arc};

use hummingbird_packet::{FiveTuple, Ipv4Header, Prefix, Protocol};
use hummingbird_rules::RuleSet;

/// A generation number: 1 for the first table set of a process, then one
/// higher with each that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u16);

        impl $name {
            /// The index as a `usize`.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// Index of a port in [`Tables::ports`].
    PortId
);
index!(
    /// Index of a function in [`Tables::functions`].
    NfId
);
index!(
    /// Index of a class in [`Tables::classes`].
    ClassId
);
/// One generation of everything that decides about packets.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Its number.
    pub generation: Generation,
    /// The chain's `namespace/name`.
    pub chain: String,
    /// Ports in the manifest's order.
    pub ports: Vec<Port>,
    /// The NF forwarding table (paper, section IV-A3): functions in the manifest's order.
    pub functions: Vec<Function>,
    /// Classes in the manifest's order.
    pub classes: Vec<Class>,
    /// Which class a packet is in.
    pub classifier: Classifier,
    /// Where a packet goes next.
    pub route_table: RouteTable,
    /// What happens to frames that are no IPv4.
    pub non_ipv4: NonIpv4,
    /// Longest wait of a packet for its row to fill, microseconds.
    pub max_row_delay_us: u32,
}

/// A port of the chain.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name in the manifest.
    pub name: String,
    /// What the manifest binds it to, where nothing replaces that.
    pub binding: PortBinding,
    /// Largest IPv4 packet that it carries, bytes (Ethernet header apart).
    pub mtu: u16,
}

impl Port {
    /// Longest frame that the port takes in, bytes: an Ethernet header, one
    /// VLAN tag and the MTU.
    #[must_use]
    pub const fn max_frame(&self) -> usize {
        self.mtu as usize + 18
    }
}

/// What the manifest says a port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortBinding {
    /// A PCI device by its address, `0000:00:03.0`.
    PciAddress(String),
    /// A PCI device that a node's agent picks.
    PciSelector,
    /// A kernel interface by name.
    Kernel(String),
}

/// Frames that are no IPv4 (`spec.nonIPv4`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonIpv4 {
    /// Dropped and counted.
    Drop,
    /// Unchanged out of the other port of two.
    Forward,
}

/// A network function: one row of the NF forwarding table.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name in the manifest.
    pub name: String,
    /// Where it runs, and on how much.
    pub compute: Compute,
    /// What it does.
    pub work: Work,
}

/// Where a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compute {
    /// That many instances on CPU cores.
    Cpu {
        /// Instances, at least 1.
        cores: u16,
    },
    /// That many persistent workgroups.
    Gpu {
        /// Workgroups, at least 1.
        workgroups: u16,
    },
}

/// What a function does, with its data.
#[derive(Clone, Debug)]
pub enum Work {
    /// ESP encapsulation; the first SA whose selector matches is used.
    Encrypt(Arc<Vec<SecurityAssociation>>),
    /// ESP decapsulation; SPI and outer destination find the SA.
    Decrypt(Arc<Vec<SecurityAssociation>>),
    /// Content rules.
    Nids(Nids),
    /// Longest-prefix match.
    Router(Arc<Vec<Route>>),
}

/// A NIDS function's data.
#[derive(Clone, Debug)]
pub struct Nids {
    /// The rules, all that were loaded.
    pub rules: Arc<RuleSet>,
    /// What a match means, whatever action its rule names.
    pub on_match: OnMatch,
}

/// `onMatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMatch {
    /// An alert; the packet goes on.
    Alert,
    /// An alert, and the packet is dropped.
    Drop,
}

/// One route of a Router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub prefix: Prefix,
    /// Port that it leaves by.
    pub port: PortId,
    /// Destination MAC address of the frame.
    pub next_hop: [u8; 6],
}

/// ESP's two modes (RFC 4303, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EspMode {
    /// The payload of the packet's own IPv4 header is protected.
    Transport,
    /// The whole packet is protected behind a new IPv4 header.
    Tunnel {
        /// Source of the outer header.
        source: Ipv4Addr,
        /// Destination of the outer header.
        destination: Ipv4Addr,
    },
}

/// The keys of one SA. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SaKeys {
    /// AES-128 key.
    pub cipher: [u8; 16],
    /// HMAC-SHA1 key.
    pub integrity: [u8; 20],
}

impl std::fmt::Debug for SaKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaKeys(…)")
    }
}

/// A security association (RFC 4301, section 4.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityAssociation {
    /// Its name in the manifest.
    pub name: String,
    /// Security parameters index, at least 256.
    pub spi: u32,
    /// Tunnel or transport.
    pub mode: EspMode,
    /// Extended (64-bit) sequence numbers, RFC 4304.
    pub esn: bool,
    /// AES-128-CBC and HMAC-SHA1-96 keys.
    pub keys: SaKeys,
    /// Encrypt: which packets use this SA. Decrypt: what the inner packet must match.
    pub selector: Match,
    /// Decrypt: packets that the replay window spans; 0 is off.
    pub replay_window: u32,
}

/// Conditions on a packet, all of which must hold; an absent one always does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Ingress port.
    pub port: Option<PortId>,
    /// Source prefix.
    pub source: Option<Prefix>,
    /// Destination prefix.
    pub destination: Option<Prefix>,
    /// IP protocol.
    pub protocol: Option<Protocol>,
    /// Source ports, inclusive; never holds for a fragment or a protocol without ports.
    pub source_ports: Option<PortRange>,
    /// Destination ports, likewise.
    pub destination_ports: Option<PortRange>,
}

/// An inclusive range of layer-4 ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port, at least `first`.
    pub last: u16,
}

impl PortRange {
    /// Whether `port` lies in the range.
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// Whether a packet has layer-4 ports that a [`Match`] may look at: TCP and
/// UDP, fragments apart.
#[must_use]
pub fn has_ports(header: &Ipv4Header) -> bool {
    matches!(header.tuple.protocol, Protocol::TCP | Protocol::UDP) && !header.fragment.is_fragment()
}

impl Match {
    /// Whether a packet that came in by `port` fulfils every condition.
    /// `has_ports` is false for fragments and protocols without ports.
    #[must_use]
    pub fn holds(&self, port: PortId, tuple: &FiveTuple, has_ports: bool) -> bool {
        self.port.is_none_or(|wanted| wanted == port) && self.holds_for_flow(tuple, has_ports)
    }

    /// [`holds`](Self::holds) without the ingress port: an SA's selector.
    #[must_use]
    pub fn holds_for_flow(&self, tuple: &FiveTuple, has_ports: bool) -> bool {
        let ports =
            |range: Option<PortRange>, port| range.is_none_or(|range| has_ports && range.contains(port));
        self.protocol.is_none_or(|wanted| wanted == tuple.protocol)
            && self.destination.is_none_or(|prefix| prefix.contains(tuple.destination))
            && self.source.is_none_or(|prefix| prefix.contains(tuple.source))
            && ports(self.destination_ports, tuple.destination_port)
            && ports(self.source_ports, tuple.source_port)
    }
}

/// A traffic class.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name in the manifest.
    pub name: String,
    /// Functions in order, each at most once; a Router only at the end.
    pub path: Vec<NfId>,
    /// Where the frame leaves when the path does not end in a Router, by ingress port.
    pub egress: Egress,
}

/// Where a frame leaves that no Router sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// The Router at the path's end says.
    Router,
    /// That port.
    Port(PortId),
    /// The other port of two; the same of one.
    Opposite,
}

/// The ordered rules that put a packet into a class.
#[derive(Clone, Debug, Default)]
pub struct Classifier {
    /// First match wins.
    pub rules: Vec<(Match, ClassId)>,
    /// The class of what matches none; `None` drops it.
    pub default: Option<ClassId>,
}

impl Classifier {
    /// The class of a packet, or `None` where it is to be dropped.
    #[must_use]
    pub fn classify(&self, port: PortId, tuple: &FiveTuple, has_ports: bool) -> Option<ClassId> {
        self.rules
            .iter()
            .find(|(condition, _)| condition.holds(port, tuple, has_ports))
            .map(|(_, class)| *class)
            .or(self.default)
    }
}

/// Where a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Just classified.
    Rx,
    /// Done in that function.
    Nf(NfId),
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To that function.
    Nf(NfId),
    /// Out.
    Tx,
}

/// The route decider's table (paper, section IV-A2): class and current NF to
/// next NF, and the transitions.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    functions: usize,
    /// `[class * (functions + 1) + 0]` is the start, `+ 1 + nf` what follows `nf`.
    next: Vec<Next>,
    /// By function: the class that a packet with verdict Match moves to.
    transitions: Vec<Option<ClassId>>,
}

impl RouteTable {
    /// The table of some class paths and `(function, class)` transitions.
    #[must_use]
    pub fn new(functions: usize, paths: &[&[NfId]], transitions: &[(NfId, ClassId)]) -> Self {
        let mut next = vec![Next::Tx; paths.len() * (functions + 1)];
        for (class, path) in paths.iter().enumerate() {
            let row = &mut next[class * (functions + 1)..][..functions + 1];
            let mut at = 0;
            for nf in *path {
                row[at] = Next::Nf(*nf);
                at = 1 + nf.index();
            }
        }
        let mut by_function = vec![None; functions];
        for (nf, class) in transitions {
            by_function[nf.index()] = Some(*class);
        }
        Self { functions, next, transitions: by_function }
    }

    /// What follows `hop` on the path of `class`.
    #[must_use]
    pub fn next(&self, class: ClassId, hop: Hop) -> Next {
        let at = match hop {
            Hop::Rx => 0,
            Hop::Nf(nf) => 1 + nf.index(),
        };
        self.next[class.index() * (self.functions + 1) + at]
    }

    /// The class that a packet which matched in `nf` moves to the start of, if any.
    #[must_use]
    pub fn transition(&self, nf: NfId) -> Option<ClassId> {
        self.transitions[nf.index()]
    }
}
