//! The rules that ship as an example.

use hummingbird_rules::{Action, Options, Source, load};

#[test]
fn the_example_rules_are_all_evaluated_exactly() {
    let text = include_bytes!("../../../examples/rules/local.rules");
    let sources = [Source { name: "local.rules", text }];
    let (set, report) = load(&sources, &Options::default()).unwrap();
    assert!(report.loaded >= 147, "{report}");
    assert_eq!((report.skipped, report.approximate, report.warnings.len()), (0, 0, 0), "{report}");
    assert!(set.rules().iter().any(|rule| rule.action == Action::Pass));
    assert!(set.rules().iter().all(|rule| !rule.msg.is_empty() && rule.sid > 9_000_000));
}
