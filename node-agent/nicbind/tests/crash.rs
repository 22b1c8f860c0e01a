//! The machine dies at every single effect, before it and after it, by process and by power: the NIC always ends
//! on vfio-pci as wished, or on its first driver with its first override.

mod kernel;

use kernel::{Fuse, Machine, RIVAL, disk::FakeDisk, facts, nic, request};
use nicbind::{Binder, Settled, State};
use proptest::prelude::*;

const DRIVERS: [Option<&str>; 4] = [None, Some("e1000e"), Some("vfio-pci"), Some("uio_pci_generic")];
const OVERRIDES: [Option<&str>; 4] = [None, Some("e1000e"), Some("none"), Some("vfio-pci")];

#[derive(Debug, Clone, Copy)]
enum Action {
    Bind,
    Restore,
    Forget,
    Replay,
}

#[derive(Debug, Clone, Copy)]
enum Death {
    Process,
    Power { chance: u64 },
}

/// A machine, and what its NIC was first.
struct Case {
    machine: Machine,
    first: (Option<String>, Option<String>),
    /// Where the kernel puts the NIC at boot.
    at_boot: Option<&'static str>,
}

impl Case {
    fn new(
        driver: Option<&'static str>,
        driver_override: Option<&'static str>,
        at_boot: Option<&'static str>,
    ) -> Self {
        let first = (driver.map(str::to_owned), driver_override.map(str::to_owned));
        Self { machine: Machine::new(driver, driver_override), first, at_boot }
    }

    fn now(&self) -> (Option<String>, Option<String>) {
        let function = self.machine.function();
        (function.driver, function.driver_override)
    }

    fn act(&self, binder: &mut Binder<Machine, FakeDisk>, action: Action) -> bool {
        match action {
            Action::Bind => binder.bind(&request()).is_ok(),
            Action::Restore => binder.restore(nic()).is_ok(),
            Action::Forget => binder.forget(nic()).is_ok(),
            Action::Replay => binder.replay().iter().all(|replayed| replayed.outcome.is_ok()),
        }
    }

    /// Acts, dies on the way if the fuse is short enough, and comes back with a replay. Whether it died.
    fn act_and_die(&mut self, action: Action, fuse: Fuse, death: Death) -> bool {
        let mut binder = self.machine.start().expect("the journal is whole before");
        self.machine.change(|world| world.fuse = Some(fuse));
        self.act(&mut binder, action);
        let died = self.machine.0.borrow().dead;
        drop(binder);
        self.machine.revive();
        if let (true, Death::Power { chance }) = (died, death) {
            self.machine.reboot(self.at_boot, chance);
            // Nothing on record: what is there now is what a next bind finds first.
            if self.machine.start().expect("the journal is whole").journal().entry(nic()).is_none() {
                self.first = self.now();
            }
        }
        died
    }

    /// After a clean replay the NIC is where the journal says, and that is one of two places.
    fn settle(&mut self) -> Binder<Machine, FakeDisk> {
        let mut binder = self.machine.start().expect("the journal is whole after any death");
        for replayed in binder.replay() {
            match replayed.outcome.expect("every NIC can be led on") {
                Settled::Bound(bound) => assert_eq!(bound.vfio_node, "7"),
                Settled::Restored(restored) => {
                    assert_eq!(restored.network, facts(), "addresses outlive the crash");
                    assert_eq!(restored.original.driver.map(String::from), self.first.0);
                }
            }
        }
        match binder.journal().entry(nic()).map(|entry| entry.state) {
            Some(State::Bound) => assert_eq!(self.now().0.as_deref(), Some("vfio-pci")),
            Some(State::Restored) => assert_eq!(self.now(), self.first),
            Some(state) => panic!("{state:?} is no place to stay"),
            // Nothing on record, nothing of ours in sysfs.
            None => assert_eq!(self.now(), self.first),
        }
        assert!(!self.machine.0.borrow().ever_bound.contains(RIVAL), "a driver that was never asked for");
        let writes = self.machine.0.borrow().writes.len();
        self.act(&mut binder, Action::Replay);
        assert_eq!(self.machine.0.borrow().writes.len(), writes, "a second replay has nothing to do");
        binder
    }

    /// Whatever came before: a bind binds, a restore restores, and twice is once.
    fn still_works(&mut self) {
        let mut binder = self.settle();
        for (action, wanted) in [(Action::Bind, None), (Action::Restore, Some(self.first.clone()))] {
            assert!(self.act(&mut binder, action), "{action:?}");
            let there = self.now();
            match wanted {
                None => assert_eq!(there.0.as_deref(), Some("vfio-pci")),
                Some(first) => assert_eq!(there, first),
            }
            let writes = self.machine.0.borrow().writes.len();
            assert!(self.act(&mut binder, action));
            assert_eq!(self.machine.0.borrow().writes.len(), writes, "{action:?} twice");
        }
        assert!(self.act(&mut binder, Action::Forget));
        assert_eq!(binder.journal().entries().count(), 0);
        assert_eq!(self.now(), self.first);
    }
}

/// Where the kernel may put at boot a NIC that `driver` had: there, nowhere yet, or on vfio-pci by command line.
fn boots(driver: Option<&'static str>, death: Death) -> Vec<Option<&'static str>> {
    match death {
        Death::Process => vec![driver],
        Death::Power { .. } => vec![driver, None, Some("vfio-pci")],
    }
}

fn deaths() -> Vec<Death> {
    let mut deaths = vec![Death::Process];
    deaths.extend((0..5).map(|chance| Death::Power { chance }));
    deaths
}

/// What comes before the action that dies.
const HISTORIES: [(&[Action], Action); 6] = [
    (&[], Action::Bind),
    (&[Action::Bind], Action::Bind),
    (&[Action::Bind], Action::Restore),
    (&[Action::Bind, Action::Restore], Action::Bind),
    (&[Action::Bind, Action::Restore], Action::Forget),
    (&[Action::Bind, Action::Restore, Action::Forget, Action::Bind], Action::Restore),
];

#[test]
fn a_death_at_every_effect() {
    let mut deaths_tried = 0;
    for driver in DRIVERS {
        for driver_override in OVERRIDES {
            for (before, action) in HISTORIES {
                for death in deaths() {
                    for at_boot in boots(driver, death) {
                        for after in [false, true] {
                            for at in 0.. {
                                let mut case = Case::new(driver, driver_override, at_boot);
                                let mut binder = case.settle();
                                assert!(before.iter().all(|&action| case.act(&mut binder, action)));
                                drop(binder);
                                let died = case.act_and_die(action, Fuse { at, after }, death);
                                case.still_works();
                                if !died {
                                    break;
                                }
                                deaths_tried += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(deaths_tried > 20_000, "{deaths_tried}");
}

#[test]
fn a_death_at_every_effect_of_the_replay_after_a_death() {
    for driver in DRIVERS {
        for driver_override in [None, Some("none")] {
            for action in [Action::Bind, Action::Restore] {
                for (first, second) in [
                    (Death::Process, Death::Process),
                    (Death::Process, Death::Power { chance: 4 }),
                    (Death::Power { chance: 1 }, Death::Process),
                ] {
                    for at in 0..26 {
                        for then in 0.. {
                            let mut case = Case::new(driver, driver_override, driver);
                            let mut binder = case.settle();
                            if matches!(action, Action::Restore) {
                                assert!(case.act(&mut binder, Action::Bind));
                            }
                            drop(binder);
                            let after = (at + then) % 2 == 0;
                            case.act_and_die(action, Fuse { at, after }, first);
                            let died = case.act_and_die(Action::Replay, Fuse { at: then, after }, second);
                            case.still_works();
                            if !died {
                                break;
                            }
                        }
                    }
                }
            }
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Bind),
        4 => Just(Action::Restore),
        1 => Just(Action::Forget),
        1 => Just(Action::Replay),
    ]
}

fn death() -> impl Strategy<Value = Death> {
    prop_oneof![Just(Death::Process), any::<u64>().prop_map(|chance| Death::Power { chance })]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_with_any_deaths(
        driver in prop::sample::select(&DRIVERS[..]),
        driver_override in prop::sample::select(&OVERRIDES[..]),
        boot in 0usize..3,
        acts in prop::collection::vec((action(), 0usize..45, any::<bool>(), death(), any::<bool>()), 1..12),
    ) {
        let mut case = Case::new(driver, driver_override, boots(driver, Death::Power { chance: 0 })[boot]);
        for (action, at, after, death, settle) in acts {
            case.act_and_die(action, Fuse { at, after }, death);
            if settle {
                case.settle();
            }
        }
        case.still_works();
    }
}
