//! Names for DPDK objects: unique in the process, and strings that C can take.

use std::ffi::CString;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;

/// `PREFIX` and a number that no other object of the process has.
/// Mempools allow 22 bytes, the shortest of all.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// `value` with a NUL at its end.
pub(crate) fn c_string(what: &'static str, value: &str) -> Result<CString, Error> {
    CString::new(value).map_err(|_| Error::BadName {
        what,
        value: value.to_owned(),
        rule: "it must not contain a NUL character",
    })
}

/// A kernel interface's name, which goes into a device's argument list:
/// the kernel's rule (1 to 15 bytes, no slash, no space), and nothing that
/// DPDK's `key=value,` syntax would read as its own.
pub(crate) fn interface(value: &str) -> Result<&str, Error> {
    let clean =
        |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ',' | '=' | '[' | ']' | '"' | '\'' | ':');
    if (1..=15).contains(&value.len()) && value.chars().all(clean) && value != "." && value != ".." {
        return Ok(value);
    }
    Err(Error::BadName {
        what: "network interface name",
        value: value.to_owned(),
        rule: "1 to 15 printable ASCII characters without / , = : [ ] or quotes",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        assert_ne!(unique("a"), unique("a"));
    }

    #[test]
    fn interface_names_cannot_smuggle_arguments() {
        for good in ["eth0", "veth-a_1", "br0.100", "a234567890abcde"] {
            assert_eq!(interface(good).unwrap(), good);
        }
        for bad in ["", "eth0,remote=eth1", "a b", "a/b", "..", "a234567890abcdef", "é"] {
            assert!(interface(bad).is_err(), "{bad:?}");
        }
    }
}
