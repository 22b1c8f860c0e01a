//! Tables of real size: a prefix table of the Internet and a rule set of
//! Emerging Threats, where the folder with the data stands beside the project.

use std::{fmt::Write, fs, io::Read, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use hummingbird_crds::tables::Work;

use crate::common::{EDGE, compiled, edit};

fn data(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let bytes = fs::read(&path).ok();
    if bytes.is_none() {
        println!("skipped: {} is not there", path.display());
    }
    bytes
}

#[test]
fn the_internets_prefixes_and_eighteen_thousand_rules_compile() {
    let (Some(prefixes), Some(rules)) =
        (data("routes/ipv4-20140513.prefixes.gz"), data("rules/emerging-bsd.rules.gz"))
    else {
        return;
    };
    let mut text = String::new();
    GzDecoder::new(prefixes.as_slice()).read_to_string(&mut text).unwrap();
    let mut csv = String::new();
    let mut count = 0;
    for prefix in text.split_whitespace().filter(|word| word.contains('/')) {
        writeln!(csv, "    {prefix},wan,02:00:00:00:02:01").unwrap();
        count += 1;
    }
    let bundle = edit(
        EDGE,
        "    10.1.0.0/16,lan,02:00:00:00:01:01\n    198.51.100.0/24,wan,02:00:00:00:02:01\n",
        &csv,
    );
    let start = bundle.find("data:\n  local.rules").unwrap();
    let end = start + bundle[start..].find("---").unwrap();
    let packed = format!("binaryData:\n  local.rules: {}\n", STANDARD.encode(rules));
    let bundle = format!("{}{packed}{}", &bundle[..start], &bundle[end..]);
    let bundle = edit(&bundle, "unsupported: Skip", "unsupported: ContentOnly");

    let compiled = compiled(&bundle);
    let Work::Router(routes) = &compiled.tables.functions[3].work else { panic!("no Router") };
    assert_eq!(routes.len(), count);
    assert!(count > 500_000, "{count}");
    let report = &compiled.rule_reports[0].1;
    assert_eq!(report.loaded + report.approximate + report.skipped, 18_290, "{}", report.summary());
    assert!(report.loaded + report.approximate > 10_000, "{}", report.summary());
}
