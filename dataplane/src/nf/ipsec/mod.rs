//! IPsec ESP (RFC 4303): AES-128-CBC with HMAC-SHA1-96, tunnel and transport
//! mode. Headers, numbers and windows are `hummingbird-esp`'s and written
//! once; the cipher is intel-ipsec-mb's on the CPU and our kernel's on the GPU.

mod decrypt;
mod encrypt;
mod sa;

pub use decrypt::{CpuDecrypt, DecryptData, GpuDecrypt};
pub use encrypt::{CpuEncrypt, EncryptData, GpuEncrypt};
pub use sa::{LiveSa, SaError};

use hummingbird_crds::DropReason;
use hummingbird_esp::EspJob;
use hummingbird_kernels::layout::Side;
use hummingbird_packet::{Frame, Ipv4Header, parse};
use ipsec_mb::{Job, Key};

use crate::packet::Packet;

/// The packet's IPv4 header. What reaches an NF has been parsed before.
fn header_of(packet: &Packet) -> Result<Ipv4Header, DropReason> {
    match parse(packet.data()) {
        Ok(Frame::Ipv4(header)) => Ok(header),
        Ok(Frame::Other(_)) | Err(_) => Err(DropReason::BadInner),
    }
}

/// intel-ipsec-mb's part in one packet. `None` cannot be: the header logic has
/// put the whole region into the packet.
fn cipher_job<'a>(key: &'a Key, packet: &'a mut Packet, esp: &EspJob) -> Option<Job<'a>> {
    let region = packet.data_mut().get_mut(esp.region())?;
    Job::new(key, region, esp.seq_high).ok()
}

/// What the ESP kernels find beside a descriptor: IV and ESP header as they
/// stand in the packet, and the high half of an extended number.
fn side(packet: &Packet, job: &EspJob) -> Side {
    let mut side = Side::default();
    let start = job.esp_offset as usize;
    let word = |at: usize| {
        packet
            .data()
            .get(start + at..start + at + 4)
            .map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    for (index, word_offset) in [8, 12, 16, 20, 0, 4].into_iter().enumerate() {
        side[index] = word(word_offset);
    }
    side[6] = job.seq_high.unwrap_or(0);
    side
}
