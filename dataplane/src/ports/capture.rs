//! Reading and writing captures: pcap and pcapng in, classic pcap out.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, traits::PcapReaderIterator};

/// Buffer of a reader, and so the largest record that it takes, bytes.
const READ_BUFFER: usize = 1 << 20;
/// Buffer of a writer, bytes.
const WRITE_BUFFER: usize = 1 << 18;
/// The snap length that a written capture names, bytes.
const SNAP_LENGTH: u32 = 1 << 18;

/// Why a capture cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("cannot open {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file is neither pcap nor pcapng.
    #[error("{path} is neither a pcap nor a pcapng capture: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The capture's link type is not Ethernet.
    #[error("{path} has link type {linktype}, not Ethernet (1)")]
    Linktype {
        /// The file.
        path: PathBuf,
        /// Its link type.
        linktype: i32,
    },
    /// A write failed, most often for want of space.
    #[error("cannot write {path}: {source}; packets that it should hold are lost")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// Reads a capture frame by frame.
pub struct CaptureReader {
    path: PathBuf,
    reader: Box<dyn PcapReaderIterator + Send>,
    done: bool,
}

impl CaptureReader {
    /// Opens a capture of Ethernet frames.
    ///
    /// # Errors
    /// Where the file cannot be read or holds something else.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let file = File::open(path).map_err(|source| CaptureError::Open { path: path.into(), source })?;
        let reader = pcap_parser::create_reader(READ_BUFFER, file).map_err(|error| format(path, &error))?;
        Ok(Self { path: path.into(), reader, done: false })
    }

    /// Hands the next frame's bytes, as many as were captured, to `take`;
    /// `None` after the last. A record that the file ends in the middle of
    /// ends the capture, with a warning.
    ///
    /// # Errors
    /// Where the file stops being a capture of Ethernet frames.
    pub fn next_frame<T>(&mut self, mut take: impl FnMut(&[u8]) -> T) -> Result<Option<T>, CaptureError> {
        let mut refilled = false;
        while !self.done {
            match self.reader.next() {
                Ok((consumed, block)) => {
                    refilled = false;
                    if let Some(linktype) = linktype(&block)
                        && linktype != Linktype::ETHERNET
                    {
                        return Err(CaptureError::Linktype { path: self.path.clone(), linktype: linktype.0 });
                    }
                    let frame = frame(&block).map(&mut take);
                    self.reader.consume(consumed);
                    if frame.is_some() {
                        return Ok(frame);
                    }
                }
                Err(PcapError::Eof) => self.done = true,
                Err(PcapError::Incomplete(_)) if !refilled => {
                    refilled = true;
                    self.reader.refill().map_err(|error| format(&self.path, &error))?;
                }
                Err(PcapError::Incomplete(_) | PcapError::UnexpectedEof) => {
                    tracing::warn!(path = %self.path.display(), "the capture ends in the middle of a record");
                    self.done = true;
                }
                Err(error) => return Err(format(&self.path, &error)),
            }
        }
        Ok(None)
    }
}

fn format(path: &Path, error: &PcapError<&[u8]>) -> CaptureError {
    CaptureError::Format { path: path.into(), reason: describe(error) }
}

fn describe(error: &PcapError<&[u8]>) -> String {
    match error {
        PcapError::Eof | PcapError::Incomplete(_) | PcapError::UnexpectedEof => "it ends too early".into(),
        PcapError::BufferTooSmall => format!("a record is longer than {READ_BUFFER} bytes"),
        PcapError::HeaderNotRecognized => "its first bytes are no known magic number".into(),
        other => format!("{other}"),
    }
}

fn linktype(block: &PcapBlockOwned<'_>) -> Option<Linktype> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => Some(header.network),
        PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => Some(interface.linktype),
        _ => None,
    }
}

fn frame<'a>(block: &'a PcapBlockOwned<'a>) -> Option<&'a [u8]> {
    let (data, captured) = match block {
        PcapBlockOwned::Legacy(record) => (record.data, record.caplen),
        PcapBlockOwned::NG(Block::EnhancedPacket(record)) => (record.data, record.caplen),
        PcapBlockOwned::NG(Block::SimplePacket(record)) => (record.data, record.origlen),
        _ => return None,
    };
    Some(&data[..data.len().min(captured as usize)])
}

/// Writes a classic little-endian pcap with microseconds.
pub struct CaptureWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl CaptureWriter {
    /// Creates the file, with its header.
    ///
    /// # Errors
    /// Where it cannot be created or written.
    pub fn create(path: &Path) -> Result<Self, CaptureError> {
        let file = File::create(path).map_err(|source| CaptureError::Open { path: path.into(), source })?;
        let mut writer = Self { path: path.into(), file: BufWriter::with_capacity(WRITE_BUFFER, file) };
        let mut header = Vec::with_capacity(24);
        header.extend(0xa1b2_c3d4_u32.to_le_bytes());
        header.extend(2u16.to_le_bytes());
        header.extend(4u16.to_le_bytes());
        header.extend([0; 8]);
        header.extend(SNAP_LENGTH.to_le_bytes());
        header.extend(1u32.to_le_bytes());
        writer.write(&header)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Appends a frame, stamped with the time of now.
    ///
    /// # Errors
    /// Where the kernel refuses the bytes.
    pub fn append(&mut self, frame: &[u8]) -> Result<(), CaptureError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let len = (frame.len() as u32).to_le_bytes();
        let mut record = [0; 16];
        record[0..4].copy_from_slice(&(now.as_secs() as u32).to_le_bytes());
        record[4..8].copy_from_slice(&now.subsec_micros().to_le_bytes());
        record[8..12].copy_from_slice(&len);
        record[12..16].copy_from_slice(&len);
        self.write(&record)?;
        self.write(frame)
    }

    /// Hands everything to the kernel.
    ///
    /// # Errors
    /// Where the kernel refuses it.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        self.file.flush().map_err(|source| CaptureError::Write { path: self.path.clone(), source })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        self.file.write_all(bytes).map_err(|source| CaptureError::Write { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(path: &Path) -> Result<Vec<Vec<u8>>, CaptureError> {
        let mut reader = CaptureReader::open(path)?;
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame(<[u8]>::to_vec)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn reads_what_it_writes_short_and_jumbo_frames_included() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let frames = vec![vec![], vec![1; 3], vec![2; 60], vec![3; 9230], vec![4; 65_000]];
        let mut writer = CaptureWriter::create(file.path()).unwrap();
        for frame in &frames {
            writer.append(frame).unwrap();
        }
        writer.flush().unwrap();
        assert_eq!(read_all(file.path()).unwrap(), frames);
    }

    #[test]
    fn an_empty_capture_has_a_header_and_no_frame() {
        let file = tempfile::NamedTempFile::new().unwrap();
        CaptureWriter::create(file.path()).unwrap();
        assert_eq!(file.path().metadata().unwrap().len(), 24);
        assert!(read_all(file.path()).unwrap().is_empty());
    }

    #[test]
    fn a_capture_cut_in_a_record_yields_the_records_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = CaptureWriter::create(file.path()).unwrap();
        writer.append(&[1; 100]).unwrap();
        writer.append(&[2; 100]).unwrap();
        writer.flush().unwrap();
        file.as_file().set_len(24 + 116 + 50).unwrap();
        assert_eq!(read_all(file.path()).unwrap(), vec![vec![1; 100]]);
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"apiVersion: v1\nkind: ConfigMap\n").unwrap();
        let error = read_all(file.path()).unwrap_err().to_string();
        assert!(error.contains("neither a pcap nor a pcapng"), "{error}");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut writer = match CaptureWriter::create(Path::new("/dev/full")) {
            Err(error) => return assert!(error.to_string().contains("cannot write"), "{error}"),
            Ok(writer) => writer,
        };
        let error = writer.append(&[0; 2 * WRITE_BUFFER]).unwrap_err().to_string();
        assert!(error.contains("cannot write /dev/full"), "{error}");
    }
}
