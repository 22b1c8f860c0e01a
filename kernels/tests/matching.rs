//! The match kernel against the aho-corasick crate.

mod common;

use common::scene::{Scene, Slot};
use common::{Rig, Shape, check_rows, scene};
use hummingbird_kernels::layout::KernelId::Match;
use hummingbird_kernels::layout::{MATCH_NONE, MATCH_OVERFLOW, outcome_offset};

const WORDS: [&str; 12] =
    ["he", "she", "his", "hers", "GET", "get /", "/etc/passwd", "\0\0", "\u{ff}", "a", "s", "etc/pass"];

#[test]
fn text_of_every_length_and_alignment() {
    let mut scene = Scene::new(10);
    let sets = [scene.patterns(&WORDS), scene.patterns(&["e", "e", "E"])];
    let mut slots: Vec<Slot> = Vec::new();
    for len in (0..24).chain([1472, 9216]) {
        for align in 0..16 {
            let mut payload = Vec::new();
            while payload.len() < len {
                // Words often, in any case, and noise between.
                match scene.noise.below(3) {
                    0 => payload.push(scene.noise.word() as u8),
                    1 => payload.extend(WORDS[scene.noise.below(12) as usize].bytes()),
                    _ => payload.extend(WORDS[scene.noise.below(12) as usize].to_uppercase().bytes()),
                }
            }
            slots.extend(sets.map(|set| scene.payload(set, &payload[..len], align)));
        }
    }
    let rows: Vec<_> = slots.chunks(64).map(|slots| (Match, slots.to_vec())).collect();
    check_rows(Shape::default(), &scene, &rows);
}

/// The outcome of one payload.
fn outcome(patterns: &[&str], payload: &[u8]) -> [u32; 8] {
    let mut scene = Scene::new(11);
    let set = scene.patterns(patterns);
    let slot = scene.payload(set, payload, 3);
    let mut rig = Rig::new(Shape::default(), &scene);
    rig.launch();
    rig.publish(0, &scene::row(Match, 64, &[slot]));
    let row = rig.harvest(0, 0);
    let words = row[outcome_offset(64, 0)..].as_chunks().0;
    std::array::from_fn(|i| u32::from_le_bytes(words[i]))
}

const LETTERS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

#[test]
fn seven_distinct_patterns_are_no_overflow() {
    assert_eq!(outcome(&LETTERS, b"gfedcbaGAGA"), [11, 6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn an_eighth_distinct_pattern_is_told_and_all_are_counted() {
    assert_eq!(outcome(&LETTERS, b"abcdefghia"), [MATCH_OVERFLOW | 10, 0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn nothing_found_names_nothing() {
    let mut nothing = [MATCH_NONE; 8];
    nothing[0] = 0;
    assert_eq!(outcome(&LETTERS, b"xyz"), nothing);
}

#[test]
fn an_automaton_of_thousands_of_patterns() {
    let mut scene = Scene::new(12);
    let patterns: Vec<Vec<u8>> = (0..5000)
        .map(|_| (0..4 + scene.noise.below(9)).map(|_| b'a' + scene.noise.below(4) as u8).collect())
        .collect();
    let set = scene.patterns(&patterns);
    let slots: Vec<Slot> = (0..64)
        .map(|n| {
            let payload: Vec<u8> = (0..n * 8).map(|_| b'A' + scene.noise.below(4 + n) as u8).collect();
            scene.payload(set, &payload, 0)
        })
        .collect();
    check_rows(Shape::default(), &scene, &[(Match, slots)]);
}
