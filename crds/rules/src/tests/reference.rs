//! The evaluator against a matcher that knows nothing of cursors or
//! backtracking: it tries every place for every content.

use proptest::prelude::*;

use super::rules::{Placed, Sought, payload, set, sought, text, udp};
use crate::{RuleIndex, Scratch};

/// Whether there are places for all contents, each as its modifiers ask.
fn exists(contents: &[Sought], payload: &[u8], previous_end: usize) -> bool {
    let Some((content, rest)) = contents.split_first() else { return true };
    let fits = |start: usize| {
        let end = start + content.bytes.len();
        let Some(there) = payload.get(start..end) else { return false };
        let equal = if content.nocase {
            there.eq_ignore_ascii_case(&content.bytes)
        } else {
            there == &content.bytes[..]
        };
        let placed = match content.place {
            Placed::Absolute { offset, depth } => {
                start >= offset && depth.is_none_or(|depth| end <= offset + depth)
            }
            Placed::Relative { distance, within } => {
                let from = previous_end as i64 + i64::from(distance.unwrap_or(0));
                start as i64 >= from && within.is_none_or(|within| end as i64 <= from + within as i64)
            }
        };
        equal && placed && (!content.at_end || end == payload.len())
    };
    let mut starts = (0..payload.len()).filter(|start| fits(*start));
    if content.negated {
        starts.next().is_none() && exists(rest, payload, previous_end)
    } else {
        starts.any(|start| exists(rest, payload, start + content.bytes.len()))
    }
}

/// Whether Suricata's backtracking is the same as trying every place. It is
/// not where a relative content follows a negated one: what must not be there
/// then counts as the content that it depends on, and is not retried.
fn is_plain(contents: &[Sought]) -> bool {
    contents.windows(2).all(|pair| !(pair[0].negated && matches!(pair[1].place, Placed::Relative { .. })))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_evaluator_agrees_with_trying_every_place(
        contents in proptest::collection::vec(sought(3), 1..5).prop_filter("plain", |c| is_plain(c)),
        payload in payload().prop_filter("not empty", |payload| !payload.is_empty()),
    ) {
        let set = set(&[text(&contents)]);
        let mut matches = Vec::new();
        let hits: Vec<u32> = (0..set.patterns().len() as u32).collect();
        set.evaluate(&udp(&payload), &hits, &mut Scratch::default(), &mut matches);
        let expected: &[RuleIndex] = if exists(&contents, &payload, 0) { &[RuleIndex(0)] } else { &[] };
        prop_assert_eq!(&*matches, expected, "{}", text(&contents));
    }
}
