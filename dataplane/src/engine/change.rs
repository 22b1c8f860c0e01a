//! Live change: from a bundle to the generation that new packets are
//! classified in, while packets flow.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dpdk::Eal;
use hummingbird_crds::{
    Bundle, Capacity, Violation, compile,
    tables::{Compute, Generation, Tables},
};
use hummingbird_esp::SaStates;
use hummingbird_gpu::Accelerator;

use super::{
    EngineError, Placement, RolePlan,
    aside::aside,
    core::{Delivery, Mailbox},
};
use crate::{
    control::Refusal,
    cpu::CnfRole,
    nf::Builder,
    report::CoreCounters,
    tables::{self, LiveTables, Publication, Roster, SLOTS, Slot, View, structural},
};

/// How often a change looks whether all cores have taken it up.
const LOOK: Duration = Duration::from_micros(50);
/// How long cores may take: far longer than a round, so that only a core that
/// is gone exceeds it.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(5);
/// When to try again while too many generations drain, seconds.
const RETRY_AFTER: u32 = 1;

/// What generations are built from and delivered to.
pub struct Workshop {
    /// DPDK, whose heap holds the FIBs.
    pub eal: Eal,
    /// Numbers and windows that outlive generations.
    pub states: Arc<SaStates>,
    /// Expands keys.
    pub manager: ipsec_mb::Manager,
    /// The GPU, if there is one.
    pub accelerator: Option<Arc<dyn Accelerator>>,
    /// The ports' own addresses.
    pub macs: Vec<[u8; 6]>,
    /// Where deliveries for each core wait.
    pub mailboxes: Vec<Mailbox>,
}

/// The number that a change is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One higher than the last, whatever the content.
    Next,
    /// One higher than the last, if the content is another.
    IfChanged,
    /// That one; a repeat of the running one with the same content changes nothing.
    Exactly(u64),
}

/// A generation that is built and whose instances are in the mailboxes.
struct Built {
    live: Arc<LiveTables>,
    placement: Placement,
    roster: Roster,
}

impl Workshop {
    /// Builds a generation beside those that live. Nothing changes for them.
    ///
    /// # Errors
    /// It does not fit, or state that it needs is unusable.
    fn build(&self, tables: Tables, placement: &Placement, roster: &Roster) -> Result<Built, EngineError> {
        let (mut placement, mut roster) = (placement.clone(), roster.clone());
        let known = roster.functions.len();
        let (homes, instances) = placement.house(&tables, &mut roster)?;
        let classes =
            tables.classes.iter().map(|class| roster.class(class)).collect::<Result<Vec<_>, _>>()?;
        let builder = Builder {
            eal: &self.eal,
            states: &self.states,
            manager: &self.manager,
            accelerator: self.accelerator.as_deref(),
            macs: &self.macs,
        };
        let live = tables::build(&builder, tables, homes, classes)?;
        let mut deliveries = Vec::new();
        for instance in instances {
            let function = live.functions[instance.function].data.on_cpu()?;
            let role = Box::new(CnfRole::new(instance.station, function));
            deliveries.push((instance.core.index(), Delivery::Instance(role)));
        }
        for (function, spec) in live.functions.iter().zip(&live.tables.functions) {
            if function.home.slot < known || !matches!(spec.compute, Compute::Gpu { .. }) {
                continue;
            }
            for (core, plan) in placement.cores.iter().enumerate() {
                let syncers = plan.iter().filter(|role| matches!(role, RolePlan::Syncer { .. }));
                let functions = syncers.map(|_| function.data.on_gpu()).collect::<Result<Vec<_>, _>>()?;
                deliveries.push((core, Delivery::Kernel { slot: function.home.slot, functions }));
            }
        }
        for (core, delivery) in deliveries {
            self.mailboxes[core].lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
        }
        Ok(Built { live: Arc::new(live), placement, roster })
    }
}

/// Changes generations. One change at a time; the packet path never waits.
pub struct Changer {
    state: Mutex<State>,
    publication: Arc<Publication>,
    counters: Arc<[Arc<CoreCounters>]>,
    /// GPU functions run on the CPU (`--gpu none`).
    cpu_only: bool,
    ending: AtomicBool,
}

struct State {
    workshop: Workshop,
    placement: Placement,
    roster: Roster,
    /// The running generation's content.
    hash: String,
    slot: Slot,
    running: Arc<LiveTables>,
    /// Generations that are not current any more and may have packets left.
    draining: Vec<(Slot, Arc<LiveTables>)>,
}

impl Changer {
    /// Builds the first generation, and what changes it.
    ///
    /// # Errors
    /// The generation does not fit, or state that it needs is unusable.
    pub fn start(
        workshop: Workshop,
        placement: &Placement,
        tables: Tables,
        hash: String,
        counters: Arc<[Arc<CoreCounters>]>,
        cpu_only: bool,
    ) -> Result<(Self, Placement), EngineError> {
        let Built { live, placement, roster } = workshop.build(tables, placement, &Roster::default())?;
        let mut known: [Option<Arc<LiveTables>>; SLOTS] = Default::default();
        known[0] = Some(Arc::clone(&live));
        let view = View {
            epoch: 0,
            current: Slot(0),
            tables: known,
            wiring: Arc::new(placement.wiring.clone()),
            roster: Arc::new(roster.clone()),
        };
        let publication = Arc::new(Publication::new(view, counters.len()));
        let state = State {
            workshop,
            placement: placement.clone(),
            roster,
            hash,
            slot: Slot(0),
            running: live,
            draining: Vec::new(),
        };
        let changer = Self {
            state: Mutex::new(state),
            publication,
            counters,
            cpu_only,
            ending: AtomicBool::new(false),
        };
        Ok((changer, placement))
    }

    /// Where views are published.
    #[must_use]
    pub fn publication(&self) -> &Arc<Publication> {
        &self.publication
    }

    /// Refuses every further change.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Makes a bundle the running generation; see
    /// [`Operations::change`](crate::control::Operations::change).
    ///
    /// # Errors
    /// Why the old one stays.
    pub fn change(&self, bundle: &[u8], wanted: Wanted) -> Result<u64, Refusal> {
        let bytes = bundle.len();
        let compiled = aside(bytes, || {
            let bundle = Bundle::read(bundle)?;
            compile(&bundle, Generation(0), Capacity::default())
        });
        let mut compiled = compiled.map_err(no_thread)?.map_err(Refusal::Invalid)?;
        if self.cpu_only {
            move_to_cpu(&mut compiled.tables);
        }
        let mut state = self.lock();
        if self.ending.load(Ordering::Acquire) {
            return Err(Refusal::Ending { retry_after: RETRY_AFTER });
        }
        let running = state.running.tables.generation.0;
        let generation = match wanted {
            Wanted::IfChanged if state.hash == compiled.hash => return Ok(running),
            Wanted::Exactly(wanted) if wanted == running && state.hash == compiled.hash => {
                return Ok(running);
            }
            Wanted::Exactly(wanted) if wanted <= running => return Err(Refusal::NotNewer { running }),
            Wanted::Exactly(wanted) => wanted,
            Wanted::Next | Wanted::IfChanged => running + 1,
        };
        compiled.tables.generation = Generation(generation);
        let changes =
            structural(&state.running.tables, &state.roster, &compiled.tables, state.placement.workgroups);
        if !changes.is_empty() {
            return Err(Refusal::RequiresRestart(changes));
        }
        self.reap_in(&mut state)?;
        let slot = state.free_slot().ok_or(Refusal::Draining { retry_after: RETRY_AFTER })?;
        let State { workshop, placement, roster, .. } = &mut *state;
        // Moved there: the cipher library's manager is of one thread at a time.
        let built = aside(bytes, move || workshop.build(compiled.tables, placement, roster));
        let built = built.map_err(no_thread)?.map_err(|error| {
            Refusal::Invalid(vec![Violation::new(
                "bundle",
                format!("does not fit beside what runs: {error}"),
            )])
        })?;
        self.install(&mut state, slot, built, compiled.hash)?;
        tracing::info!(generation, "tables changed");
        Ok(generation)
    }

    /// First known to all cores, then current.
    fn install(&self, state: &mut State, slot: Slot, built: Built, hash: String) -> Result<(), Refusal> {
        let Built { live, placement, roster } = built;
        (state.placement, state.roster) = (placement, roster);
        let mut view = View::clone(&self.publication.view());
        view.tables[slot.index()] = Some(Arc::clone(&live));
        view.wiring = Arc::new(state.placement.wiring.clone());
        view.roster = Arc::new(state.roster.clone());
        self.publish(view.clone())?;
        view.current = slot;
        let old = std::mem::replace(&mut state.running, live);
        state.draining.push((state.slot, old));
        (state.slot, state.hash) = (slot, hash);
        self.publish(view)
    }

    /// Frees generations whose last packet has left, unless a change is on.
    pub fn reap(&self) {
        if let Ok(mut state) = self.state.try_lock()
            && !state.draining.is_empty()
        {
            // A core that does not take the view up keeps the generation.
            let _ = self.reap_in(&mut state);
        }
    }

    fn reap_in(&self, state: &mut State) -> Result<(), Refusal> {
        let (drained, draining): (Vec<_>, Vec<_>) =
            state.draining.drain(..).partition(|(slot, _)| self.has_drained(*slot));
        state.draining = draining;
        if drained.is_empty() {
            return Ok(());
        }
        let mut view = View::clone(&self.publication.view());
        for (slot, _) in &drained {
            view.tables[slot.index()] = None;
        }
        // Cores let go of the generation before this thread does, so that it
        // is this thread that frees it.
        self.publish(view)
    }

    fn has_drained(&self, slot: Slot) -> bool {
        // Nothing is admitted to it any more, so the first sum stands still.
        let sum = |retired: bool| {
            let residences = self.counters.iter().map(|core| &core.generations[slot.index()]);
            let counts = residences.map(|r| if retired { r.retired.get() } else { r.admitted.get() });
            counts.sum::<u64>()
        };
        sum(true) == sum(false)
    }

    /// Publishes a view and waits until every core acts by it.
    fn publish(&self, view: View) -> Result<(), Refusal> {
        self.publication.publish(view);
        let deadline = Instant::now() + TAKEN_UP_WITHIN;
        while !self.publication.is_taken_up() {
            if self.ending.load(Ordering::Acquire) || Instant::now() > deadline {
                return Err(Refusal::Ending { retry_after: RETRY_AFTER });
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn free_slot(&self) -> Option<Slot> {
        let taken = |slot: Slot| slot == self.slot || self.draining.iter().any(|(other, _)| *other == slot);
        (0..SLOTS as u8).map(Slot).find(|slot| !taken(*slot))
    }
}

fn no_thread(error: io::Error) -> Refusal {
    Refusal::Invalid(vec![Violation::new("bundle", format!("no thread to build it on: {error}"))])
}

/// Every GPU function becomes one CPU instance (`--gpu none`).
pub fn move_to_cpu(tables: &mut Tables) {
    for function in &mut tables.functions {
        if matches!(function.compute, Compute::Gpu { .. }) {
            function.compute = Compute::Cpu { cores: 1 };
        }
    }
}
