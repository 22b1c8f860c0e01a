//! What `explain` says, for programs.

use std::net::Ipv4Addr;

use hummingbird_packet::Ipv4Header;
use hummingbird_rules::Rule;
use serde::Serialize;

use crate::DropReason;

/// What would happen to one packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The port that it came in by.
    pub port: String,
    /// Length of the frame as received.
    pub bytes: usize,
    /// Its flow as received; `None` where it is no sound IPv4 packet.
    pub flow: Option<Flow>,
    /// The class that it was classified in.
    pub class: Option<String>,
    /// The functions that it visited.
    pub path: Vec<String>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// `TCP`, `UDP`, `ICMP`, `ESP` or a number.
    pub protocol: String,
    /// Source port; 0 without ports.
    pub source_port: u16,
    /// Destination port; 0 without ports.
    pub destination_port: u16,
    /// Whether it is a fragment.
    pub fragment: bool,
}

impl Flow {
    pub(super) fn of(header: &Ipv4Header) -> Self {
        let tuple = &header.tuple;
        Self {
            source: tuple.source,
            destination: tuple.destination,
            protocol: tuple.protocol.to_string(),
            source_port: tuple.source_port,
            destination_port: tuple.destination_port,
            fragment: header.fragment.is_fragment(),
        }
    }
}

/// One step of a packet's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// The frame is no IPv4.
    NoIpv4 {
        /// Its EtherType, `0x0806`.
        ether_type: String,
    },
    /// It entered a class, by classification or by a transition.
    Entered {
        /// The class.
        class: String,
        /// The functions of its path.
        path: Vec<String>,
    },
    /// It became an ESP packet.
    Encrypted {
        /// The function.
        function: String,
        /// The SA that took it.
        sa: String,
        /// The SA's SPI.
        spi: u32,
        /// Length of the frame now.
        bytes: usize,
    },
    /// An SA was found for the ESP packet.
    Decrypted {
        /// The function.
        function: String,
        /// The SA.
        sa: String,
        /// The SA's SPI.
        spi: u32,
        /// The flow of what was inside; `None` where that did not come out.
        inner: Option<Flow>,
    },
    /// Its content was compared with the rules.
    Inspected {
        /// The function.
        function: String,
        /// The rules that match.
        rules: Vec<RuleHit>,
        /// Whether the verdict is Match: approximate rules alone do not make it so.
        matched: bool,
    },
    /// A verdict moved it to another class.
    Moved {
        /// The function whose verdict it was.
        function: String,
        /// The class that it left.
        from: String,
        /// The class that it is in now.
        class: String,
    },
    /// A route was found.
    Routed {
        /// The function.
        function: String,
        /// The route's prefix.
        prefix: String,
        /// The route's port.
        port: String,
        /// The route's next hop.
        next_hop_mac: String,
        /// TTL before the Router took one off.
        ttl: u8,
    },
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleHit {
    /// Signature id.
    pub sid: u32,
    /// What it is about.
    pub msg: String,
    /// Whether it was compared by header and contents alone.
    pub approximate: bool,
}

impl RuleHit {
    pub(super) fn of(rule: &Rule) -> Self {
        Self { sid: rule.sid, msg: rule.msg.to_string(), approximate: rule.approximate }
    }
}

/// How a packet ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// It was sent.
    Sent {
        /// The port that it left by.
        port: String,
        /// Destination MAC address of the frame.
        destination_mac: String,
        /// Length of the frame.
        bytes: usize,
    },
    /// It was dropped.
    Dropped {
        /// Why.
        reason: DropReason,
        /// The function that dropped it; `None` before the first and after the last.
        function: Option<String>,
    },
}

/// `02:00:00:00:00:01`.
pub(super) fn mac(bytes: &[u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}
