//! Every reason why a packet is dropped, in one place: reports, metrics,
//! alerts and `explain` use the same names.

use std::fmt;

use hummingbird_esp::EspDrop;
use hummingbird_packet::Malformed;
use serde::{Serialize, Serializer};

macro_rules! drop_reasons {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// Why a packet is dropped. Its number is its place in [`DropReason::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[$doc])+ $name,)+
        }

        impl DropReason {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name that reports and metrics use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

drop_reasons! {
    // Frames that no NF ever sees.
    /// The frame is shorter than an Ethernet header.
    TruncatedEthernet = "truncated_ethernet",
    /// The frame is shorter than its IPv4 header.
    TruncatedIpv4 = "truncated_ipv4",
    /// EtherType IPv4, but the version nibble is not 4.
    BadIpVersion = "bad_ip_version",
    /// IHL below 5.
    BadIpHeaderLength = "bad_ip_header_length",
    /// The total length is below the header's or past the frame.
    BadIpTotalLength = "bad_ip_total_length",
    /// The IPv4 header checksum is wrong.
    BadIpChecksum = "bad_ip_checksum",
    /// No room for the ports of TCP or UDP, or for ESP's SPI.
    TruncatedL4 = "truncated_l4",
    /// The frame is longer than its port's MTU allows.
    FrameTooLong = "frame_too_long",
    /// The frame is no IPv4, and `nonIPv4` is Drop.
    NonIpv4 = "non_ipv4",
    /// No class takes the packet, and there is no default class.
    Unclassified = "unclassified",
    /// The limit of packets in flight is reached; a live port does not admit the packet.
    EntryBackpressure = "entry_backpressure",
    // Encrypt.
    /// No SA's selector takes the packet.
    NoSa = "no_sa",
    /// A fragment in transport mode (RFC 4303, section 3.3.4).
    TransportFragment = "transport_fragment",
    /// The SA's sequence numbers are used up (RFC 4303, section 3.3.3).
    SequenceExhausted = "sequence_exhausted",
    /// The SA's state is not durable this far (Encrypt: the number; Decrypt: the mark).
    StateUnavailable = "state_unavailable",
    /// The buffer has no room for the headers or the trailer of ESP.
    NoHeadroom = "no_headroom",
    /// The cipher or its kernel refused the packet: a defect of ours or of the device.
    CipherFailed = "cipher_failed",
    // Decrypt.
    /// An ESP packet that is a fragment (RFC 4303, section 3.4.1).
    EspFragment = "esp_fragment",
    /// No ESP packet, or shorter than header, IV, a cipher block and ICV.
    EspTooShort = "esp_too_short",
    /// No SA has this SPI and outer destination.
    UnknownSpi = "unknown_spi",
    /// The outer source is not the SA's.
    TunnelSourceMismatch = "tunnel_source_mismatch",
    /// The ICV is wrong: forged or damaged.
    BadIcv = "bad_icv",
    /// The sequence number was seen before.
    Replayed = "replayed",
    /// The sequence number is left of the replay window.
    ReplayTooOld = "replay_too_old",
    /// The padding is not 1, 2, 3, … (RFC 4303, section 2.4), or longer than the packet.
    BadPadding = "bad_padding",
    /// A dummy packet (RFC 4303, section 2.6), which a peer sends to hide its traffic.
    EspDummy = "esp_dummy",
    /// The next header is none that the SA's mode can carry.
    BadNextHeader = "bad_next_header",
    /// The inner packet is no sound IPv4.
    BadInner = "bad_inner",
    /// Congestion was marked on a packet that cannot carry the mark (RFC 6040, section 4.2).
    EcnCongestionLost = "ecn_congestion_lost",
    /// The inner packet is outside the SA's selector (RFC 4301, section 5.2).
    SaSelectorMismatch = "sa_selector_mismatch",
    // NIDS, Router and the way out.
    /// A rule matched, and `onMatch` is Drop.
    NidsDrop = "nids_drop",
    /// No route has the destination.
    NoRoute = "no_route",
    /// The TTL arrived as 0 or 1.
    TtlExpired = "ttl_expired",
    /// The packet is larger than the egress port's MTU.
    MtuExceeded = "mtu_exceeded",
    /// The port did not take the frame.
    TxFailed = "tx_failed",
    /// The dataplane is stopping.
    Draining = "draining",
}

impl DropReason {
    /// The number of the reason: an index for counters, below [`COUNT`](Self::COUNT).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The reason of that number.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for DropReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<Malformed> for DropReason {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::TruncatedEthernet => Self::TruncatedEthernet,
            Malformed::TruncatedIpv4 => Self::TruncatedIpv4,
            Malformed::Version => Self::BadIpVersion,
            Malformed::HeaderLength => Self::BadIpHeaderLength,
            Malformed::TotalLength => Self::BadIpTotalLength,
            Malformed::Checksum => Self::BadIpChecksum,
            Malformed::TruncatedLayer4 => Self::TruncatedL4,
        }
    }
}

impl From<EspDrop> for DropReason {
    fn from(drop: EspDrop) -> Self {
        match drop {
            EspDrop::SequenceExhausted => Self::SequenceExhausted,
            EspDrop::StateUnavailable => Self::StateUnavailable,
            EspDrop::TransportFragment => Self::TransportFragment,
            EspDrop::TooLong => Self::MtuExceeded,
            EspDrop::NoRoom => Self::NoHeadroom,
            EspDrop::EspFragment => Self::EspFragment,
            EspDrop::EspMalformed => Self::EspTooShort,
            EspDrop::TunnelSource => Self::TunnelSourceMismatch,
            EspDrop::Replayed => Self::Replayed,
            EspDrop::ReplayTooOld => Self::ReplayTooOld,
            EspDrop::BadIcv => Self::BadIcv,
            EspDrop::BadPadding => Self::BadPadding,
            EspDrop::Dummy => Self::EspDummy,
            EspDrop::BadNextHeader => Self::BadNextHeader,
            EspDrop::BadInner => Self::BadInner,
            EspDrop::Ecn => Self::EcnCongestionLost,
            EspDrop::SelectorMismatch => Self::SaSelectorMismatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn esp_counts_under_the_same_names() {
        for drop in EspDrop::ALL {
            assert_eq!(DropReason::from(drop).as_str(), drop.reason());
        }
    }

    #[test]
    fn numbers_and_names_are_one_to_one() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(DropReason::from_index(index), Some(*reason));
        }
        assert_eq!(DropReason::from_index(DropReason::COUNT), None);
        let names: HashSet<_> = DropReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), DropReason::COUNT);
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
        );
    }
}
