//! AES-128-CBC and HMAC-SHA1-96 from RustCrypto's parts: what a cipher, on
//! whatever compute, does with an [`EspJob`].

use aes::Aes128;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::NoPadding};
use hmac::{Hmac, Mac};
use hummingbird_esp::{Direction, ESP_HEADER, EspJob, ICV, IV, SaIdentity};
use sha1::Sha1;
use std::net::Ipv4Addr;

/// The keys of an SA.
#[derive(Clone, Copy)]
pub struct Keys {
    pub cipher: [u8; 16],
    pub integrity: [u8; 20],
}

impl Keys {
    pub fn identity(&self, direction: Direction, spi: u32, destination: Option<Ipv4Addr>) -> SaIdentity {
        SaIdentity::new(direction, spi, destination, &self.cipher, &self.integrity)
    }

    /// Enciphers the text and writes the ICV.
    pub fn seal(&self, frame: &mut [u8], job: &EspJob) {
        let esp = &mut frame[job.region()];
        let icv = esp.len() - ICV;
        let (head, text) = esp[..icv].split_at_mut(ESP_HEADER + IV);
        let len = text.len();
        cbc::Encryptor::<Aes128>::new_from_slices(&self.cipher, &head[ESP_HEADER..])
            .unwrap()
            .encrypt_padded_mut::<NoPadding>(text, len)
            .unwrap();
        let tag = self.tag(&esp[..icv], job.seq_high);
        esp[icv..].copy_from_slice(&tag);
    }

    /// Compares the ICV; where it is right, deciphers the text.
    pub fn unseal(&self, frame: &mut [u8], job: &EspJob) -> bool {
        let esp = &mut frame[job.region()];
        let (covered, icv) = esp.split_at_mut(esp.len() - ICV);
        if self.tag(covered, job.seq_high) != *icv {
            return false;
        }
        let (head, text) = covered.split_at_mut(ESP_HEADER + IV);
        cbc::Decryptor::<Aes128>::new_from_slices(&self.cipher, &head[ESP_HEADER..])
            .unwrap()
            .decrypt_padded_mut::<NoPadding>(text)
            .unwrap();
        true
    }

    fn tag(&self, covered: &[u8], seq_high: Option<u32>) -> [u8; ICV] {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.integrity).unwrap();
        mac.update(covered);
        if let Some(high) = seq_high {
            mac.update(&high.to_be_bytes());
        }
        *mac.finalize().into_bytes().first_chunk().unwrap()
    }
}
