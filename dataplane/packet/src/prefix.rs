//! IPv4 prefixes in CIDR notation (RFC 4632).

use std::{fmt, net::Ipv4Addr, str::FromStr};

/// An IPv4 prefix: an address whose bits past `len` are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    address: u32,
    len: u8,
}

/// Why a string is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParsePrefixError {
    /// The part before the slash is no dotted quad.
    #[error("'{0}' is not an IPv4 address")]
    Address(String),
    /// The part after the slash is no number from 0 to 32.
    #[error("'/{0}' is not a prefix length from 0 to 32")]
    Length(String),
    /// Bits are set past the prefix length.
    #[error("{given} has bits set past its length; the prefix is {prefix}")]
    HostBits {
        /// What was written.
        given: String,
        /// What was probably meant.
        prefix: Prefix,
    },
}

impl Prefix {
    /// `0.0.0.0/0`.
    pub const ALL: Self = Self { address: 0, len: 0 };

    /// The prefix of `len` bits (at most 32) that `address` lies in.
    #[must_use]
    pub fn of(address: Ipv4Addr, len: u8) -> Self {
        let len = len.min(32);
        Self { address: u32::from(address) & mask(len), len }
    }

    /// The address with all host bits zero.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address.into()
    }

    /// The prefix length in bits, 0 to 32.
    #[expect(clippy::len_without_is_empty, reason = "a length in bits; no prefix is empty")]
    #[must_use]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether this is `0.0.0.0/0`.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.len == 0
    }

    /// The netmask, host order.
    #[must_use]
    pub fn mask(&self) -> u32 {
        mask(self.len)
    }

    /// Whether `address` lies in the prefix.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == self.address
    }
}

fn mask(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

impl FromStr for Prefix {
    type Err = ParsePrefixError;

    /// `a.b.c.d/len`, or `a.b.c.d` for a host.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (
                address,
                len.parse()
                    .ok()
                    .filter(|len| *len <= 32)
                    .ok_or_else(|| ParsePrefixError::Length(len.into()))?,
            ),
            None => (text, 32),
        };
        let address: Ipv4Addr = address.parse().map_err(|_| ParsePrefixError::Address(address.into()))?;
        let prefix = Self::of(address, len);
        if prefix.address() == address {
            Ok(prefix)
        } else {
            Err(ParsePrefixError::HostBits { given: text.into(), prefix })
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "255.255.255.254/31"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.1".parse::<Prefix>().unwrap().to_string(), "192.0.2.1/32");
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text: &str| text.parse::<Prefix>().unwrap_err().to_string();
        assert_eq!(error("10.0.0/8"), "'10.0.0' is not an IPv4 address");
        assert_eq!(error("10.0.0.0/33"), "'/33' is not a prefix length from 0 to 32");
        assert_eq!(error("10.1.0.0/8"), "10.1.0.0/8 has bits set past its length; the prefix is 10.0.0.0/8");
    }

    #[test]
    fn contains_its_own_addresses_only() {
        let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
        assert!(prefix.contains(Ipv4Addr::new(10, 255, 255, 255)));
        assert!(!prefix.contains(Ipv4Addr::new(11, 0, 0, 0)));
        assert!(Prefix::ALL.contains(Ipv4Addr::BROADCAST));
    }
}
