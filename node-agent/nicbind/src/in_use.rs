//! Which interfaces the node itself lives on. Pure: the caller reads links, routes and addresses by netlink.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A network interface, as `RTM_NEWLINK` tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The bond, bridge, team or VRF it belongs to (`IFLA_MASTER`).
    pub master: Option<u32>,
    /// The interface it stands on (`IFLA_LINK`): of a VLAN, macvlan or ipvlan. Leave it out when the message has
    /// `IFLA_LINK_NETNSID`: the index is then another namespace's.
    pub lower: Option<u32>,
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub length: u8,
}

/// A unicast route of any table. One with a nexthop object is given with that object's links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The routing table (254 is `main`).
    pub table: u32,
    /// Where it leads.
    pub destination: Prefix,
    /// The interfaces it leaves by; several for a multipath route.
    pub links: Vec<u32>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkAddress {
    /// The interface's index.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
}

/// Whom the node must keep talking to, and by which addresses others know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// The API server's addresses.
    pub api_servers: Vec<IpAddr>,
    /// The node's own addresses (`status.addresses`).
    pub addresses: Vec<IpAddr>,
}

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What an interface is needed for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Use {
    /// A default route leaves by it.
    DefaultRoute {
        /// Of which family.
        family: Family,
        /// In which table.
        table: u32,
    },
    /// The API server is reached by it.
    ApiServer {
        /// The API server's address.
        address: IpAddr,
    },
    /// It has the node's address.
    NodeAddress {
        /// The node's address.
        address: IpAddr,
    },
}

/// An interface that must stay with the kernel, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InUse {
    /// The interface.
    pub interface: String,
    /// What for.
    pub by: Use,
    /// The interfaces that stand on it, from the one in use downwards; none when it is in use itself.
    pub through: Vec<String>,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultRoute { family: Family::V4, table } => {
                write!(f, "the IPv4 default route of table {table}")
            }
            Self::DefaultRoute { family: Family::V6, table } => {
                write!(f, "the IPv6 default route of table {table}")
            }
            Self::ApiServer { address } => write!(f, "the route to the API server {address}"),
            Self::NodeAddress { address } => write!(f, "the node's address {address}"),
        }
    }
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} carries {}", self.interface, self.by)?;
        if self.through.is_empty() { Ok(()) } else { write!(f, " through {}", self.through.join(", ")) }
    }
}

/// All of them in one line.
pub(crate) fn list(uses: &[InUse]) -> String {
    uses.iter().map(InUse::to_string).collect::<Vec<_>>().join("; ")
}

/// An address written as IPv4-mapped IPv6 is the IPv4 address.
fn bits(address: IpAddr) -> (Family, u128) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (Family::V4, u128::from(Ipv4Addr::to_bits(v4)) << 96),
        IpAddr::V6(v6) => (Family::V6, Ipv6Addr::to_bits(v6)),
    }
}

impl Prefix {
    /// Whether the range holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (family, own) = bits(self.address);
        let (other_family, other) = bits(address);
        let mask = u128::MAX.checked_shl(128u32.saturating_sub(u32::from(self.length))).unwrap_or(0);
        family == other_family && (own ^ other) & mask == 0
    }
}

/// All interfaces that must stay, each with what it is needed for: the interface itself and everything it stands on.
///
/// A default route is one of length 0, or one of its two halves of length 1 (how VPNs put themselves before it). It
/// counts in every table, because which table a packet takes is up to rules that may change. The route to the API
/// server is the longest match in each table.
pub fn protected_interfaces(
    links: &[Link],
    routes: &[Route],
    addresses: &[LinkAddress],
    node: &NodeFacts,
) -> Vec<InUse> {
    let mut needed: Vec<(u32, Use)> = Vec::new();
    for route in routes.iter().filter(|route| route.destination.length <= 1) {
        let family = bits(route.destination.address).0;
        needed
            .extend(route.links.iter().map(|&link| (link, Use::DefaultRoute { family, table: route.table })));
    }
    let tables: BTreeSet<u32> = routes.iter().map(|route| route.table).collect();
    for &address in &node.api_servers {
        for &table in &tables {
            let matching = || routes.iter().filter(|r| r.table == table && r.destination.contains(address));
            let longest = matching().map(|route| route.destination.length).max();
            for route in matching().filter(|route| Some(route.destination.length) == longest) {
                needed.extend(route.links.iter().map(|&link| (link, Use::ApiServer { address })));
            }
        }
    }
    for own in addresses {
        let of_node = node.addresses.iter().find(|&&address| bits(address) == bits(own.address));
        needed.extend(of_node.map(|&address| (own.link, Use::NodeAddress { address })));
    }
    let mut protected: Vec<InUse> = Vec::new();
    for (link, by) in needed {
        for fact in downwards(links, link, &by) {
            if !protected.contains(&fact) {
                protected.push(fact);
            }
        }
    }
    protected
}

/// `start` and all interfaces below it, each once, whatever loops the input has.
fn downwards(links: &[Link], start: u32, by: &Use) -> Vec<InUse> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([start]);
    let mut open: Vec<(u32, Vec<String>)> = vec![(start, Vec::new())];
    while let Some((index, through)) = open.pop() {
        let Some(link) = links.iter().find(|link| link.index == index) else { continue };
        let mut below = through.clone();
        below.push(link.name.clone());
        let members = links.iter().filter(|other| other.master == Some(index)).map(|other| other.index);
        for next in members.chain(link.lower) {
            if seen.insert(next) {
                open.push((next, below.clone()));
            }
        }
        found.push(InUse { interface: link.name.clone(), by: by.clone(), through });
    }
    found
}
