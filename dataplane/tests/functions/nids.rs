//! NIDS: the two computes give equal verdicts and equal alerts.

use std::{fmt::Write, path::Path};

use hummingbird_crds::tables::{Tables, Work};
use hummingbird_dataplane::{
    DropReason,
    forward::Verdict,
    nf::{FunctionData, nids::NidsData},
};

use crate::{
    bench::{Bench, compiled, live},
    frames::{Random, udp},
};

const WORDS: [&str; 12] = [
    "alpha", "Alpha", "alphabet", "beta", "bet", "|00 ff|x", "tab", "abba", "gamma", "mmmm", "am", "zzzzzzzz",
];

fn tables(rules: &str, on_match: &str) -> Tables {
    let rules: String = rules.lines().map(|rule| format!("    {rule}\n")).collect();
    compiled(
        &format!(
            "type: NIDS\nnids:\n  rulesFrom: {{configMapRef: {{name: rules, key: r}}}}\n  onMatch: {on_match}"
        ),
        &format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: rules, namespace: default}}\ndata:\n  r: |\n{rules}"
        ),
    )
}

/// Rules of some words, placed and case-folded in every way.
fn random_rules(random: &mut Random, count: u32) -> String {
    let mut rules = String::new();
    for sid in 1..=count {
        let action = if random.below(30) == 0 { "pass" } else { "alert" };
        let port = ["any", "any", "53", "![53,99]"][random.below(4)];
        write!(rules, "{action} udp any any -> any {port} (msg:\"rule {sid}\"; ").unwrap();
        for at in 0..=random.below(2) {
            let word = WORDS[random.below(WORDS.len())];
            let not = if at > 0 && random.below(3) == 0 { "!" } else { "" };
            let place = ["", "nocase; ", "offset:3; ", "depth:40; ", "nocase; offset:1; depth:90; "];
            write!(rules, "content:{not}\"{word}\"; {}", place[random.below(place.len())]).unwrap();
        }
        writeln!(rules, "{}sid:{sid};)", ["", "dsize:>30; ", "dsize:<200; "][random.below(3)]).unwrap();
    }
    rules
}

fn random_frames(random: &mut Random, count: usize) -> Vec<Vec<u8>> {
    let frame = |_| {
        let len = random.below(120);
        let mut payload = random.bytes(len);
        for _ in 0..random.below(10) {
            let word = WORDS[random.below(WORDS.len())].replace("|00 ff|", "\0\u{1}").into_bytes();
            let word: Vec<u8> = word.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
            let at = random.below(payload.len() + 1);
            payload.splice(at..at, word);
        }
        udp(4000, [53, 99, 80][random.below(3)], &payload)
    };
    (0..count).map(frame).collect()
}

/// The lines of an alert log without their times.
fn alerts(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        let time = line.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_f64().unwrap() > 1.7e9, "seconds since the epoch");
        line
    };
    text.lines().map(line).collect()
}

/// Runs frames through both halves; returns the verdicts and alerts of one,
/// which are those of the other.
fn both(tables: Tables, frames: &[Vec<u8>]) -> (Vec<Verdict>, Vec<serde_json::Value>) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut bench = Bench::gpu_with_alerts(log.path());
    let Work::Nids(nids) = &tables.functions[0].work else { panic!("a NIDS") };
    let data = NidsData::build(nids, Some(bench.accelerator())).unwrap();
    let (mut cpu, mut gpu) = (data.on_cpu().unwrap(), data.on_gpu().unwrap());
    let tables = live(tables, Box::new(data));
    let (mut here, mut there) = (bench.packets(frames), bench.packets(frames));
    let on_cpu = bench.on_cpu(&mut *cpu, &tables, &mut here);
    let on_gpu = bench.on_gpu(&mut *gpu, &tables, &mut there);
    assert_eq!(on_cpu, on_gpu);
    for ((here, there), frame) in here.iter().zip(&there).zip(frames) {
        assert_eq!(here.data(), frame, "a NIDS changes nothing");
        assert_eq!(there.data(), frame, "a NIDS changes nothing");
    }
    drop((here, there, tables));
    bench.close();
    let mut alerts = alerts(log.path());
    let of_gpu = alerts.split_off(alerts.len() / 2);
    assert_eq!(alerts, of_gpu);
    (on_cpu, alerts)
}

#[test]
fn random_rules_over_random_payloads() {
    for seed in [11, 12, 13] {
        let mut random = Random(seed);
        let rules = random_rules(&mut random, 60);
        let frames = random_frames(&mut random, 600);
        let (alerting, alerts) = both(tables(&rules, "Alert"), &frames);
        let matches = alerting.iter().filter(|verdict| **verdict == Verdict::Match).count();
        assert!((60..600).contains(&matches), "{matches} of 600 matched");
        assert!(alerts.len() > matches, "several rules match some packets");

        let (dropping, same) = both(tables(&rules, "Drop"), &frames);
        assert_eq!(alerts, same);
        for (alert, drop) in alerting.iter().zip(&dropping) {
            assert_eq!(*alert == Verdict::Match, *drop == Verdict::Drop(DropReason::NidsDrop));
        }
    }
}

#[test]
fn an_alert_says_who_what_and_where() {
    let rules = "alert udp any any -> any 53 (msg:\"two words\"; content:\"ping\"; sid:7; rev:3;)";
    let (verdicts, alerts) =
        both(tables(rules, "Alert"), &[udp(4000, 53, b"a ping"), udp(4000, 54, b"a ping")]);
    assert_eq!(verdicts, [Verdict::Match, Verdict::Pass]);
    let wanted = serde_json::json!({
        "sid": 7, "gid": 1, "rev": 3, "msg": "two words", "source": "192.0.2.1", "source_port": 4000,
        "destination": "10.0.0.1", "destination_port": 53, "protocol": 17, "class": "all", "function": "it",
        "approximate": false, "generation": 1,
    });
    assert_eq!(alerts, [wanted]);
}

#[test]
fn more_patterns_than_an_outcome_holds_are_all_found() {
    let words: Vec<String> = (0..40).map(|number| format!("word-{number:02}")).collect();
    let rules: String = (0..40)
        .map(|number| {
            format!("alert udp any any -> any any (content:\"{}\"; sid:{};)\n", words[number], number + 1)
        })
        .collect();
    let frames: Vec<_> =
        [1, 7, 8, 9, 40].iter().map(|count| udp(1, 2, words[..*count].join(" ").as_bytes())).collect();
    let (verdicts, alerts) = both(tables(&rules, "Alert"), &frames);
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Match));
    assert_eq!(alerts.len(), 1 + 7 + 8 + 9 + 40);
}
