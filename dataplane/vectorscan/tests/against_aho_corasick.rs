//! The same patterns in the same bytes as another library finds.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use proptest::prelude::*;
use vectorscan::{CompileError, Database, Scratch};

fn found(database: &Database, scratch: &mut Scratch, data: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    database.scan(data, scratch, |pattern| found.push(pattern)).unwrap();
    found.sort_unstable();
    found
}

fn expected(patterns: &[Vec<u8>], data: &[u8]) -> Vec<u32> {
    let search = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).unwrap();
    let found: BTreeSet<u32> =
        search.find_overlapping_iter(data).map(|found| found.pattern().as_u32()).collect();
    found.into_iter().collect()
}

/// Few different bytes, so that patterns overlap and occur; NUL, both cases,
/// what has a meaning in expressions, and what is no UTF-8.
fn byte() -> impl Strategy<Value = u8> {
    prop::sample::select(b"\0aAbB.*\\x5[\xff\n ".to_vec())
}

fn patterns() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::btree_set(prop::collection::vec(byte(), 1..6), 0..40).prop_map(|set| {
        let lower: BTreeSet<Vec<u8>> = set.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
        lower.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn finds_what_aho_corasick_finds(
        patterns in patterns(),
        blocks in prop::collection::vec(prop::collection::vec(byte(), 0..300), 1..8),
    ) {
        let database = Database::new(&patterns).unwrap();
        let mut scratch = Scratch::new();
        for block in &blocks {
            prop_assert_eq!(found(&database, &mut scratch, block), expected(&patterns, block));
        }
    }
}

#[test]
fn one_scratch_serves_more_databases_than_it_remembers() {
    let databases: Vec<Database> =
        (0..20u8).map(|n| Database::new(&[[b'k', n, b'z'], [b'k', n, b'y']]).unwrap()).collect();
    let mut scratch = Scratch::new();
    for _ in 0..3 {
        for (n, database) in databases.iter().enumerate() {
            assert_eq!(found(database, &mut scratch, &[b'K', n as u8, b'Y', 1]), [1]);
        }
    }
}

#[test]
fn threads_share_a_database() {
    let database = Database::new(&["needle", "pin"]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut scratch = Scratch::new();
                for _ in 0..1000 {
                    assert_eq!(found(&database, &mut scratch, b"a NEEDLE and a neEdle"), [0]);
                }
            });
        }
    });
}

#[test]
fn no_pattern_finds_nothing_and_an_empty_one_is_refused() {
    let none = Database::new::<&[u8]>(&[]).unwrap();
    assert_eq!((found(&none, &mut Scratch::new(), b"anything"), none.bytes()), (vec![], 0));
    assert_eq!(Database::new(&["a", ""]).unwrap_err(), CompileError::Empty(1));
}

#[test]
fn a_refused_pattern_is_named() {
    // 16,000 bytes are the most that the library takes for one expression.
    let long = vec![b'a'; 20_000];
    let error = Database::new(&[b"short".to_vec(), long]).unwrap_err();
    assert!(matches!(error, CompileError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("vectorscan refuses"), "{error}");
}
