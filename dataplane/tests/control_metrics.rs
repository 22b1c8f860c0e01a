//! The metrics that are served are those that `docs/metrics.md` explains, and
//! the examples of `docs/control.md` are what is answered.

mod control_support;

use std::collections::{BTreeMap, BTreeSet};

use control_support::Rig;
use hummingbird_crds::Violation;
use hummingbird_dataplane::control::{Kind, METRICS, Refusal};

const PAGE: &str = include_str!("../../docs/metrics.md");
const CONTROL_PAGE: &str = include_str!("../../docs/control.md");

/// A metric as a page or a scrape has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    kind: String,
    labels: BTreeSet<String>,
    help: String,
}

/// What the page's first table says, by the name of the samples.
fn documented() -> BTreeMap<String, Seen> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `hummingbird_"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, help] = cells[..] else { panic!("{row}") };
        let labels =
            labels.split(", ").filter(|label| *label != "–").map(|label| label.trim_matches('`').into());
        let seen = Seen { kind: kind.into(), labels: labels.collect(), help: help.into() };
        (name.trim_matches('`').to_owned(), seen)
    })
    .collect()
}

/// What a scrape has, by the name of the samples.
fn served(text: &str) -> BTreeMap<String, Seen> {
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    let (mut help, mut kind) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').unwrap().1.into();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.split_once(' ').unwrap().1.into();
        } else if !line.starts_with('#') {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once('='));
            let seen = Seen {
                kind: kind.clone(),
                labels: labels.map(|(name, _)| name.into()).collect(),
                help: help.clone(),
            };
            let known = all.entry(name.into()).or_insert(seen);
            assert!(known.kind == kind && known.help == help, "{line}");
        }
    }
    all
}

#[test]
fn what_is_served_is_what_the_page_explains() {
    let text = String::from_utf8(Rig::new().ask("GET /metrics", b"").body).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (served, documented) = (served(&text), documented());
    assert_eq!(served.len(), METRICS.len(), "the test's report must give every metric a value");
    for (name, seen) in &served {
        assert_eq!(documented.get(name), Some(seen), "docs/metrics.md about {name}");
    }
    let gone: Vec<_> = documented.keys().filter(|name| !served.contains_key(*name)).collect();
    assert!(gone.is_empty(), "docs/metrics.md explains what is not served: {gone:?}");
}

#[test]
fn names_follow_the_conventions() {
    let units = ["_seconds", "_microseconds", "_bytes", "_packets"];
    for metric in METRICS {
        assert!(metric.name.starts_with("hummingbird_"), "{metric:?}");
        assert!(!metric.name.ends_with("_total") && !metric.name.ends_with("_info"), "{metric:?}");
        assert!(!metric.help.ends_with('.') && !metric.labels.contains(&"le"), "{metric:?}");
        if metric.kind == Kind::Counter && metric.name != "hummingbird_alerts_lost" {
            assert!(units.iter().any(|unit| metric.name.ends_with(unit)), "{metric:?}");
        }
    }
    let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
}

#[test]
fn values_are_those_of_the_report() {
    let text = String::from_utf8(Rig::new().ask("GET /metrics", b"").body).unwrap();
    for line in [
        "hummingbird_generation 5.0",
        "hummingbird_uptime_seconds 61.5",
        "hummingbird_in_flight_packets 17.0",
        "hummingbird_port_receive_packets_total{port=\"lan\"} 600",
        "hummingbird_port_transmit_bytes_total{port=\"wan\"} 60000",
        "hummingbird_dropped_packets_total{reason=\"ttl_expired\"} 4",
        "hummingbird_function_packets_total{function=\"encrypt\",compute=\"GPU\"} 600",
        "hummingbird_function_dropped_packets_total{function=\"route\",compute=\"CPU\",reason=\"no_sa\"} 3",
        "hummingbird_function_latency_microseconds{function=\"route\",compute=\"CPU\",quantile=\"0.99\"} 20.25",
        "hummingbird_function_rows_out{function=\"encrypt\",compute=\"GPU\"} 3.0",
        "hummingbird_function_rows_limit{function=\"encrypt\",compute=\"GPU\"} 8.0",
        "hummingbird_class_bytes_total{class=\"bulk\"} 30000",
        "hummingbird_sa_numbers_used{sa=\"out 0x1000 198.51.100.1 1f2e3d4c\"} 3300000000.0",
        "hummingbird_alerts_lost_total 2",
    ] {
        assert!(text.lines().any(|served| served == line), "{line}\n{text}");
    }
}

/// The example of that name on the control page.
fn example(name: &str) -> serde_json::Value {
    let (_, rest) = CONTROL_PAGE.split_once(&format!("<!-- example: {name} -->\n```json\n")).expect(name);
    serde_json::from_str(rest.split_once("```").unwrap().0).unwrap()
}

#[test]
fn the_control_pages_examples_are_what_is_answered() {
    let rig = Rig::new();
    for (name, refusal) in [
        (
            "invalid",
            Refusal::Invalid(vec![
                Violation::new("spec.classes[1].path[0]", "there is no function 'idz'").at(12),
            ]),
        ),
        (
            "restart",
            Refusal::RequiresRestart(vec![Violation::new(
                "spec.ports",
                "ports cannot change while the chain runs",
            )]),
        ),
        ("not-newer", Refusal::NotNewer { running: 5 }),
    ] {
        rig.fake.answers.lock().unwrap().push_back(Err(refusal));
        assert_eq!(rig.put("?generation=5", b"kind: NfChain").json(), example(name), "{name}");
    }
}
