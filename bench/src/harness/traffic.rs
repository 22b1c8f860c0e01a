//! Traffic that is the same in every run.

use std::{fs::File, io::Write, path::Path};

use anyhow::Context as _;
use hummingbird_packet::{Frame, checksum, parse};
use pcap_parser::{PcapBlockOwned, PcapError};

/// Frames of a trace: more than a burst, few enough for the second-level cache.
pub const FRAMES: usize = 1024;

/// Numbers that look random and are the same every time (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }
}

/// A UDP frame of `size` bytes (at least 60, without FCS) from 172.16.0.0/16 to
/// `destination`, its payload printable text.
pub fn frame(size: usize, destination: [u8; 4], random: &mut Random) -> Vec<u8> {
    let mut frame = vec![0; size];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 9, 1, 2, 0, 0, 0, 9, 2, 8, 0]);
    let ip = &mut frame[14..];
    let total = (ip.len() as u16).to_be_bytes();
    let source = random.bits().to_be_bytes();
    ip[..20].copy_from_slice(&[
        0x45,
        0,
        total[0],
        total[1],
        0,
        0,
        0x40,
        0,
        64,
        17,
        0,
        0,
        172,
        16,
        source[0],
        source[1],
        destination[0],
        destination[1],
        destination[2],
        destination[3],
    ]);
    let sum = checksum::of(&ip[..20]).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    let udp = ((ip.len() - 20) as u16).to_be_bytes();
    ip[20..28].copy_from_slice(&[source[2] | 0x80, source[3], 0x23, 0x28, udp[0], udp[1], 0, 0]);
    ip[28..].iter_mut().for_each(|byte| *byte = b' ' + random.below(95) as u8);
    frame
}

/// [`FRAMES`] frames; `share` of them, spread evenly, to `first`, the others to `second`.
pub fn mix(size: usize, share: f64, first: [u8; 4], second: [u8; 4]) -> Vec<Vec<u8>> {
    let mut random = Random(7);
    let mut owed = 0.0;
    (0..FRAMES)
        .map(|_| {
            owed += share;
            let to_first = owed >= 1.0;
            if to_first {
                owed -= 1.0;
            }
            frame(size, if to_first { first } else { second }, &mut random)
        })
        .collect()
}

/// Writes a classic pcap of Ethernet frames.
///
/// # Errors
/// The file cannot be written.
pub fn write_pcap(path: &Path, frames: &[Vec<u8>]) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 1 << 18, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        let len = frame.len() as u32;
        for word in [0, 0, len, len] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    File::create(path)
        .and_then(|mut file| file.write_all(&bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The frames of a capture that are IPv4 with a payload.
///
/// # Errors
/// The file cannot be read.
pub fn read_frames(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = pcap_parser::create_reader(1 << 20, file)
        .map_err(|error| anyhow::anyhow!("{}: {error:?}", path.display()))?;
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok((consumed, block)) => {
                if let PcapBlockOwned::Legacy(record) = block
                    && let Ok(Frame::Ipv4(header)) = parse(record.data)
                    && !header.payload().is_empty()
                {
                    frames.push(record.data.to_vec());
                }
                reader.consume(consumed);
            }
            Err(PcapError::Incomplete(_)) => {
                reader.refill().map_err(|error| anyhow::anyhow!("{}: {error:?}", path.display()))?;
            }
            Err(_) => return Ok(frames),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_valid_and_captures_hold_them() {
        let frames = mix(128, 0.93, [10, 2, 1, 1], [10, 2, 2, 2]);
        let to_first = frames.iter().filter(|frame| frame[30..34] == [10, 2, 1, 1]).count();
        assert!((950..=954).contains(&to_first), "{to_first}");
        for frame in &frames {
            let Ok(Frame::Ipv4(header)) = parse(frame) else { panic!("a bad frame") };
            assert_eq!(header.payload(), 42..128);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        write_pcap(file.path(), &frames).unwrap();
        assert_eq!(read_frames(file.path()).unwrap(), frames);
    }
}
