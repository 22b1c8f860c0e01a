//! Reports from a chain that runs or ran.

use std::{sync::Arc, time::Instant};

use hummingbird_esp::{OutboundSa, SaStates};
use hummingbird_gpu::{Accelerator, SharedRegion};

use crate::{
    report::{CoreCounters, Counter, Report, Residence, RunFacts, SaReport},
    tables::Publication,
};

/// Makes reports, from any thread.
pub struct Reporter {
    pub(super) publication: Arc<Publication>,
    pub(super) counters: Arc<[Arc<CoreCounters>]>,
    pub(super) states: Arc<SaStates>,
    pub(super) accelerator: Option<Arc<dyn Accelerator>>,
    pub(super) shared: Arc<SharedRegion>,
    pub(super) started: Instant,
}

impl Reporter {
    /// What happened so far.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(&self.publication.view(), &self.counters, self.facts())
    }

    /// Packets admitted that have not left.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let sum = |pick: fn(&Residence) -> &Counter| -> u64 {
            let residences = self.counters.iter().flat_map(|core| core.generations.iter());
            residences.map(|residence| pick(residence).get()).sum()
        };
        // In this order: what leaves meanwhile makes it less, never negative.
        let retired = sum(|residence| &residence.retired);
        sum(|residence| &residence.admitted).saturating_sub(retired)
    }

    fn facts(&self) -> RunFacts {
        let security_associations = number_spaces(&self.states);
        let mut warnings = exhaustion(&security_associations);
        warnings.extend(self.states.problem());
        let accelerator = self.accelerator.as_ref();
        RunFacts {
            device: accelerator.map_or("none".into(), |accelerator| accelerator.description().into()),
            sa_state: self.states.persistence().as_str(),
            uptime: self.started.elapsed(),
            row_depth: super::ROW_DEPTH,
            packet_bytes: self.shared.len() as u64,
            table_bytes: accelerator.map_or(0, |accelerator| {
                let (free, total) = accelerator.table_usage();
                u64::from(total - free)
            }),
            security_associations,
            warnings,
        }
    }
}

/// How far the numbers of each Encrypt SA are used.
fn number_spaces(states: &SaStates) -> Vec<SaReport> {
    let report = |sa: &Arc<OutboundSa>| {
        let used = sa.number_use();
        SaReport {
            identity: sa.identity().to_string(),
            last: used.last,
            limit: used.limit,
            nearly_exhausted: used.is_nearly_exhausted(),
        }
    };
    states.outbound_sas().iter().map(report).collect()
}

/// A line for each SA that needs new keys soon.
fn exhaustion(sas: &[SaReport]) -> Vec<String> {
    let nearly = sas.iter().filter(|sa| sa.nearly_exhausted);
    nearly
        .map(|sa| format!("{} has used 75 % of its sequence numbers: give it new keys", sa.identity))
        .collect()
}

#[cfg(test)]
mod tests {
    use hummingbird_esp::{Direction, SaIdentity, StateOptions};

    use super::*;

    /// An SA of which a crash has used up 74 or 75 of 100 numbers.
    fn after_a_crash(used: u64) -> Vec<SaReport> {
        let dir = tempfile::tempdir().unwrap();
        let options =
            StateOptions { outbound_block: used, number_space: Some(100), ..StateOptions::default() };
        let identity = SaIdentity::new(Direction::Outbound, 4096, None, &[1; 16], &[2; 20]);
        let states = SaStates::open_with(dir.path(), options).unwrap();
        // As long as somebody holds the SA, its end is as after a crash: the whole block counts as used.
        let held = states.outbound(&identity, false).unwrap();
        states.close().unwrap();
        drop(held);
        let states = SaStates::open_with(dir.path(), options).unwrap();
        states.outbound(&identity, false).unwrap();
        number_spaces(&states)
    }

    #[test]
    fn three_quarters_of_a_number_space_warn_and_less_does_not() {
        let sas = after_a_crash(74);
        assert_eq!((sas[0].last, sas[0].limit, sas[0].nearly_exhausted), (74, 100, false));
        assert!(exhaustion(&sas).is_empty());
        let sas = after_a_crash(75);
        assert_eq!((sas[0].last, sas[0].nearly_exhausted), (75, true));
        let [warning] = &exhaustion(&sas)[..] else { panic!("one warning") };
        assert!(warning.starts_with(&sas[0].identity) && warning.contains("75 %"), "{warning}");
    }
}
