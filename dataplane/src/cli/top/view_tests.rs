use ratatui::{Terminal, backend::TestBackend};
use serde_json::json;

use super::*;
use crate::cli::top::{figures::Figures, sample::Sample};

/// A chain after `seconds`, everything in proportion.
fn sample(seconds: u64) -> Sample {
    let traffic = |pps: u64| json!({"packets": pps * seconds, "bytes": pps * seconds * 500});
    let with = |pps: u64, more: serde_json::Value| {
        let mut all = traffic(pps);
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let function = |compute: &str, units: u16, pps: u64, out: u64, limit: u64| {
        with(
            pps,
            json!({
                "compute": compute, "units": units, "drops": {"no_sa": seconds * 3}, "waiting": 40,
                "latency_us": {"p50": 12.5, "p99": 1234.5, "p999": 9.0}, "rows_out": out, "rows_limit": limit,
            }),
        )
    };
    let class =
        |pps: u64| with(pps, json!({"drops": {}, "latency_us": {"p50": 30.0, "p99": 99.0, "p999": 9.0}}));
    serde_json::from_value(json!({
        "chain": "default/edge", "generation": 7, "device": "pthread-haswell", "saState": "durable",
        "uptimeSeconds": seconds as f64, "inFlight": 95,
        "ports": {
            "lan": {"rx": traffic(20_000), "tx": traffic(400)},
            "wan": {"rx": traffic(1_500_000), "tx": traffic(19_000)},
        },
        "functions": {
            "encrypt": function("GPU", 2, 19_000, 3, 8),
            "ids": function("GPU", 4, 11_000, 16, 16),
            "route": function("CPU", 1, 19_500, 0, 0),
        },
        "classes": {"bulk": class(9_000), "inbound": class(20_000), "outbound": class(11_000)},
        "drops": {"no_sa": seconds * 3, "replayed": seconds * 20_000, "non_ipv4": 0},
        "warnings": ["out-00001000-198.51.100.1 has used 75 % of its sequence numbers: give it new keys"],
        "somethingNewer": 1,
    }))
    .unwrap()
}

/// The lines of a screen of that size.
fn drawn(screen: &Screen, choice: &mut Choice, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, screen, choice)).unwrap();
    let buffer = terminal.backend().buffer();
    (0..height)
        .map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned())
        .collect()
}

const AT_80_BY_24: &str = "\
default/edge  generation 7  up 1m 02s  SA state durable  in flight 95
GPU pthread-haswell
! out-00001000-198.51.100.1 has used 75 % of its sequence numbers: give it new …
PORT                                          rx pps  rx bit/s  tx pps  tx bit/s
lan                                            20.0k     80.0M     400      1.6M
wan                                             1.5M      6.0G   19.0k     76.0M
FUNCTION                 runs on    pps  p50 us  p99 us  waiting   rows  drops/s
encrypt                   GPU x2  19.0k    12.5    1234       40    3/8        3
ids                       GPU x4  11.0k    12.5    1234       40  16/16        3
route                     CPU x1  19.5k    12.5    1234       40      -        3
CLASS                                        pps  bit/s  p50 us  p99 us  drops/s
bulk                                        9000  36.0M    30.0    99.0        0
inbound                                    20.0k  80.0M    30.0    99.0        0
outbound                                   11.0k  44.0M    30.0    99.0        0
DROPS                                                             drops/s  total
replayed                                                            20.0k   1.2M
no_sa                                                                   3    186






q quit  p pause  tab table  up/down scroll";

#[test]
fn fits_80_by_24() {
    let screen = Screen::new(&sample(62), Some(&sample(60)), Figures::Short);
    let lines = drawn(&screen, &mut Choice::default(), 80, 24);
    let expected: Vec<_> = AT_80_BY_24.lines().map(str::to_owned).collect();
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
}

#[test]
fn a_wider_screen_gives_names_the_room() {
    let screen = Screen::new(&sample(62), Some(&sample(60)), Figures::Short);
    let lines = drawn(&screen, &mut Choice::default(), 132, 40);
    assert!(lines[2].ends_with("give it new keys"));
    assert!(lines[3].starts_with("PORT") && lines[3].chars().count() == 132);
    assert_eq!(lines.len(), 40);
    assert!(lines[39].starts_with("q quit"));
}

#[test]
fn a_small_screen_keeps_every_table_and_scrolls_the_chosen_one() {
    let screen = Screen::new(&sample(62), Some(&sample(60)), Figures::Short);
    let mut choice = Choice { sheet: 2, scroll: 1, ..Choice::default() };
    let lines = drawn(&screen, &mut choice, 80, 13);
    for name in ["PORT 1-1/2", "FUNCTION 1-1/3", "CLASS 2-3/3", "DROPS 1-1/2"] {
        assert!(lines.iter().any(|line| line.starts_with(name)), "{name}\n{}", lines.join("\n"));
    }
    assert!(lines.iter().any(|line| line.starts_with("outbound")), "\n{}", lines.join("\n"));
    assert!(!lines.iter().any(|line| line.starts_with("bulk")), "\n{}", lines.join("\n"));
    // A scroll past the end is put right, and nothing panics however small it gets.
    choice.scroll = 99;
    drawn(&screen, &mut choice, 80, 13);
    assert_eq!(choice.scroll, 1);
    for (width, height) in [(1, 1), (3, 2), (10, 5)] {
        drawn(&screen, &mut choice, width, height);
    }
}

#[test]
fn pause_and_trouble_are_shown() {
    let screen = Screen::new(&sample(1), None, Figures::Short);
    let mut choice = Choice { paused: true, ..Choice::default() };
    assert!(drawn(&screen, &mut choice, 80, 24)[23].starts_with("PAUSED"));
    choice.trouble = Some("nobody listens".into());
    assert_eq!(drawn(&screen, &mut choice, 80, 24)[23], "! nobody listens");
}

#[test]
fn text_has_exact_rates_or_totals() {
    let rates = text(&Screen::new(&sample(62), Some(&sample(60)), Figures::Exact));
    let row = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row(&rates, "wan"), ["wan", "1500000", "6000000000", "19000", "76000000"]);
    assert_eq!(row(&rates, "replayed"), ["replayed", "20000", "1240000"]);
    assert!(rates.contains("\nwarning: out-00001000"));
    let totals = text(&Screen::new(&sample(62), None, Figures::Exact));
    assert_eq!(row(&totals, "wan"), ["wan", "93000000", "46500000000", "1178000", "589000000"]);
    assert_eq!(row(&totals, "route"), ["route", "CPU", "x1", "1209000", "12.5", "1234.5", "40", "-", "186"]);
}

#[test]
fn a_process_that_restarted_shows_totals() {
    let screen = Screen::new(&sample(1), Some(&sample(60)), Figures::Exact);
    assert_eq!(screen.sheets[0].columns[1], "rx packets");
    assert_eq!(screen.sheets[0].rows[0][1], "20000");
}

#[test]
fn the_chosen_table_gets_the_room() {
    assert_eq!(heights(&[3, 10, 10, 4], 0, 30), [3, 10, 10, 4]);
    assert_eq!(heights(&[3, 10, 10, 4], 2, 16), [2, 2, 10, 2]);
    assert_eq!(heights(&[3, 10, 10, 4], 0, 5), [2, 2, 1, 0]);
    assert_eq!(heights(&[3, 1, 1, 1], 1, 6), [3, 1, 1, 1]);
}
