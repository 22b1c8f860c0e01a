//! The NIDS' CPU half against its two possible engines driven directly.

use std::{fs, io::Read, path::Path, sync::Arc};

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, automaton::OverlappingState};
use anyhow::{Context as _, ensure};
use hummingbird_packet::{Frame, parse};
use hummingbird_rules::{Options, Packet, RuleSet, Scratch, Source, Unsupported, load};
use vectorscan::Database;

use crate::{
    harness::{
        Context,
        chart::{Chart, Series},
        compare::{Comparison, interleave},
        cpu::rate_of,
        document::{Bound, Section, Table, Target, figure, spread},
        say,
        traffic::{self, Random},
    },
    peers,
};

const ABOUT: &str = "\
Payload bits per CPU second of one thread.

- *Ours*: what the NIDS function does for a packet: parse, search with vectorscan, evaluate the candidates
  of every pattern found, against header and all contents; and its search alone, through the safe wrapper.
- *vectorscan*: C that calls `hs_scan` for each payload with the same patterns, caseless, each reported
  once a payload; matches are counted and no rule is evaluated.
- *aho-corasick*: the plain overlapping search of the crate of that name (a dense automaton up to 1,000
  patterns, its contiguous one beyond), every match noted, no rule evaluated.

Text is random printable bytes, which match next to nothing. The captures are real traffic in plain text.";

/// Patterns up to which `aho-corasick` gets a dense automaton.
const DENSE: usize = 1000;

/// Rules with what searches for their patterns.
struct Set {
    name: &'static str,
    rules: RuleSet,
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text)?;
        return Ok(text);
    }
    Ok(bytes)
}

fn sets(context: &Context) -> anyhow::Result<Vec<Set>> {
    let example = context.root.join("examples/rules/local.rules");
    let large = context.shared("rules/emerging-bsd.rules.gz");
    if large.is_none() {
        say("../shared/data/rules is absent: only the example rules are measured");
    }
    let files = [("example", Some(example)), ("large public set", large)];
    files
        .into_iter()
        .filter_map(|(name, path)| Some((name, path?)))
        .map(|(name, path)| {
            let text = read(&path)?;
            let options = Options { unsupported: Unsupported::ContentOnly, ..Options::default() };
            let (rules, _) = load(&[Source { name, text: &text }], &options)?;
            Ok(Set { name, rules })
        })
        .collect()
}

/// Frames by what they are.
fn traffics(context: &Context) -> anyhow::Result<Vec<(String, Vec<Vec<u8>>)>> {
    let mut random = Random(11);
    let sizes = context.pick(&[128, 256, 512, 1024, 1472][..], &[256, 1472]);
    let mut traffics: Vec<_> = sizes
        .iter()
        .map(|&size| {
            let frames = (0..256).map(|_| traffic::frame(size, [10, 2, 1, 1], &mut random)).collect();
            (format!("text, {size} B"), frames)
        })
        .collect();
    if let Some(folder) = context.shared("pcap") {
        let mut frames = Vec::new();
        let mut paths: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "pcap")) {
            frames.extend(traffic::read_frames(path)?.into_iter().take(300));
        }
        traffics.push(("captures".into(), frames));
    }
    Ok(traffics)
}

/// What the NIDS does on a core, all buffers kept.
struct Ours<'a> {
    rules: &'a RuleSet,
    database: Arc<Database>,
    space: vectorscan::Scratch,
    hits: Vec<u32>,
    scratch: Scratch,
    matches: Vec<hummingbird_rules::RuleIndex>,
}

impl Ours<'_> {
    fn process(&mut self, frame: &[u8]) -> anyhow::Result<usize> {
        let Ok(Frame::Ipv4(header)) = parse(frame) else { return Ok(0) };
        self.hits.clear();
        let hits = &mut self.hits;
        self.database.scan(&frame[header.payload()], &mut self.space, |pattern| hits.push(pattern))?;
        let view = Packet::new(frame, &header);
        self.rules.evaluate(&view, &self.hits, &mut self.scratch, &mut self.matches);
        Ok(self.matches.len())
    }
}

fn payload(frame: &[u8]) -> &[u8] {
    match parse(frame) {
        Ok(Frame::Ipv4(header)) => &frame[header.payload()],
        _ => &[],
    }
}

/// Ours, vectorscan's and aho-corasick's matches must be of the same patterns.
fn check(ours: &mut Ours<'_>, search: &AhoCorasick, frames: &[Vec<u8>]) -> anyhow::Result<()> {
    for frame in frames {
        ours.process(frame)?;
        let mut hits = ours.hits.clone();
        let mut expected: Vec<u32> =
            search.find_overlapping_iter(payload(frame)).map(|found| found.pattern().as_u32()).collect();
        hits.sort_unstable();
        expected.sort_unstable();
        expected.dedup();
        ensure!(hits == expected, "the engines disagree: {hits:?}, {expected:?}");
    }
    Ok(())
}

/// Runs it.
pub fn run(context: &Context) -> anyhow::Result<Section> {
    let mut table = Table::new([
        "rules, traffic",
        "ours, Gbit/s per CPU second",
        "vectorscan",
        "ratio (least … most)",
        "ratio of our search alone",
        "aho-corasick",
        "ratio (least … most)",
        "patterns found a packet",
    ]);
    let mut series = Vec::new();
    let mut targets = Vec::new();
    let traffics = traffics(context)?;
    for set in sets(context)? {
        let patterns = set.rules.patterns();
        say(format!("NIDS, {} rules ({}), {} patterns", set.rules.len(), set.name, patterns.len()));
        let kind =
            if patterns.len() <= DENSE { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let search = AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(kind)).build(patterns)?;
        let mut peer = peers::Scan::new(patterns, true).context("vectorscan refuses the patterns")?;
        let mut ours = Ours {
            rules: &set.rules,
            database: Arc::new(Database::new(patterns)?),
            space: vectorscan::Scratch::new(),
            hits: Vec::new(),
            scratch: Scratch::new(&set.rules),
            matches: Vec::new(),
        };
        let mut curves = [vec![], vec![], vec![]];
        for (name, frames) in &traffics {
            check(&mut ours, &search, frames)?;
            let measured = measure(context, &mut ours, &mut peer, &search, frames)?;
            let (direct, plain) = (&measured.direct, &measured.plain);
            table.row([
                format!("{} ({}), {name}", set.name, set.rules.len()),
                figure(direct.ours().median),
                figure(direct.peer().median),
                spread(direct.ratio()),
                spread(measured.search.ratio()),
                figure(plain.peer().median),
                spread(plain.ratio()),
                figure(measured.found),
            ]);
            if let Some(size) = name.strip_prefix("text, ").and_then(|rest| rest.strip_suffix(" B")) {
                let size: f64 = size.parse()?;
                let values = [direct.ours().median, direct.peer().median, plain.peer().median];
                curves.iter_mut().zip(values).for_each(|(curve, value)| curve.push((size, value)));
            }
            targets.push(Target {
                measure: format!("NIDS CPU with evaluation against vectorscan, {} rules, {name}", set.name),
                figure: direct.ratio().median,
                bound: Bound::AtLeast(0.9),
            });
            targets.push(Target {
                measure: format!("NIDS CPU's search against vectorscan, {} rules, {name}", set.name),
                figure: measured.search.ratio().median,
                bound: Bound::AtLeast(0.9),
            });
        }
        for (side, points) in ["ours", "vectorscan", "aho-corasick"].into_iter().zip(curves) {
            series.push(Series { name: format!("{side}, {} rules", set.rules.len()), points });
        }
    }
    Ok(Section {
        title: "NIDS on the CPU".into(),
        about: ABOUT.into(),
        commands: vec!["hummingbird-bench --only nids".into()],
        tables: vec![table],
        charts: vec![Chart {
            file: "nids.svg".into(),
            title: "NIDS on one core, random text".into(),
            x: "frame, bytes".into(),
            y: "Gbit/s of payload per CPU second".into(),
            log: true,
            series,
        }],
        targets,
    })
}

/// What one kind of traffic gave.
struct Measured {
    direct: Comparison,
    search: Comparison,
    plain: Comparison,
    found: f64,
}

fn measure(
    context: &Context,
    ours: &mut Ours<'_>,
    peer: &mut peers::Scan,
    search: &AhoCorasick,
    frames: &[Vec<u8>],
) -> anyhow::Result<Measured> {
    let least = context.pick(0.15, 0.1);
    let payloads: Vec<&[u8]> = frames.iter().map(|frame| payload(frame)).collect();
    let gigabits = payloads.iter().map(|payload| payload.len()).sum::<usize>() as f64 * 8.0 / 1e9;
    let mut alone = vectorscan::Scratch::new();
    let database = Arc::clone(&ours.database);
    let mut of_search = || -> anyhow::Result<f64> {
        let mut hits = Vec::new();
        let mut result = Ok(());
        let rate = rate_of(least, || {
            for payload in &payloads {
                hits.clear();
                let one = database.scan(payload, &mut alone, |pattern| hits.push(pattern));
                if one.is_err() {
                    result = one;
                }
            }
            gigabits
        });
        result?;
        Ok(rate)
    };
    let mut found = 0;
    let mut of_ours = || -> anyhow::Result<f64> {
        let mut result = Ok(0);
        let rate = rate_of(least, || {
            found = 0;
            for frame in frames {
                let one = ours.process(frame);
                found += ours.hits.len();
                if one.is_err() {
                    result = one;
                }
            }
            gigabits
        });
        result.map(|_| rate)
    };
    let mut direct = || -> anyhow::Result<f64> {
        let mut matches = Some(0);
        let rate = rate_of(least, || {
            matches = peer.scan(&payloads);
            gigabits
        });
        matches.map(|_| rate).context("hs_scan failed")
    };
    let mut hits = Vec::new();
    let mut plain = || -> anyhow::Result<f64> {
        Ok(rate_of(least, || {
            for payload in &payloads {
                hits.clear();
                let mut state = OverlappingState::start();
                let input = Input::new(payload);
                loop {
                    search.find_overlapping(input.clone(), &mut state);
                    let Some(found) = state.get_match() else { break };
                    hits.push(found.pattern().as_u32());
                }
                std::hint::black_box(&hits);
            }
            gigabits
        }))
    };
    let search = interleave(context.rounds(), &mut of_search, &mut direct)?;
    let direct = interleave(context.rounds(), &mut of_ours, &mut direct)?;
    let plain = interleave(context.rounds(), &mut of_ours, &mut plain)?;
    Ok(Measured { direct, search, plain, found: found as f64 / frames.len() as f64 })
}
