//! Reports from a chain that runs or ran.

use std::{sync::Arc, time::Instant};

use hummingbird_esp::SaStates;
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
        let security_associations: Vec<_> = self
            .states
            .outbound_sas()
            .iter()
            .map(|sa| {
                let used = sa.number_use();
                SaReport {
                    identity: sa.identity().to_string(),
                    last: used.last,
                    limit: used.limit,
                    nearly_exhausted: used.is_nearly_exhausted(),
                }
            })
            .collect();
        let mut warnings: Vec<_> = security_associations
            .iter()
            .filter(|sa| sa.nearly_exhausted)
            .map(|sa| format!("{} has used 75 % of its sequence numbers: give it new keys", sa.identity))
            .collect();
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
