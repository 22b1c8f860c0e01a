//! The ESP kernels against published vectors: RFC 3602 section 4. The RFC's
//! packets carry no ICV; theirs here, under the key of RFC 2202 case 1, are
//! OpenSSL's (`openssl dgst -sha1 -mac HMAC`).

mod common;

use common::scene::{Keys, Scene, Slot};
use common::{Rig, Shape, scene};
use hummingbird_kernels::layout::KernelId::{self, EspDecrypt, EspEncrypt};
use hummingbird_kernels::layout::{DONE, Descriptor, ESP_CIPHER_OFFSET, ICV_BYTES, Side, outcome_offset};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte =
        |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("hex digits");
    digits.as_chunks().0.iter().map(byte).collect()
}

/// Runs a kernel on one packet, from the ESP header to the ICV.
fn run(kernel: KernelId, cipher: &str, esn_high: Option<u32>, packet: &[u8]) -> Vec<u8> {
    let mut scene = Scene::new(30);
    let cipher = hex(cipher).try_into().expect("an AES-128 key");
    let (table, _) = scene.sa(Keys { cipher, integrity: [0x0b; 20], esn: esn_high.is_some() });
    scene.packets = packet.to_vec();
    let len = (packet.len() - ESP_CIPHER_OFFSET - ICV_BYTES) as u32;
    let head: Vec<u32> = packet[..24].as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let side: Side = [head[2], head[3], head[4], head[5], head[0], head[1], esn_high.unwrap_or(0), 0];
    let slot: Slot = (Descriptor { flag: 1, table, data: 0, len, reserved: [0; 4] }, side);
    let mut rig = Rig::new(Shape::default(), &scene);
    rig.launch();
    rig.publish(0, &scene::row(kernel, 64, &[slot]));
    assert_eq!(rig.harvest(0, 0)[outcome_offset(64, 0)..][..4], DONE.to_le_bytes());
    rig.packets()
}

/// Encrypts and decrypts: `head` is ESP header and IV, `icv` what must follow.
fn both_ways(key: &str, esn_high: Option<u32>, head: &str, plain: &str, cipher: &str, icv: &str) {
    let before = [hex(head), hex(plain), vec![0; ICV_BYTES]].concat();
    let encrypted = [hex(head), hex(cipher), hex(icv)].concat();
    assert_eq!(run(EspEncrypt, key, esn_high, &before), encrypted);
    let decrypted = [hex(head), hex(plain), hex(icv)].concat();
    assert_eq!(run(EspDecrypt, key, esn_high, &encrypted), decrypted);
}

#[test]
fn aes_cbc_is_cases_1_to_4_of_rfc_3602() {
    let cases = [
        (
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            b"Single block msg".to_vec(),
            "e353779c1079aeb82708942dbe77181a",
        ),
        (
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            (0x00..0x20).collect(),
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
        ),
        (
            "6c3ea0477630ce21a2ce334aa746c2cd",
            "c782dc4c098c66cbd9cd27d825682c81",
            b"This is a 48-byte message (exactly 3 AES blocks)".to_vec(),
            "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
        ),
        (
            "56e47a38c5598974bc46903dba290349",
            "8ce82eefbea0da3c44699ed7db51b7d9",
            (0xa0..0xe0).collect(),
            "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e
          35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
        ),
    ];
    for (key, iv, plain, cipher) in cases {
        let packet = [vec![0; 8], hex(iv), plain, vec![0; ICV_BYTES]].concat();
        let after = run(EspEncrypt, key, None, &packet);
        assert_eq!(after[ESP_CIPHER_OFFSET..after.len() - ICV_BYTES], hex(cipher));
    }
}

#[test]
fn whole_packet_of_case_5_of_rfc_3602() {
    let (key, head) =
        ("90d382b410eeba7ad938c46cec1a82bf", "0000432100000001 e96e8c08ab465763fd098d45dd3ff893");
    let plain = "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f1011121314151617
                 18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637
                 0102030405060708090a0b0c0d0e 0e01";
    let cipher = "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856
                  a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a
                  a269add047ad2d5913ac19b7cfbad4a6";
    both_ways(key, None, head, plain, cipher, "cf264838385a370fec0fbf47");
    both_ways(key, Some(7), head, plain, cipher, "722b724ceda6eb5c4ff8304f");
}

#[test]
fn whole_packet_of_case_6_of_rfc_3602() {
    let (key, head) =
        ("90d382b410eeba7ad938c46cec1a82bf", "0000432100000008 69d08df7d203329db093fc4924e5bd80");
    let plain = "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777 0102 0201";
    let cipher = "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75";
    both_ways(key, None, head, plain, cipher, "d04d386a9ceb9489e89ddda3");
    both_ways(key, Some(7), head, plain, cipher, "2257972888ebbac2b8232fe8");
}

#[test]
fn whole_packet_of_case_7_of_rfc_3602() {
    let (key, head) =
        ("0123456789abcdef0123456789abcdef", "0000876500000002 f4e765244f6407adf13dc1380f673f37");
    let plain = "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d
                 02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223
                 2425262728292a2b2c2d2e2f3031323334353637 0102030405060708090a 0a04";
    let cipher = "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8
                  e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5
                  c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d";
    both_ways(key, None, head, plain, cipher, "efe628e3b9869d2a64beac38");
    both_ways(key, Some(7), head, plain, cipher, "37d387b5a64103f8f4f7cf3d");
}

#[test]
fn whole_packet_of_case_8_of_rfc_3602() {
    let (key, head) =
        ("0123456789abcdef0123456789abcdef", "0000876500000005 85d47224b5f3dd5d2101d4ea8dffab22");
    let plain = "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083d
                 a3de0300ffffffffffffffffffffffffffffffffffffffffffffffffffffffff
                 ffffffff 0102030405060708090a 0a04";
    let cipher = "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb5
                  0f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3
                  d2726d9b5ef6affc6d17a0decbb13892";
    both_ways(key, None, head, plain, cipher, "f79a5e05f70e1630adb86135");
    both_ways(key, Some(7), head, plain, cipher, "3eb5e50e12792061b66a04c5");
}
