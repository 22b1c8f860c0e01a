//! The examples that ship with the project.

use std::{fs, path::Path};

use hummingbird_crds::Capacity;

use crate::common::attempt;

#[test]
fn every_example_compiles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let found = attempt(&text, Capacity { workgroups: Some(16) });
            assert!(found.is_ok(), "{}: {:#?}", path.display(), found.err());
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} examples");
}
