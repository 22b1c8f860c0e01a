//! The journal's file: what is whole is read, everything else is an error with a way out.

mod kernel;

use std::collections::BTreeMap;

use kernel::{MACHINE, Machine, nic, request};
use nicbind::{Entry, Journal, JournalError, PciAddress, RealDisk, decode, encode};
use proptest::prelude::*;

/// The file after one bind.
fn file() -> Vec<u8> {
    let machine = Machine::new(Some("e1000e"), Some("none"));
    machine.start().unwrap().bind(&request()).unwrap();
    let world = machine.0.borrow();
    world.platter.get("bindings.json").unwrap().to_vec()
}

/// The file with this body and a right checksum.
fn with_body(body: &str) -> Vec<u8> {
    let crc32 = crc32fast::hash(body.as_bytes());
    format!("{{\"format\":\"nicbind-journal\",\"version\":1,\"crc32\":{crc32}}}\n{body}").into_bytes()
}

#[test]
fn what_is_written_is_read() {
    let entries = decode(&file(), MACHINE).unwrap();
    assert_eq!(entries[&nic()].trail.len(), 3);
    assert_eq!(decode(&encode(MACHINE, &entries), MACHINE).unwrap(), entries);
    let none: BTreeMap<PciAddress, Entry> = BTreeMap::new();
    assert_eq!(decode(&encode(MACHINE, &none), MACHINE).unwrap(), none);
}

#[test]
fn each_wrong_file_has_its_error() {
    let whole = String::from_utf8(file()).unwrap();
    let wrong = |text: &str| decode(text.as_bytes(), MACHINE).unwrap_err();
    assert!(matches!(wrong(""), JournalError::NotAJournal { .. }));
    assert!(matches!(wrong("hello\n"), JournalError::NotAJournal { .. }));
    assert!(matches!(
        wrong(&whole.replace("nicbind-journal", "another-journal")),
        JournalError::NotAJournal { .. }
    ));
    assert!(matches!(
        wrong(&whole.replace("\"version\":1", "\"version\":2")),
        JournalError::Version { found: 2 }
    ));
    assert!(matches!(wrong(&whole.replace("e1000e", "e1000f")), JournalError::Damaged { .. }));
    assert!(matches!(wrong(&whole[..whole.len() - 1]), JournalError::Damaged { .. }));
    assert!(matches!(
        decode(whole.as_bytes(), "machine-b"),
        Err(JournalError::Foreign { found, expected }) if found == MACHINE && expected == "machine-b"
    ));
    let (_, body) = whole.split_once('\n').unwrap();
    for (from, to) in [("0000:00:03.0", "0000:00:99.0"), ("e1000e", "../e1000e"), ("\"mtu\"", "\"mtv\"")] {
        let changed = with_body(&body.replace(from, to));
        assert!(matches!(decode(&changed, MACHINE), Err(JournalError::Damaged { .. })), "{to}");
    }
    let start = body.find('[').unwrap() + 1;
    let entry = &body[start..body.rfind(']').unwrap()];
    let twice = with_body(&format!("{}{entry},{}", &body[..start], &body[start..]));
    assert!(matches!(decode(&twice, MACHINE), Err(JournalError::Damaged { why }) if why.contains("twice")));
}

#[test]
fn a_damaged_journal_stops_everything_and_is_kept() {
    let machine = Machine::new(Some("e1000e"), None);
    machine.change(|world| world.platter.put("bindings.json", b"\0\0\0"));
    assert!(machine.start().is_err());
    assert_eq!(machine.0.borrow().platter.get("bindings.json"), Some(&b"\0\0\0"[..]));
}

#[test]
fn one_process_per_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state/nics");
    let held = RealDisk::open(&folder).unwrap();
    assert!(matches!(RealDisk::open(&folder), Err(JournalError::Locked { .. })));
    drop(held);
    assert_eq!(Journal::open(RealDisk::open(&folder).unwrap(), MACHINE).unwrap().entries().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&bytes, MACHINE).is_err());
    }

    #[test]
    fn no_body_panics(body in "[ -~\n]{0,200}") {
        prop_assert!(decode(&with_body(&body), MACHINE).is_err());
    }

    #[test]
    fn no_flipped_bit_passes(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let whole = file();
        let mut bytes = whole.clone();
        bytes[at.index(whole.len())] ^= 1 << bit;
        let entries = decode(&whole, MACHINE).unwrap();
        // White space in the header may change into other white space; the records cannot.
        prop_assert!(decode(&bytes, MACHINE).map_or(true, |read| read == entries));
    }
}
