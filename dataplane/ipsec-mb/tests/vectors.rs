//! Published vectors: RFC 3602 (AES-CBC, whole ESP packets), RFC 2202 (HMAC-SHA1).

mod common;

use common::{cbc_encrypt, hex, hmac_sha1};
use ipsec_mb::{Job, Key, Manager, Verdict};

/// RFC 3602, section 4: key, IV, plain text, cipher text.
fn rfc3602() -> Vec<[Vec<u8>; 4]> {
    let counting = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let ping = |data: &str, padding: &str| [hex(data), counting(8, 0x37), hex(padding)].concat();
    vec![
        [
            hex("06a9214036b8a15b512e03d534120006"),
            hex("3dafba429d9eb430b422da802c9fac41"),
            b"Single block msg".to_vec(),
            hex("e353779c1079aeb82708942dbe77181a"),
        ],
        [
            hex("c286696d887c9aa0611bbb3e2025a45a"),
            hex("562e17996d093d28ddb3ba695a2e6f58"),
            counting(0, 0x1f),
            hex("d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"),
        ],
        [
            hex("6c3ea0477630ce21a2ce334aa746c2cd"),
            hex("c782dc4c098c66cbd9cd27d825682c81"),
            b"This is a 48-byte message (exactly 3 AES blocks)".to_vec(),
            hex("d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5
                 021c19216bad525c8579695d83ba2684"),
        ],
        [
            hex("56e47a38c5598974bc46903dba290349"),
            hex("8ce82eefbea0da3c44699ed7db51b7d9"),
            counting(0xa0, 0xdf),
            hex("c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e
                 35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55"),
        ],
        // Case 5: the text of a transport-mode ping, SPI 0x4321, number 1.
        [
            hex("90d382b410eeba7ad938c46cec1a82bf"),
            hex("e96e8c08ab465763fd098d45dd3ff893"),
            ping("08000ebd a70a0000 8e9c083d b95b0700", "01020304 05060708 090a0b0c 0d0e0e01"),
            hex("f663c25d 325c18c6 a9453e19 4e120849 a4870b66 cc6b9965 330013b4 898dc856
                 a4699e52 3a55db08 0b59ec3a 8e4b7e52 775b07d1 db34ed9c 538ab50c 551b874a
                 a269add0 47ad2d59 13ac19b7 cfbad4a6"),
        ],
    ]
}

#[test]
fn rfc_3602_both_ways() {
    let mut manager = Manager::new().unwrap();
    for (number, [cipher, iv, plain, sealed]) in rfc3602().into_iter().enumerate() {
        let key = Key::new(&manager, cipher[..].try_into().unwrap(), &[0x0b; 20]);
        let header = hex("00004321 00000001");
        let mut esp = [&header[..], &iv, &plain, &[0; 12]].concat();
        let mut jobs = [Job::new(&key, &mut esp, None).unwrap()];
        manager.encrypt_burst(&mut jobs);
        assert_eq!(jobs[0].verdict(), Verdict::Done);
        assert_eq!(esp[24..esp.len() - 12], sealed, "case {}", number + 1);
        let covered = [&header[..], &iv, &sealed].concat();
        assert_eq!(esp[esp.len() - 12..], hmac_sha1(&[0x0b; 20], &[&covered])[..12]);
        let mut jobs = [Job::new(&key, &mut esp, None).unwrap()];
        manager.decrypt_burst(&mut jobs);
        assert_eq!(jobs[0].verdict(), Verdict::Done);
        assert_eq!(esp[24..esp.len() - 12], plain, "case {}", number + 1);
    }
}

/// An ESP region is 40 bytes at least, RFC 2202's texts are shorter: so the
/// vectors judge the reference, and the reference (`against_reference.rs`)
/// judges the library.
#[test]
fn rfc_2202_and_rfc_3602_hold_for_the_reference() {
    let cases: [(Vec<u8>, Vec<u8>, &str); 4] = [
        (vec![0x0b; 20], b"Hi There".to_vec(), "b617318655057264e28bc0b6fb378c8ef146be00"),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (vec![0xaa; 20], vec![0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
        ((1..=25).collect(), vec![0xcd; 50], "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
    ];
    for (key, text, tag) in cases {
        assert_eq!(hmac_sha1(&key, &[&text])[..], hex(tag));
    }
    for [cipher, iv, mut plain, sealed] in rfc3602() {
        cbc_encrypt(cipher[..].try_into().unwrap(), &iv, &mut plain);
        assert_eq!(plain, sealed);
    }
}
