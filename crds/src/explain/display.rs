//! What `explain` says, for people: a line, and one for each step.

use std::fmt;

use super::{Explanation, Flow, Outcome, RuleHit, Step};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} bytes", self.port, self.bytes)?;
        if let Some(flow) = &self.flow {
            write!(f, " {flow}")?;
        }
        writeln!(f)?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        write!(f, "  {}", self.outcome)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.protocol)?;
        if (self.source_port, self.destination_port) == (0, 0) {
            write!(f, "{} -> {}", self.source, self.destination)?;
        } else {
            write!(
                f,
                "{}:{} -> {}:{}",
                self.source, self.source_port, self.destination, self.destination_port
            )?;
        }
        f.write_str(if self.fragment { " (fragment)" } else { "" })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIpv4 { ether_type } => write!(f, "no IPv4: EtherType {ether_type}"),
            Self::Entered { class, path } => write!(f, "class {class}: {}", arrows(path)),
            Self::Encrypted { function, sa, spi, bytes } => {
                write!(f, "{function}: encrypted by SA {sa} (SPI {spi}), {bytes} bytes")
            }
            Self::Decrypted { function, sa, spi, inner: Some(inner) } => {
                write!(f, "{function}: decrypted by SA {sa} (SPI {spi}): {inner}")
            }
            Self::Decrypted { function, sa, spi, inner: None } => {
                write!(f, "{function}: SA {sa} (SPI {spi})")
            }
            Self::Inspected { function, rules, .. } if rules.is_empty() => {
                write!(f, "{function}: no rule matches")
            }
            Self::Inspected { function, rules, .. } => {
                let rules: Vec<_> = rules.iter().map(RuleHit::to_string).collect();
                write!(f, "{function}: {}", rules.join("; "))
            }
            Self::Moved { function, from, class } => {
                write!(f, "{function}: moved from class {from} to {class}")
            }
            Self::Routed { function, prefix, port, next_hop_mac, ttl } => {
                write!(f, "{function}: route {prefix} by {port} to {next_hop_mac}, TTL {ttl}")
            }
        }
    }
}

impl fmt::Display for RuleHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} \"{}\"", self.sid, self.msg)?;
        f.write_str(if self.approximate { " (approximate)" } else { "" })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { port, destination_mac, bytes } => {
                write!(f, "sent by {port} to {destination_mac}, {bytes} bytes")
            }
            Self::Dropped { reason, function: Some(function) } => {
                write!(f, "dropped in {function}: {reason}")
            }
            Self::Dropped { reason, function: None } => write!(f, "dropped: {reason}"),
        }
    }
}

fn arrows(path: &[String]) -> String {
    let hops = ["rx"].into_iter().chain(path.iter().map(String::as_str)).chain(["tx"]);
    hops.collect::<Vec<_>>().join(" -> ")
}
