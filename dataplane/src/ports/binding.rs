//! `--port NAME=BINDING`: what a port of the manifest is bound to in this run.

use std::{path::PathBuf, str::FromStr};

/// One `--port` argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortArgument {
    /// The port's name in the manifest.
    pub name: String,
    /// What it is bound to.
    pub binding: Binding,
}

/// What a port is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A capture in, a capture out; the run ends when every capture is through.
    Pcap {
        /// Capture read, pcap or pcapng.
        input: PathBuf,
        /// Classic pcap written.
        output: PathBuf,
        /// Packets per second; as fast as credit admits where absent.
        rate: Option<u64>,
    },
    /// Nothing comes in; what goes out is gone.
    Null,
    /// A capture looped from memory; what goes out is gone.
    Trace {
        /// Capture read once.
        input: PathBuf,
        /// Packets per second, like a live port; as fast as credit admits where absent.
        rate: Option<u64>,
    },
    /// A TAP interface of that name, made by this process.
    Tap(String),
    /// An existing kernel interface through `AF_PACKET`.
    AfPacket(String),
    /// An existing kernel interface through `AF_XDP`.
    AfXdp(String),
    /// A PCI device bound to vfio-pci, by address.
    Pci(String),
}

/// Why a `--port` argument is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// No `=`.
    #[error("'{0}' is not NAME=BINDING, for example lan=pcap:in.pcap,out.pcap")]
    NoName(String),
    /// An unknown kind before the colon.
    #[error(
        "unknown binding '{0}'; known are pcap:IN,OUT[,rate=PPS], null, trace:FILE[,rate=PPS], tap:NAME, af_packet:IF, af_xdp:IF, pci:ADDR"
    )]
    Kind(String),
    /// `pcap` without both files.
    #[error("pcap needs two files: pcap:IN,OUT[,rate=PPS]")]
    PcapFiles,
    /// `trace` without a file.
    #[error("trace needs a file: trace:FILE[,rate=PPS]")]
    TraceFile,
    /// An option other than `rate=PPS`.
    #[error("unknown option '{0}'; the one known is rate=PPS")]
    Option(String),
    /// A rate that is no positive number.
    #[error("'{0}' is not a rate in packets per second, at least 1")]
    Rate(String),
    /// A device kind without a device.
    #[error("{0} needs a name after the colon")]
    NoDevice(&'static str),
}

impl FromStr for PortArgument {
    type Err = BindingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, binding)) if !name.is_empty() => {
                Ok(Self { name: name.into(), binding: binding.parse()? })
            }
            _ => Err(BindingError::NoName(text.into())),
        }
    }
}

impl FromStr for Binding {
    type Err = BindingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let device = |kind, make: fn(String) -> Self| {
            if rest.is_empty() { Err(BindingError::NoDevice(kind)) } else { Ok(make(rest.into())) }
        };
        match kind {
            "pcap" => {
                let mut parts = rest.split(',');
                let (Some(input), Some(output)) = (file(parts.next()), file(parts.next())) else {
                    return Err(BindingError::PcapFiles);
                };
                Ok(Self::Pcap { input, output, rate: rate(parts)? })
            }
            "trace" => {
                let mut parts = rest.split(',');
                let input = file(parts.next()).ok_or(BindingError::TraceFile)?;
                Ok(Self::Trace { input, rate: rate(parts)? })
            }
            "null" if rest.is_empty() => Ok(Self::Null),
            "tap" => device("tap", Self::Tap),
            "af_packet" => device("af_packet", Self::AfPacket),
            "af_xdp" => device("af_xdp", Self::AfXdp),
            "pci" => device("pci", Self::Pci),
            _ => Err(BindingError::Kind(text.into())),
        }
    }
}

fn file(part: Option<&str>) -> Option<PathBuf> {
    part.filter(|part| !part.is_empty() && !part.starts_with("rate=")).map(PathBuf::from)
}

fn rate<'a>(options: impl Iterator<Item = &'a str>) -> Result<Option<u64>, BindingError> {
    let mut rate = None;
    for option in options {
        let value = option.strip_prefix("rate=").ok_or_else(|| BindingError::Option(option.into()))?;
        rate = Some(
            value.parse().ok().filter(|rate| *rate > 0).ok_or_else(|| BindingError::Rate(value.into()))?,
        );
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(text: &str) -> Result<Binding, BindingError> {
        text.parse::<PortArgument>().map(|argument| argument.binding)
    }

    #[test]
    fn reads_every_kind() {
        assert_eq!(
            binding("lan=pcap:a.pcap,b.pcap,rate=1000"),
            Ok(Binding::Pcap { input: "a.pcap".into(), output: "b.pcap".into(), rate: Some(1000) })
        );
        assert_eq!(binding("lan=trace:a.pcap"), Ok(Binding::Trace { input: "a.pcap".into(), rate: None }));
        assert_eq!(binding("lan=null"), Ok(Binding::Null));
        assert_eq!(binding("lan=tap:hb0"), Ok(Binding::Tap("hb0".into())));
        assert_eq!(binding("lan=af_packet:eth1"), Ok(Binding::AfPacket("eth1".into())));
        assert_eq!(binding("lan=af_xdp:eth1"), Ok(Binding::AfXdp("eth1".into())));
        assert_eq!(binding("lan=pci:0000:00:03.0"), Ok(Binding::Pci("0000:00:03.0".into())));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(binding("pcap:a,b"), Err(BindingError::NoName("pcap:a,b".into())));
        assert_eq!(binding("lan=pcap:a.pcap"), Err(BindingError::PcapFiles));
        assert_eq!(binding("lan=pcap:a.pcap,rate=1"), Err(BindingError::PcapFiles));
        assert_eq!(binding("lan=trace:"), Err(BindingError::TraceFile));
        assert_eq!(binding("lan=trace:a,rate=0"), Err(BindingError::Rate("0".into())));
        assert_eq!(binding("lan=trace:a,speed=1"), Err(BindingError::Option("speed=1".into())));
        assert_eq!(binding("lan=tap:"), Err(BindingError::NoDevice("tap")));
        assert_eq!(binding("lan=carrier-pigeon"), Err(BindingError::Kind("carrier-pigeon".into())));
    }
}
