//! Which interfaces the node lives on, through everything that can stand between.

use std::net::IpAddr;

use nicbind::{Family, InUse, Link, LinkAddress, NodeFacts, Prefix, Route, Use, protected_interfaces};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn link(index: u32, name: &str, master: Option<u32>, lower: Option<u32>) -> Link {
    Link { index, name: name.into(), master, lower }
}

fn route(table: u32, destination: &str, links: &[u32]) -> Route {
    let (address, length) = destination.split_once('/').unwrap();
    let destination = Prefix { address: ip(address), length: length.parse().unwrap() };
    Route { table, destination, links: links.to_vec() }
}

fn names(facts: &[InUse]) -> Vec<&str> {
    let mut names: Vec<&str> = facts.iter().map(|fact| fact.interface.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// eth0, eth1 in bond0; bond0.100 on it, in br0; eth2 with a macvlan; eth3 and eth4 free.
fn links() -> Vec<Link> {
    vec![
        link(2, "eth0", Some(6), None),
        link(3, "eth1", Some(6), None),
        link(4, "eth2", None, None),
        link(5, "eth3", None, None),
        link(6, "bond0", None, None),
        link(7, "bond0.100", Some(8), Some(6)),
        link(8, "br0", None, None),
        link(9, "macvlan0", None, Some(4)),
        link(10, "eth4", None, None),
    ]
}

fn by_routes(routes: &[Route]) -> Vec<InUse> {
    protected_interfaces(&links(), routes, &[], &NodeFacts::default())
}

#[test]
fn a_default_route_of_any_family_and_table() {
    for (destination, family) in [("0.0.0.0/0", Family::V4), ("::/0", Family::V6)] {
        for table in [254, 100, 5000] {
            let facts = by_routes(&[route(table, destination, &[5])]);
            let by = Use::DefaultRoute { family, table };
            assert_eq!(facts, [InUse { interface: "eth3".into(), by, through: vec![] }]);
        }
    }
    assert_eq!(names(&by_routes(&[route(254, "128.0.0.0/1", &[5])])), ["eth3"], "half of a default route");
    assert_eq!(names(&by_routes(&[route(254, "0.0.0.0/0", &[5, 10])])), ["eth3", "eth4"], "multipath");
    assert!(by_routes(&[route(254, "10.0.0.0/8", &[5])]).is_empty());
}

#[test]
fn through_bridge_vlan_and_bond_down_to_the_nics() {
    let facts = by_routes(&[route(254, "0.0.0.0/0", &[8])]);
    assert_eq!(names(&facts), ["bond0", "bond0.100", "br0", "eth0", "eth1"]);
    let eth0 = facts.iter().find(|fact| fact.interface == "eth0").unwrap();
    assert_eq!(eth0.through, ["br0", "bond0.100", "bond0"]);
    assert_eq!(names(&by_routes(&[route(254, "::/0", &[9])])), ["eth2", "macvlan0"]);
    // The bond itself in use: what stands on it is not.
    assert_eq!(names(&by_routes(&[route(254, "::/0", &[6])])), ["bond0", "eth0", "eth1"]);
}

#[test]
fn the_way_to_the_api_server() {
    let node = NodeFacts { api_servers: vec![ip("10.1.2.3"), ip("2001:db8::1")], addresses: vec![] };
    let routes = [
        route(254, "10.0.0.0/8", &[5]),
        route(254, "10.1.2.0/24", &[4]),
        route(100, "10.1.0.0/16", &[10]),
        route(254, "2001:db8::/33", &[8]),
        route(254, "2001:db8:8000::/33", &[5]),
    ];
    let facts = protected_interfaces(&links(), &routes, &[], &node);
    assert_eq!(
        names(&facts),
        ["bond0", "bond0.100", "br0", "eth0", "eth1", "eth2", "eth4"],
        "the longest match of each table, so not eth3"
    );
    assert_eq!(facts[0].to_string(), "eth4 carries the route to the API server 10.1.2.3");
}

#[test]
fn the_address_of_the_node() {
    let addresses = [(7, "192.0.2.7"), (5, "198.51.100.1"), (4, "fe80::1")]
        .map(|(link, a)| LinkAddress { link, address: ip(a) });
    let node = NodeFacts { api_servers: vec![], addresses: vec![ip("::ffff:192.0.2.7")] };
    let facts = protected_interfaces(&links(), &[], &addresses, &node);
    assert_eq!(names(&facts), ["bond0", "bond0.100", "eth0", "eth1"]);
}

#[test]
fn loops_and_gaps_in_the_input_end() {
    let links =
        [link(1, "a", Some(2), Some(2)), link(2, "b", Some(1), Some(1)), link(3, "c", None, Some(99))];
    let facts = protected_interfaces(&links, &[route(1, "::/0", &[1, 3, 77])], &[], &NodeFacts::default());
    assert_eq!(names(&facts), ["a", "b", "c"]);
}

#[test]
fn prefixes_of_all_lengths() {
    let holds = |prefix: &str, address: &str| route(1, prefix, &[]).destination.contains(ip(address));
    assert!(holds("192.0.2.1/32", "192.0.2.1") && !holds("192.0.2.1/32", "192.0.2.0"));
    assert!(holds("::1/128", "::1") && !holds("::1/128", "::2"));
    assert!(holds("0.0.0.0/0", "255.1.1.1") && !holds("0.0.0.0/0", "::1") && !holds("::/0", "1.1.1.1"));
    assert!(holds("255.0.0.0/255", "255.0.0.0"), "a length out of range is taken as the longest");
}
