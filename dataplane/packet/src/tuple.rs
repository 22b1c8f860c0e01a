//! The 5-tuple that names a flow.

use std::{fmt, net::Ipv4Addr};

/// An IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub u8);

impl Protocol {
    /// RFC 792.
    pub const ICMP: Self = Self(1);
    /// IPv4 in IPv4, RFC 2003: the next header of ESP in tunnel mode.
    pub const IPIP: Self = Self(4);
    /// RFC 9293.
    pub const TCP: Self = Self(6);
    /// RFC 768.
    pub const UDP: Self = Self(17);
    /// RFC 4303.
    pub const ESP: Self = Self(50);
    /// ESP's dummy packets, RFC 4303 section 2.6.
    pub const NONE: Self = Self(59);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.write_str("ICMP"),
            Self::TCP => f.write_str("TCP"),
            Self::UDP => f.write_str("UDP"),
            Self::ESP => f.write_str("ESP"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

/// Source, destination, protocol and ports of one packet.
///
/// Ports are 0 where there are none: protocols other than TCP and UDP, and
/// every fragment, the first included, so that all fragments of a datagram are
/// one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Source port, host order.
    pub source_port: u16,
    /// Destination port, host order.
    pub destination_port: u16,
    /// IP protocol number.
    pub protocol: Protocol,
}

impl FiveTuple {
    /// A hash that spreads flows over cores: equal tuples, equal keys. It is
    /// not keyed and must not be used where an attacker's choice of flows may
    /// cost more than an uneven spread.
    #[must_use]
    pub fn steering_key(&self) -> u32 {
        let addresses = (u64::from(u32::from(self.source)) << 32) | u64::from(u32::from(self.destination));
        let rest = (u64::from(self.source_port) << 24)
            | (u64::from(self.destination_port) << 8)
            | u64::from(self.protocol.0);
        mix(mix(addresses) ^ rest) as u32
    }
}

/// The finaliser of MurmurHash3, 64 bits.
fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}
