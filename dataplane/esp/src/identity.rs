//! Who an SA is, across generations and restarts.

use std::{fmt, net::Ipv4Addr};

use sha2::{Digest, Sha256};

/// Which way an SA works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Encrypt: it hands out sequence numbers.
    Outbound,
    /// Decrypt: it remembers those that it saw.
    Inbound,
}

/// Direction, SPI, outer destination and keys: two SAs that agree in all four
/// are one, whatever their names. Keys go in as a fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaIdentity {
    /// Which way it works.
    pub direction: Direction,
    /// Security parameters index.
    pub spi: u32,
    /// Tunnel destination; `0.0.0.0` in transport mode.
    pub destination: Ipv4Addr,
    /// SHA-256 over the keys, with a prefix of its own.
    pub fingerprint: [u8; 32],
}

impl SaIdentity {
    /// The identity of an SA; `destination` is `None` in transport mode.
    #[must_use]
    pub fn new(
        direction: Direction,
        spi: u32,
        destination: Option<Ipv4Addr>,
        cipher_key: &[u8],
        integrity_key: &[u8],
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"hummingbird SA keys v1");
        for key in [cipher_key, integrity_key] {
            hash.update((key.len() as u64).to_be_bytes());
            hash.update(key);
        }
        Self {
            direction,
            spi,
            destination: destination.unwrap_or(Ipv4Addr::UNSPECIFIED),
            fingerprint: hash.finalize().into(),
        }
    }
}

impl fmt::Display for SaIdentity {
    /// `out-00001000-198.51.100.1-0123456789abcdef`: also the name of its file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Outbound => "out",
            Direction::Inbound => "in",
        };
        write!(f, "{direction}-{:08x}-{}-", self.spi, self.destination)?;
        self.fingerprint[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SaIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaIdentity({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_tells_sas_apart() {
        let of = |direction, spi, destination: [u8; 4], cipher, integrity| {
            SaIdentity::new(direction, spi, Some(destination.into()), cipher, integrity)
        };
        let gateway = [198, 51, 100, 1];
        let sa = of(Direction::Outbound, 4096, gateway, &[1; 16], &[2; 20]);
        assert_eq!(sa, of(Direction::Outbound, 4096, gateway, &[1; 16], &[2; 20]));
        assert_ne!(sa, of(Direction::Inbound, 4096, gateway, &[1; 16], &[2; 20]));
        assert_ne!(sa, of(Direction::Outbound, 4097, gateway, &[1; 16], &[2; 20]));
        assert_ne!(sa, of(Direction::Outbound, 4096, [198, 51, 100, 2], &[1; 16], &[2; 20]));
        assert_ne!(sa, of(Direction::Outbound, 4096, gateway, &[3; 16], &[2; 20]));
        assert_ne!(sa, of(Direction::Outbound, 4096, gateway, &[1; 16], &[3; 20]));
        assert!(sa.to_string().starts_with("out-00001000-198.51.100.1-"));
    }
}
