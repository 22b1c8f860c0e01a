//! ESP in `explain`: the header logic of the packet path, with the RustCrypto
//! ciphers in between.
//!
//! Each packet is judged by itself, as the first of its SA: sequence numbers
//! and replay windows are the running dataplane's, not the tables'.

use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::NoPadding};
use hmac::{Hmac, Mac};
use hummingbird_esp::{
    Direction, ESP_HEADER, EspDrop, EspJob, ICV, IV, Mode, OwnedFrame, PacketBuffer, Sa, SaIdentity,
    SaStates, encapsulate, finish_decrypt, open,
};
use hummingbird_packet::{Ipv4Header, Protocol};
use sha1::Sha1;

use crate::{
    DropReason,
    tables::{EspMode, SaKeys, SecurityAssociation, has_ports},
};

/// Encapsulates the frame by the first SA whose selector holds.
pub(super) fn encrypt<'a>(
    associations: &'a [SecurityAssociation],
    frame: &mut OwnedFrame,
    header: &Ipv4Header,
) -> Result<&'a SecurityAssociation, DropReason> {
    let ports = has_ports(header);
    let takes = |sa: &&SecurityAssociation| sa.selector.holds_for_flow(&header.tuple, ports);
    let sa = associations.iter().find(takes).ok_or(DropReason::NoSa)?;
    let state = SaStates::volatile()
        .outbound(&identity(sa, Direction::Outbound), sa.esn)
        .map_err(|_| DropReason::StateUnavailable)?;
    let job = encapsulate(&state, &prepared(sa), frame, header, [0; IV])?;
    seal(&sa.keys, &job, frame.bytes_mut()).ok_or(DropReason::NoHeadroom)?;
    Ok(sa)
}

/// Decapsulates the frame by the SA of its SPI and outer destination.
pub(super) fn decrypt<'a>(
    associations: &'a [SecurityAssociation],
    frame: &mut OwnedFrame,
    header: &Ipv4Header,
) -> (Option<&'a SecurityAssociation>, Result<(), DropReason>) {
    if header.tuple.protocol != Protocol::ESP {
        return (None, Err(DropReason::EspTooShort));
    }
    if header.fragment.is_fragment() {
        return (None, Err(DropReason::EspFragment));
    }
    let names = |sa: &&SecurityAssociation| {
        sa.spi == header.spi
            && match sa.mode {
                EspMode::Tunnel { destination, .. } => destination == header.tuple.destination,
                EspMode::Transport => true,
            }
    };
    let Some(sa) = associations.iter().find(names) else { return (None, Err(DropReason::UnknownSpi)) };
    (Some(sa), decrypt_by(sa, frame, header))
}

fn decrypt_by(
    sa: &SecurityAssociation,
    frame: &mut OwnedFrame,
    header: &Ipv4Header,
) -> Result<(), DropReason> {
    let state = SaStates::volatile()
        .inbound(&identity(sa, Direction::Inbound), sa.esn, sa.replay_window)
        .map_err(|_| DropReason::StateUnavailable)?;
    let prepared = prepared(sa);
    let job = open(&state, &prepared, frame, header)?;
    unseal(&sa.keys, &job, frame.bytes_mut())?;
    let selector = &sa.selector;
    finish_decrypt(&state, &prepared, frame, header, &job, |tuple, ports| {
        selector.holds_for_flow(tuple, ports)
    })?;
    Ok(())
}

fn identity(sa: &SecurityAssociation, direction: Direction) -> SaIdentity {
    let destination = match sa.mode {
        EspMode::Tunnel { destination, .. } => Some(destination),
        EspMode::Transport => None,
    };
    SaIdentity::new(direction, sa.spi, destination, &sa.keys.cipher, &sa.keys.integrity)
}

fn prepared(sa: &SecurityAssociation) -> Sa {
    let mode = match sa.mode {
        EspMode::Tunnel { source, destination } => Mode::Tunnel { source, destination },
        EspMode::Transport => Mode::Transport,
    };
    Sa::new(sa.spi, mode)
}

/// Enciphers the text of an ESP packet (RFC 3602) and writes its ICV.
fn seal(keys: &SaKeys, job: &EspJob, frame: &mut [u8]) -> Option<()> {
    let (packet, icv) = frame.get_mut(job.region())?.split_last_chunk_mut::<ICV>()?;
    let (head, text) = packet.split_at_mut_checked(ESP_HEADER + IV)?;
    let cipher = cbc::Encryptor::<aes::Aes128>::new_from_slices(&keys.cipher, &head[ESP_HEADER..]).ok()?;
    let len = text.len();
    cipher.encrypt_padded_mut::<NoPadding>(text, len).ok()?;
    *icv = authenticate(keys, job, packet)?;
    Some(())
}

/// Checks the ICV of an ESP packet and deciphers its text.
fn unseal(keys: &SaKeys, job: &EspJob, frame: &mut [u8]) -> Result<(), DropReason> {
    let region = frame.get_mut(job.region()).ok_or(EspDrop::EspMalformed)?;
    let (packet, icv) = region.split_last_chunk_mut::<ICV>().ok_or(EspDrop::EspMalformed)?;
    if authenticate(keys, job, packet).is_none_or(|right| right != *icv) {
        return Err(DropReason::BadIcv);
    }
    let (head, text) = packet.split_at_mut_checked(ESP_HEADER + IV).ok_or(EspDrop::EspMalformed)?;
    cbc::Decryptor::<aes::Aes128>::new_from_slices(&keys.cipher, &head[ESP_HEADER..])
        .ok()
        .and_then(|cipher| cipher.decrypt_padded_mut::<NoPadding>(text).ok())
        .ok_or(EspDrop::EspMalformed)?;
    Ok(())
}

/// HMAC-SHA1-96 (RFC 2404) over the packet and, with extended sequence
/// numbers, their high half (RFC 4303, section 2.8).
fn authenticate(keys: &SaKeys, job: &EspJob, packet: &[u8]) -> Option<[u8; ICV]> {
    let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(&keys.integrity).ok()?;
    mac.update(packet);
    if let Some(high) = job.seq_high {
        mac.update(&high.to_be_bytes());
    }
    mac.finalize().into_bytes().first_chunk().copied()
}
