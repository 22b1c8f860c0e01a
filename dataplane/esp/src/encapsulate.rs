//! Encrypt: everything but the cipher.

use hummingbird_packet::{ETHERNET_HEADER, Ipv4Header, Protocol, checksum};

use crate::{
    ESP_HEADER, EspDrop, EspJob, ICV, IV, Mode, OutboundSa, PacketBuffer, Sa, ecn, padding, sa::OUTER,
};

/// Don't Fragment, in the flags of an IPv4 header.
const DONT_FRAGMENT: u16 = 0x4000;

/// IPv4 total length, bytes, of a packet once encapsulated: what an egress MTU
/// judges, before any number is spent.
#[must_use]
pub fn encapsulated_len(sa: &Sa, header: &Ipv4Header) -> usize {
    let (before, payload) = split(sa, header);
    before + ESP_HEADER + IV + padding::text_len(payload) + ICV
}

/// Bytes of the IPv4 header before ESP, and of what is enciphered.
fn split(sa: &Sa, header: &Ipv4Header) -> (usize, usize) {
    let (total, own) = (usize::from(header.total_len), usize::from(header.header_len));
    match sa.mode {
        Mode::Tunnel { .. } => (OUTER, total),
        Mode::Transport => (own, total.saturating_sub(own)),
    }
}

/// Makes an ESP packet of the frame, `header` being what parsing it gave: all
/// headers, IV and trailer in place, the text still in clear, and 12 bytes
/// after it for the ICV. Ethernet padding is trimmed; the Ethernet header is
/// moved to the new front. The inner packet is taken byte for byte.
///
/// # Errors
/// The drop reason. The frame may then have been trimmed, and no more.
pub fn encapsulate<B: PacketBuffer>(
    state: &OutboundSa,
    sa: &Sa,
    buf: &mut B,
    header: &Ipv4Header,
    iv: [u8; 16],
) -> Result<EspJob, EspDrop> {
    if sa.mode == Mode::Transport && header.fragment.is_fragment() {
        return Err(EspDrop::TransportFragment);
    }
    let total_len = u16::try_from(encapsulated_len(sa, header)).map_err(|_| EspDrop::TooLong)?;
    let padding = buf.bytes().len().checked_sub(header.end()).ok_or(EspDrop::BadInner)?;
    buf.trim_end(padding);

    let (ip_len, payload) = split(sa, header);
    let text_len = padding::text_len(payload);
    let (next_header, pushed) = match sa.mode {
        Mode::Tunnel { .. } => (Protocol::IPIP, OUTER + ESP_HEADER + IV),
        Mode::Transport => (header.tuple.protocol, ESP_HEADER + IV),
    };
    make_room(buf, pushed, text_len - payload + ICV)?;
    let sequence = match state.take() {
        Ok(sequence) => sequence,
        Err(reason) => {
            buf.trim_front(pushed);
            buf.trim_end(text_len - payload + ICV);
            return Err(reason);
        }
    };

    let frame = buf.bytes_mut();
    match sa.mode {
        Mode::Tunnel { .. } => {
            frame.copy_within(pushed..pushed + ETHERNET_HEADER, 0);
            let outer = outer_header(state, sa, header, total_len);
            frame[ETHERNET_HEADER..][..OUTER].copy_from_slice(&outer);
        }
        Mode::Transport => {
            frame.copy_within(pushed..pushed + ETHERNET_HEADER + ip_len, 0);
            rewrite_header(&mut frame[ETHERNET_HEADER..][..ip_len], total_len, Protocol::ESP);
        }
    }
    let esp_offset = ETHERNET_HEADER + ip_len;
    let esp = &mut frame[esp_offset..];
    esp[..4].copy_from_slice(&sa.spi.to_be_bytes());
    esp[4..ESP_HEADER].copy_from_slice(&(sequence as u32).to_be_bytes());
    esp[ESP_HEADER..][..IV].copy_from_slice(&iv);
    let text = &mut esp[ESP_HEADER + IV..][..text_len];
    padding::write(&mut text[payload..], next_header.0);
    Ok(EspJob {
        esp_offset: esp_offset as u32,
        cipher_len: text_len as u32,
        sequence,
        seq_high: state.esn().then_some((sequence >> 32) as u32),
    })
}

/// Room at both ends or no change.
fn make_room<B: PacketBuffer>(buf: &mut B, front: usize, end: usize) -> Result<(), EspDrop> {
    if !buf.prepend(front) {
        return Err(EspDrop::NoRoom);
    }
    if !buf.append(end) {
        buf.trim_front(front);
        return Err(EspDrop::NoRoom);
    }
    Ok(())
}

/// The outer IPv4 header (RFC 4301, section 5.1.2.1).
fn outer_header(state: &OutboundSa, sa: &Sa, inner: &Ipv4Header, total_len: u16) -> [u8; OUTER] {
    // An atomic datagram needs no identification (RFC 6864, section 4.1).
    let (id, flags) = if inner.dont_fragment { (0, DONT_FRAGMENT) } else { (state.next_ip_id(), 0) };
    let mut outer = sa.template;
    outer[1] = ecn::outer(inner.tos);
    outer[2..4].copy_from_slice(&total_len.to_be_bytes());
    outer[4..6].copy_from_slice(&id.to_be_bytes());
    outer[6..8].copy_from_slice(&flags.to_be_bytes());
    let sum = checksum::of(&outer);
    outer[10..12].copy_from_slice(&sum.to_be_bytes());
    outer
}

/// Gives an IPv4 header another total length and protocol.
pub(crate) fn rewrite_header(header: &mut [u8], total_len: u16, protocol: Protocol) {
    header[2..4].copy_from_slice(&total_len.to_be_bytes());
    header[9] = protocol.0;
    header[10..12].fill(0);
    let sum = checksum::of(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}
