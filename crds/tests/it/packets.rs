//! Packets built by hand.

use aes::cipher::{BlockEncryptMut, KeyIvInit, block_padding::NoPadding};
use hmac::{Hmac, Mac};
use hummingbird_packet::checksum;
use sha1::Sha1;

/// Destination MAC address of every frame here.
pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// An Ethernet frame of an IPv4 packet.
pub fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + payload.len() as u16).to_be_bytes());
    header.extend([0, 0, 0x40, 0, ttl, protocol, 0, 0]);
    header.extend(source);
    header.extend(destination);
    let sum = checksum::of(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&MAC[..], &[2, 0, 0, 0, 0, 2, 8, 0], &header, payload].concat()
}

/// A datagram from port 1234.
pub fn udp(source: [u8; 4], destination: [u8; 4], port: u16, text: &[u8]) -> Vec<u8> {
    let mut datagram = 1234u16.to_be_bytes().to_vec();
    datagram.extend(port.to_be_bytes());
    datagram.extend((8 + text.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(text);
    ipv4(source, destination, 17, 64, &datagram)
}

/// The frame as the first fragment of a datagram.
pub fn first_fragment(mut frame: Vec<u8>) -> Vec<u8> {
    frame[20] = 0x20;
    frame[24..26].fill(0);
    let sum = checksum::of(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// The trailer of an ESP text: padding 1, 2, 3, … to whole blocks, and IPv4 as next header.
pub fn padded(inner: &[u8]) -> Vec<u8> {
    let pad = (16 - (inner.len() + 2) % 16) % 16;
    let padding: Vec<u8> = (1..=pad as u8).collect();
    [inner, &padding, &[pad as u8, 4]].concat()
}

/// An ESP packet by the example's keys from the peer: `text` is enciphered
/// (RFC 3602) and authenticated (RFC 2404), `esn` being the high half of the
/// sequence number.
pub fn esp(spi: u32, text: &[u8], esn: Option<u32>) -> Vec<u8> {
    let iv = [7; 16];
    let cipher = cbc::Encryptor::<aes::Aes128>::new(b"hummingbird-demo".into(), &iv.into());
    let mut cipher_text = text.to_vec();
    cipher.encrypt_padded_mut::<NoPadding>(&mut cipher_text, text.len()).unwrap();
    let mut packet = [&spi.to_be_bytes()[..], &1u32.to_be_bytes(), &iv, &cipher_text].concat();
    let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(b"hummingbird-icv-demo").unwrap();
    mac.update(&packet);
    if let Some(high) = esn {
        mac.update(&high.to_be_bytes());
    }
    packet.extend(&mac.finalize().into_bytes()[..12]);
    ipv4([198, 51, 100, 1], [192, 0, 2, 1], 50, 64, &packet)
}
