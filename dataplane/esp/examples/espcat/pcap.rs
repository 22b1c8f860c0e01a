//! Classic Ethernet pcap files, read whole and written whole.

use std::{fs, io, path::Path};

const MAGIC: u32 = 0xa1b2_c3d4;
const ETHERNET: u32 = 1;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// The frames of a capture in this machine's byte order.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let broken = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()));
    let bytes = fs::read(path)?;
    let word = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    if word(0) != Some(MAGIC) || word(20) != Some(ETHERNET) {
        return Err(broken("no classic Ethernet capture of this byte order"));
    }
    let (mut frames, mut at) = (vec![], FILE_HEADER);
    while at < bytes.len() {
        let len = word(at + 8).ok_or_else(|| broken("a record is cut short"))? as usize;
        let start = at + RECORD_HEADER;
        frames.push(bytes.get(start..start + len).ok_or_else(|| broken("a frame is cut short"))?.to_vec());
        at = start + len;
    }
    Ok(frames)
}

/// Writes a capture; the frames' times are their numbers, in seconds.
pub fn write(path: &Path, frames: &[Vec<u8>]) -> io::Result<()> {
    let mut bytes: Vec<u8> =
        [MAGIC, 4 << 16 | 2, 0, 0, 65_535, ETHERNET].iter().flat_map(|word| word.to_ne_bytes()).collect();
    for (number, frame) in frames.iter().enumerate() {
        let len = frame.len() as u32;
        bytes.extend([number as u32, 0, len, len].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(frame);
    }
    fs::write(path, bytes)
}
