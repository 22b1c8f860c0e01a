//! The rules of Emerging Threats, 18,290 of them, as far as they are at hand.

use std::{io::Read, path::Path, time::Instant};

use hummingbird_rules::{MAX_PATTERN, Options, Source, Unsupported, load};

fn rules() -> Option<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?;
    let path = root.join("shared/data/rules/emerging-bsd.rules.gz");
    let Ok(packed) = std::fs::read(&path) else {
        println!("skipped: {} is absent", path.display());
        return None;
    };
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(&*packed).read_to_end(&mut text).unwrap();
    Some(text)
}

#[test]
fn the_real_set_loads_whole_and_in_seconds() {
    let Some(text) = rules() else { return };
    let active = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"alert")).count();
    let sources = [Source { name: "emerging-bsd.rules", text: &text }];
    let mut options = Options { unsupported: Unsupported::ContentOnly, ..Options::default() };
    let start = Instant::now();
    let (set, report) = load(&sources, &options).unwrap();
    let took = start.elapsed();
    println!("{report}\n{took:?}");
    assert_eq!(report.loaded + report.approximate + report.skipped, active);
    assert_eq!(set.len(), report.loaded + report.approximate);
    assert!(report.loaded > 500 && report.approximate > 15_000, "{}", report.summary());
    assert!(report.invalid < 20, "{}", report.summary());
    assert!(took.as_secs() < 10, "{took:?}");

    let states: std::collections::HashSet<&[u8]> =
        set.patterns().iter().flat_map(|pattern| (0..=pattern.len()).map(|len| &pattern[..len])).collect();
    let lone = set.rules().iter().filter(|rule| rule.pattern.is_none()).count();
    println!("{} patterns, {} states, {lone} rules without a pattern", set.patterns().len(), states.len());
    assert!(states.len() <= 65_536, "a dense DFA of 256 classes and 4 bytes stays within 64 MiB");
    assert!(set.patterns().iter().all(|pattern| pattern.len() <= MAX_PATTERN));

    options.unsupported = Unsupported::Skip;
    let (_, skip) = load(&sources, &options).unwrap();
    assert_eq!((skip.loaded, skip.approximate), (report.loaded, 0));
    assert!(skip.by_option["flow"].skipped > 16_000, "{}", skip.summary());
}
