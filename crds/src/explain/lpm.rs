//! Longest-prefix match the plain way: one map for each prefix length, asked
//! from the longest on.

use std::{collections::HashMap, net::Ipv4Addr};

use hummingbird_packet::Prefix;

use crate::tables::Route;

/// A Router's routes.
pub(super) struct Lpm {
    /// By prefix length.
    maps: Vec<HashMap<Prefix, Route>>,
}

impl Lpm {
    pub fn new(routes: &[Route]) -> Self {
        let mut maps = vec![HashMap::new(); 33];
        for route in routes {
            maps[usize::from(route.prefix.len())].insert(route.prefix, *route);
        }
        Self { maps }
    }

    /// The route with the longest prefix that holds `address`.
    pub fn look_up(&self, address: Ipv4Addr) -> Option<&Route> {
        (0..=32).rev().find_map(|len| self.maps[usize::from(len)].get(&Prefix::of(address, len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::PortId;

    #[test]
    fn the_longest_prefix_wins() {
        let route = |prefix: &str, port| Route {
            prefix: prefix.parse().unwrap(),
            port: PortId(port),
            next_hop: [0; 6],
        };
        let lpm = Lpm::new(&[route("10.0.0.0/8", 1), route("10.1.0.0/16", 2), route("10.1.2.3/32", 3)]);
        let port = |address: [u8; 4]| lpm.look_up(address.into()).map(|route| route.port.0);
        assert_eq!(port([10, 1, 2, 3]), Some(3));
        assert_eq!(port([10, 1, 2, 4]), Some(2));
        assert_eq!(port([10, 2, 0, 0]), Some(1));
        assert_eq!(port([11, 0, 0, 0]), None);
        assert_eq!(
            Lpm::new(&[route("0.0.0.0/0", 0)]).look_up([255; 4].into()).map(|route| route.port.0),
            Some(0)
        );
    }
}
