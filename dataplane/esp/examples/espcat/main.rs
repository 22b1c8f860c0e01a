//! Encrypts or decrypts a capture under one SA: this crate's header logic with
//! a cipher, and nothing of the dataplane. `tests/judges/esp.py` holds it
//! against Scapy and tshark.
//!
//! ```text
//! espcat SA IN.pcap OUT.pcap
//! ```
//!
//! `SA` is JSON: `direction` (`encrypt`, `decrypt`), `cipher` (`ipsec-mb`,
//! `rust`), `spi`, `source` and `destination` (both, for tunnel mode),
//! `cipherKey` and `integrityKey` in hex, and where they differ from 0 and false
//! `esn`, `replayWindow`, `lastSequence` (the last number used before). One line
//! a frame tells what became of it: `ok`, or the drop reason.

mod pcap;

#[path = "../../tests/common/cipher.rs"]
mod cipher;

use std::{error::Error, net::Ipv4Addr, path::Path};

use cipher::Keys;
use hummingbird_esp::{
    CtrIv, Direction, EspDrop, EspJob, InboundSa, IvSource, Mode, OutboundSa, OwnedFrame, PacketBuffer, Sa,
    SaStates, StateOptions, encapsulate, finish_decrypt, open,
};
use hummingbird_packet::{Frame, Ipv4Header, parse};
use ipsec_mb::{BURST, Job, Key, Manager, Verdict};
use serde_json::Value;

type Failure = Box<dyn Error>;

/// Both ciphers that a job may go through.
enum Cipher {
    Rust(Keys),
    IpsecMb(Manager, Key),
}

impl Cipher {
    /// Runs a burst; for each packet, whether it is good.
    fn run(
        &mut self,
        direction: Direction,
        burst: &mut [(OwnedFrame, EspJob)],
    ) -> Result<Vec<bool>, Failure> {
        let (manager, key) = match self {
            Self::Rust(keys) => {
                let one = |(buf, job): &mut (OwnedFrame, EspJob)| match direction {
                    Direction::Outbound => {
                        keys.seal(buf.bytes_mut(), job);
                        true
                    }
                    Direction::Inbound => keys.unseal(buf.bytes_mut(), job),
                };
                return Ok(burst.iter_mut().map(one).collect());
            }
            Self::IpsecMb(manager, key) => (manager, key),
        };
        let mut jobs = burst
            .iter_mut()
            .map(|(buf, job)| Job::new(key, &mut buf.bytes_mut()[job.region()], job.seq_high))
            .collect::<Result<Vec<_>, _>>()?;
        match direction {
            Direction::Outbound => manager.encrypt_burst(&mut jobs),
            Direction::Inbound => manager.decrypt_burst(&mut jobs),
        }
        Ok(jobs.iter().map(|job| job.verdict() == Verdict::Done).collect())
    }
}

/// What the JSON says.
struct Config {
    direction: Direction,
    ipsec_mb: bool,
    spi: u32,
    tunnel: Option<(Ipv4Addr, Ipv4Addr)>,
    keys: Keys,
    esn: bool,
    replay_window: u32,
    last_sequence: u64,
}

impl Config {
    fn parse(text: &str) -> Result<Self, Failure> {
        let json: Value = serde_json::from_str(text)?;
        let string = |name: &str| json[name].as_str();
        let number = |name: &str| json[name].as_u64().unwrap_or(0);
        let direction = match string("direction") {
            Some("encrypt") => Direction::Outbound,
            Some("decrypt") => Direction::Inbound,
            _ => return Err("direction: encrypt or decrypt".into()),
        };
        let tunnel = match (string("source"), string("destination")) {
            (Some(source), Some(destination)) => Some((source.parse()?, destination.parse()?)),
            _ => None,
        };
        let keys = Keys {
            cipher: hex(string("cipherKey")).ok_or("cipherKey: 16 bytes in hex")?,
            integrity: hex(string("integrityKey")).ok_or("integrityKey: 20 bytes in hex")?,
        };
        Ok(Self {
            direction,
            ipsec_mb: string("cipher") == Some("ipsec-mb"),
            spi: u32::try_from(number("spi"))?,
            tunnel,
            keys,
            esn: json["esn"] == true,
            replay_window: u32::try_from(number("replayWindow"))?,
            last_sequence: number("lastSequence"),
        })
    }

    fn sa(&self) -> Sa {
        let mode =
            self.tunnel.map_or(Mode::Transport, |(source, destination)| Mode::Tunnel { source, destination });
        Sa::new(self.spi, mode)
    }

    fn cipher(&self) -> Result<Cipher, Failure> {
        if !self.ipsec_mb {
            return Ok(Cipher::Rust(self.keys));
        }
        let manager = Manager::new()?;
        let key = Key::new(&manager, &self.keys.cipher, &self.keys.integrity);
        Ok(Cipher::IpsecMb(manager, key))
    }

    fn identity(&self) -> hummingbird_esp::SaIdentity {
        self.keys.identity(self.direction, self.spi, self.tunnel.map(|(_, destination)| destination))
    }
}

fn hex<const N: usize>(text: Option<&str>) -> Option<[u8; N]> {
    let text = text.filter(|text| text.is_ascii() && text.len() == 2 * N)?;
    let bytes: Option<Vec<u8>> =
        (0..N).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()).collect();
    bytes?.try_into().ok()
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, input, output] = &arguments[..] else {
        return Err("usage: espcat SA IN.pcap OUT.pcap".into());
    };
    let config = Config::parse(config)?;
    let frames = pcap::read(Path::new(input))?;
    let mut out = vec![];
    let results = match config.direction {
        Direction::Outbound => encrypt(&config, &frames, &mut out)?,
        Direction::Inbound => decrypt(&config, &frames, &mut out)?,
    };
    for result in results {
        println!("{}", result.err().map_or("ok", EspDrop::reason));
    }
    pcap::write(Path::new(output), &out)?;
    Ok(())
}

fn ipv4(frame: &[u8]) -> Result<Ipv4Header, Failure> {
    match parse(frame)? {
        Frame::Ipv4(header) => Ok(header),
        Frame::Other(ethertype) => Err(format!("a frame of EtherType {ethertype:#06x}").into()),
    }
}

/// A sender that has used `lastSequence` numbers: one whose process ended
/// while they were reserved.
fn outbound(config: &Config) -> Result<std::sync::Arc<OutboundSa>, Failure> {
    let fresh = SaStates::volatile();
    if config.last_sequence == 0 {
        return Ok(fresh.outbound(&config.identity(), config.esn)?);
    }
    let dir = tempfile::tempdir()?;
    let options = StateOptions { outbound_block: config.last_sequence, ..StateOptions::default() };
    let before = SaStates::open_with(dir.path(), options)?;
    let held = before.outbound(&config.identity(), config.esn)?;
    before.close()?;
    drop(held);
    Ok(SaStates::open_with(dir.path(), options)?.outbound(&config.identity(), config.esn)?)
}

fn encrypt(
    config: &Config,
    frames: &[Vec<u8>],
    out: &mut Vec<Vec<u8>>,
) -> Result<Vec<Result<(), EspDrop>>, Failure> {
    let (sa, state) = (config.sa(), outbound(config)?);
    let (mut cipher, mut ivs) = (config.cipher()?, CtrIv::new()?);
    let mut results = vec![];
    for frames in frames.chunks(BURST) {
        let mut burst = vec![];
        for frame in frames {
            let mut buf = OwnedFrame::new(frame);
            let job = encapsulate(&state, &sa, &mut buf, &ipv4(frame)?, ivs.next_iv());
            results.push(job.map(|_| ()));
            burst.extend(job.ok().map(|job| (buf, job)));
        }
        if !cipher.run(Direction::Outbound, &mut burst)?.into_iter().all(|good| good) {
            return Err("the cipher refused a job".into());
        }
        out.extend(burst.iter().map(|(buf, _)| buf.bytes().to_vec()));
    }
    Ok(results)
}

fn inbound(config: &Config) -> Result<std::sync::Arc<InboundSa>, Failure> {
    let state = SaStates::volatile().inbound(&config.identity(), config.esn, config.replay_window)?;
    if config.last_sequence != 0 {
        state.commit(config.last_sequence)?;
    }
    Ok(state)
}

fn decrypt(
    config: &Config,
    frames: &[Vec<u8>],
    out: &mut Vec<Vec<u8>>,
) -> Result<Vec<Result<(), EspDrop>>, Failure> {
    let (sa, state) = (config.sa(), inbound(config)?);
    let mut cipher = config.cipher()?;
    let mut results = vec![];
    for frames in frames.chunks(BURST) {
        let first = results.len();
        let (mut burst, mut places) = (vec![], vec![]);
        for frame in frames {
            let (mut buf, header) = (OwnedFrame::new(frame), ipv4(frame)?);
            let job = open(&state, &sa, &mut buf, &header);
            if let Ok(job) = job {
                places.push((results.len() - first, header));
                burst.push((buf, job));
            }
            results.push(job.map(|_| ()));
        }
        let good = cipher.run(Direction::Inbound, &mut burst)?;
        for (((mut buf, job), (place, header)), good) in burst.into_iter().zip(places).zip(good) {
            let finished = if good {
                finish_decrypt(&state, &sa, &mut buf, &header, &job, |_, _| true)
            } else {
                Err(EspDrop::BadIcv)
            };
            out.extend(finished.is_ok().then(|| buf.bytes().to_vec()));
            results[first + place] = finished.map(|_| ());
        }
    }
    Ok(results)
}
