//! The ESP kernels against RustCrypto.

mod common;

use common::scene::{DUMMY, Scene, Slot};
use common::{Rig, Shape, check_rows, scene};
use hummingbird_kernels::layout::KernelId::{EspDecrypt, EspEncrypt};
use hummingbird_kernels::layout::{BAD_ICV, DONE, ESP_CIPHER_OFFSET, ICV_BYTES, KernelId, outcome_offset};

/// Cipher lengths that put the end of the hash everywhere in its block, and
/// that of a jumbo frame.
const LENGTHS: [usize; 10] = [0, 16, 32, 48, 64, 80, 512, 1456, 1472, 9264];

fn rows_of(kernel: KernelId, slots: &[Slot]) -> Vec<(KernelId, Vec<Slot>)> {
    slots.chunks(64).map(|slots| (kernel, slots.to_vec())).collect()
}

/// A slot for each length, alignment modulo 16, and SA with and without ESN.
fn everywhere(
    scene: &mut Scene,
    slot: impl Fn(&mut Scene, (u32, scene::Keys), usize, usize) -> Slot,
) -> Vec<Slot> {
    let sas = [scene.random_sa(false), scene.random_sa(true)];
    let mut slots = Vec::new();
    for len in LENGTHS {
        for align in 0..16 {
            slots.extend(sas.map(|sa| slot(scene, sa, len, align)));
        }
    }
    slots
}

#[test]
fn encrypt_at_every_length_and_alignment() {
    let mut scene = Scene::new(1);
    let slots = everywhere(&mut scene, Scene::plain);
    check_rows(Shape::default(), &scene, &rows_of(EspEncrypt, &slots));
}

#[test]
fn decrypt_at_every_length_and_alignment() {
    let mut scene = Scene::new(2);
    let slots = everywhere(&mut scene, |scene, sa, len, align| scene.cipher(sa, len, align, None));
    check_rows(Shape::default(), &scene, &rows_of(EspDecrypt, &slots));
}

#[test]
fn every_wrong_bit_is_refused_and_the_packet_untouched() {
    let mut scene = Scene::new(3);
    let sa = scene.random_sa(true);
    let bits = 8 * (ESP_CIPHER_OFFSET + 16 + ICV_BYTES) as u32;
    let mut slots: Vec<Slot> = (0..bits).map(|bit| scene.cipher(sa, 16, 12, Some(bit))).collect();
    // The high half of the sequence number is not in the packet.
    let mut wrong_esn = scene.cipher(sa, 16, 12, None);
    wrong_esn.1[6] ^= 1;
    slots.push(wrong_esn);
    let mut rig = Rig::new(Shape { depth: 8, ..Shape::default() }, &scene);
    rig.launch();
    for (index, slots) in slots.chunks(64).enumerate() {
        rig.publish(0, &scene::row(EspDecrypt, 64, slots));
        let row = rig.harvest(0, index as u32);
        for item in 0..slots.len() {
            assert_eq!(row[outcome_offset(64, item)..][..4], BAD_ICV.to_le_bytes());
        }
    }
    assert!(rig.packets() == scene.packets);
}

#[test]
fn good_and_forged_packets_of_all_sizes_share_a_row() {
    let mut scene = Scene::new(4);
    let sas = [scene.random_sa(false), scene.random_sa(true), scene.random_sa(false)];
    let slots: Vec<Slot> = (0..256)
        .map(|n| {
            let (len, align) = (16 * scene.noise.below(100) as usize, scene.noise.below(64) as usize);
            let forge = (n % 3 == 0).then(|| scene.noise.word());
            scene.cipher(sas[n % 3], len, align, forge)
        })
        .collect();
    check_rows(Shape::default(), &scene, &rows_of(EspDecrypt, &slots));
}

#[test]
fn dummies_are_untouched_wherever_they_stand() {
    let mut scene = Scene::new(5);
    let sa = scene.random_sa(false);
    let real = [scene.plain(sa, 64, 0), scene.plain(sa, 128, 4)];
    // Behind the count a row holds dummies anyway; here they also stand within.
    let slots = vec![DUMMY, real[0], DUMMY, real[1], DUMMY];
    check_rows(
        Shape::default(),
        &scene,
        &[(EspEncrypt, slots), (EspEncrypt, vec![]), (EspDecrypt, vec![DUMMY; 64])],
    );
}

#[test]
fn a_decrypted_packet_is_what_was_encrypted() {
    let mut scene = Scene::new(6);
    let sa = scene.random_sa(true);
    let slots: Vec<Slot> = (0..64).map(|n| scene.plain(sa, 16 * n, 12)).collect();
    let mut rig = Rig::new(Shape::default(), &scene);
    rig.launch();
    rig.publish(0, &scene::row(EspEncrypt, 64, &slots));
    rig.publish(0, &scene::row(EspDecrypt, 64, &slots));
    let row = rig.harvest(0, 1);
    let after = rig.packets();
    for (item, (d, _)) in slots.iter().enumerate() {
        assert_eq!(row[outcome_offset(64, item)..][..4], DONE.to_le_bytes());
        let plain = d.data as usize..d.data as usize + ESP_CIPHER_OFFSET + d.len as usize;
        assert!(after[plain.clone()] == scene.packets[plain]);
    }
}
