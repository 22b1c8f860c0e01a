//! Decrypt: everything but the cipher.

use hummingbird_packet::{ETHERNET_HEADER, FiveTuple, Frame, Ipv4Header, Protocol, checksum, parse};

use crate::{
    ESP_HEADER, EspDrop, EspJob, ICV, IV, InboundSa, Mode, PacketBuffer, Sa, ecn,
    encapsulate::rewrite_header, padding,
};

/// Looks at an ESP packet before its ICV is: lengths, tunnel source, replay
/// window. `header` is what parsing the frame gave. Ethernet padding is trimmed.
///
/// # Errors
/// The drop reason.
pub fn open<B: PacketBuffer>(
    state: &InboundSa,
    sa: &Sa,
    buf: &mut B,
    header: &Ipv4Header,
) -> Result<EspJob, EspDrop> {
    if header.fragment.is_fragment() {
        return Err(EspDrop::EspFragment);
    }
    if let Mode::Tunnel { source, .. } = sa.mode
        && source != header.tuple.source
    {
        return Err(EspDrop::TunnelSource);
    }
    let cipher_len = usize::from(header.total_len)
        .checked_sub(usize::from(header.header_len) + ESP_HEADER + IV + ICV)
        .filter(|len| *len != 0 && len.is_multiple_of(16))
        .ok_or(EspDrop::EspMalformed)?;
    let padding = buf.bytes().len().checked_sub(header.end()).ok_or(EspDrop::EspMalformed)?;
    buf.trim_end(padding);
    let esp_offset = header.l4_start();
    let esp = buf.bytes().get(esp_offset..).and_then(<[u8]>::first_chunk::<ESP_HEADER>);
    let [_, _, _, _, low @ ..] = *esp.ok_or(EspDrop::EspMalformed)?;
    let sequence = state.check(u32::from_be_bytes(low))?;
    Ok(EspJob {
        esp_offset: esp_offset as u32,
        cipher_len: cipher_len as u32,
        sequence,
        seq_high: state.esn().then_some((sequence >> 32) as u32),
    })
}

/// Takes the packet out of its ESP once the ICV was found right and the text
/// deciphered: moves the replay window, strips headers and trailer, and asks
/// `selector` (flow; whether it has ports) about the inner packet. `header` and
/// `job` are those of [`open`]. Returns the inner packet's header; the frame
/// then starts with the Ethernet header and ends with the packet.
///
/// # Errors
/// The drop reason; the frame's content is then unspecified.
pub fn finish_decrypt<B: PacketBuffer>(
    state: &InboundSa,
    sa: &Sa,
    buf: &mut B,
    header: &Ipv4Header,
    job: &EspJob,
    selector: impl FnOnce(&FiveTuple, bool) -> bool,
) -> Result<Ipv4Header, EspDrop> {
    let region = job.region();
    if region.start != header.l4_start() {
        return Err(EspDrop::EspMalformed);
    }
    state.commit(job.sequence)?;
    let text_start = region.start + ESP_HEADER + IV;
    let text = buf.bytes().get(text_start..region.end - ICV).ok_or(EspDrop::EspMalformed)?;
    let (payload, next_header) = padding::read(text).ok_or(EspDrop::BadPadding)?;
    let next_header = Protocol(next_header);
    if next_header == Protocol::NONE {
        return Err(EspDrop::Dummy);
    }
    buf.trim_end(buf.bytes().len() - text_start - payload);
    let inner = match sa.mode {
        Mode::Tunnel { .. } => strip_tunnel(buf, header, text_start, next_header)?,
        Mode::Transport => strip_transport(buf, header, text_start, payload, next_header)?,
    };
    if !selector(&inner.tuple, has_ports(&inner)) {
        return Err(EspDrop::SelectorMismatch);
    }
    Ok(inner)
}

fn has_ports(header: &Ipv4Header) -> bool {
    matches!(header.tuple.protocol, Protocol::TCP | Protocol::UDP) && !header.fragment.is_fragment()
}

fn parse_ipv4(frame: &[u8]) -> Result<Ipv4Header, EspDrop> {
    match parse(frame) {
        Ok(Frame::Ipv4(header)) => Ok(header),
        Ok(Frame::Other(_)) | Err(_) => Err(EspDrop::BadInner),
    }
}

/// The inner packet becomes the frame's. What follows it in the text is
/// padding for traffic flow confidentiality (RFC 4303, section 2.7).
fn strip_tunnel<B: PacketBuffer>(
    buf: &mut B,
    outer: &Ipv4Header,
    text_start: usize,
    next_header: Protocol,
) -> Result<Ipv4Header, EspDrop> {
    if next_header != Protocol::IPIP {
        return Err(EspDrop::BadNextHeader);
    }
    let front = text_start - ETHERNET_HEADER;
    buf.bytes_mut().copy_within(..ETHERNET_HEADER, front);
    buf.trim_front(front);
    let mut inner = parse_ipv4(buf.bytes())?;
    buf.trim_end(buf.bytes().len() - inner.end());
    let tos = ecn::decapsulated(outer.tos, inner.tos).ok_or(EspDrop::Ecn)?;
    if tos != inner.tos {
        set_tos(&mut buf.bytes_mut()[ETHERNET_HEADER..], tos);
        inner.tos = tos;
    }
    Ok(inner)
}

/// The packet's own header comes back in front of its payload.
fn strip_transport<B: PacketBuffer>(
    buf: &mut B,
    header: &Ipv4Header,
    text_start: usize,
    payload: usize,
    next_header: Protocol,
) -> Result<Ipv4Header, EspDrop> {
    let front = ESP_HEADER + IV;
    let ip_len = usize::from(header.header_len);
    buf.bytes_mut().copy_within(..text_start - front, front);
    buf.trim_front(front);
    // Shorter than the packet that came in, so it fits 16 bits.
    let total_len = (ip_len + payload) as u16;
    rewrite_header(&mut buf.bytes_mut()[ETHERNET_HEADER..][..ip_len], total_len, next_header);
    parse_ipv4(buf.bytes())
}

/// Changes the TOS byte of an IPv4 header, and its checksum with it.
fn set_tos(ip: &mut [u8], tos: u8) {
    let word = |ip: &[u8], at: usize| u16::from_be_bytes([ip[at], ip[at + 1]]);
    let old = word(ip, 0);
    ip[1] = tos;
    let sum = checksum::update(word(ip, 10), old, word(ip, 0));
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
}
