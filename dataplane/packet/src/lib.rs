//! Ethernet, IPv4 and layer-4 headers, read from byte slices.
//!
//! Everything here is pure and total: any byte string in, a view or a reason
//! out, never a panic. Offsets are in bytes from the start of the frame.
//! IPv4 by RFC 791, the Internet checksum by RFC 1071.

#![forbid(unsafe_code)]

pub mod checksum;
mod frame;
mod prefix;
mod tuple;

pub use frame::{ETHERNET_HEADER, ETHERTYPE_IPV4, Fragment, Frame, Ipv4Header, Malformed, parse};
pub use prefix::{ParsePrefixError, Prefix};
pub use tuple::{FiveTuple, Protocol};
