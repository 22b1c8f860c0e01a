//! Which role runs on which core: pure functions. [`place`] sets a process up,
//! [`Placement::house`] finds room for the functions of a generation.

use hummingbird_crds::tables::{Compute, PortId, Tables};
use hummingbird_gpu::WorkgroupId;

use crate::{
    forward::{CoreId, StationId, Wiring},
    tables::{Home, Roster, RosterFull},
};

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Cores to use at most; any number of roles share one.
    pub cores: usize,
    /// I/O roles (the paper's mDPDK cores); at most one per port is used.
    pub io: usize,
    /// CPUSyncers; at most one per workgroup is used.
    pub syncers: usize,
}

/// What one role is. I/O and syncers stay for the life of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolePlan {
    /// I/O over some ports.
    Io {
        /// Its number.
        io: u8,
        /// Its ports with their transmit stations.
        ports: Vec<(PortId, StationId)>,
    },
    /// A CPUSyncer with its workgroups.
    Syncer {
        /// Where its packets wait.
        station: StationId,
        /// Its workgroups.
        workgroups: Vec<WorkgroupId>,
    },
}

/// Instances of a CPU function that a generation brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInstance {
    /// Index of the function in the generation.
    pub function: usize,
    /// Where its packets wait.
    pub station: StationId,
    /// The core that it runs on.
    pub core: CoreId,
}

/// Where everything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The lasting roles by core, in the order in which they are polled.
    pub cores: Vec<Vec<RolePlan>>,
    /// Where stations are.
    pub wiring: Wiring,
    /// I/O roles.
    pub io: usize,
    /// Workgroups in all.
    pub workgroups: u16,
    /// The station of the syncer that owns each workgroup.
    syncers: Vec<StationId>,
    /// The roster place of the function that each workgroup serves.
    partition: Vec<Option<usize>>,
    /// The stations of each CPU function, by roster place.
    instances: Vec<Vec<StationId>>,
    /// Roles on each core, instances included.
    load: Vec<usize>,
}

/// Places the lasting roles of a chain in turn over the cores: first I/O, then
/// CPUSyncers.
#[must_use]
pub fn place(tables: &Tables, demand: Demand) -> Placement {
    let io = demand.io.clamp(1, tables.ports.len());
    let workgroups =
        tables.functions.iter().map(|function| workgroups_of(function.compute)).fold(0, u16::saturating_add);
    let syncers = demand.syncers.min(usize::from(workgroups)).max(usize::from(workgroups > 0));
    let instances: usize = tables.functions.iter().map(|function| instances_of(function.compute)).sum();
    let roles = io + syncers + instances;
    let cores = demand.cores.clamp(1, roles.min(usize::from(u8::MAX)));
    let mut placement = Placement {
        cores: vec![Vec::new(); cores],
        wiring: Wiring { stations: Vec::new(), ports: vec![StationId(0); tables.ports.len()] },
        io,
        workgroups,
        syncers: vec![StationId(0); usize::from(workgroups)],
        partition: vec![None; usize::from(workgroups)],
        instances: Vec::new(),
        load: vec![0; cores],
    };
    for number in 0..io {
        let core = placement.least_loaded();
        let mut ports = Vec::new();
        for port in (number..tables.ports.len()).step_by(io) {
            let station = placement.station(core);
            placement.wiring.ports[port] = station;
            ports.push((PortId(port as u16), station));
        }
        placement.cores[core.index()].push(RolePlan::Io { io: number as u8, ports });
    }
    for number in 0..syncers {
        let core = placement.least_loaded();
        let station = placement.station(core);
        let mine: Vec<_> = (number..usize::from(workgroups)).step_by(syncers).collect();
        mine.iter().for_each(|group| placement.syncers[*group] = station);
        let workgroups = mine.into_iter().map(|group| WorkgroupId(group as u16)).collect();
        placement.cores[core.index()].push(RolePlan::Syncer { station, workgroups });
    }
    placement
}

impl Placement {
    /// Homes for the functions of a generation, in its order, and the
    /// instances that must be made for it. Functions that the roster knows
    /// keep their stations; workgroups keep their function as far as the new
    /// numbers allow. `tables` may not ask for more workgroups than there are.
    ///
    /// # Errors
    /// The roster is full.
    pub fn house(
        &mut self,
        tables: &Tables,
        roster: &mut Roster,
    ) -> Result<(Vec<Home>, Vec<NewInstance>), RosterFull> {
        let slots = tables
            .functions
            .iter()
            .map(|function| roster.function(function))
            .collect::<Result<Vec<_>, _>>()?;
        self.instances.resize(roster.functions.len(), Vec::new());
        self.repartition(tables, &slots);
        let mut made = Vec::new();
        let mut homes = Vec::new();
        for (index, (function, slot)) in tables.functions.iter().zip(slots).enumerate() {
            let home = match function.compute {
                Compute::Cpu { cores } => {
                    for _ in self.instances[slot].len()..usize::from(cores) {
                        let core = self.least_loaded();
                        let station = self.station(core);
                        self.instances[slot].push(station);
                        made.push(NewInstance { function: index, station, core });
                    }
                    Home { slot, stations: self.instances[slot].clone(), workgroups: Vec::new() }
                }
                Compute::Gpu { .. } => self.gpu_home(slot),
            };
            homes.push(home);
        }
        Ok((homes, made))
    }

    /// The static partition of the GPU (paper, section IV-D): which workgroup
    /// serves which function.
    fn repartition(&mut self, tables: &Tables, slots: &[usize]) {
        let wanted = |slot: usize| {
            let index = slots.iter().position(|other| *other == slot)?;
            Some(usize::from(workgroups_of(tables.functions[index].compute)))
        };
        // Groups that their function gives up, the last ones first.
        for group in (0..self.partition.len()).rev() {
            if let Some(slot) = self.partition[group] {
                let held = self.partition.iter().filter(|other| **other == Some(slot)).count();
                if held > wanted(slot).unwrap_or(0) {
                    self.partition[group] = None;
                }
            }
        }
        for slot in slots {
            let held = self.partition.iter().filter(|other| **other == Some(*slot)).count();
            let missing = wanted(*slot).unwrap_or(0).saturating_sub(held);
            self.partition.iter_mut().filter(|group| group.is_none()).take(missing).for_each(|group| {
                *group = Some(*slot);
            });
        }
    }

    fn gpu_home(&self, slot: usize) -> Home {
        let workgroups: Vec<_> = (0..self.workgroups)
            .filter(|group| self.partition[usize::from(*group)] == Some(slot))
            .map(WorkgroupId)
            .collect();
        let mut stations: Vec<StationId> = Vec::new();
        for group in &workgroups {
            let station = self.syncers[usize::from(group.0)];
            if !stations.contains(&station) {
                stations.push(station);
            }
        }
        Home { slot, stations, workgroups }
    }

    /// The core with the fewest roles, the first of several; it gets one more.
    fn least_loaded(&mut self) -> CoreId {
        let least = self.load.iter().enumerate().min_by_key(|(_, load)| **load).map_or(0, |(core, _)| core);
        self.load[least] += 1;
        CoreId(least as u8)
    }

    fn station(&mut self, core: CoreId) -> StationId {
        self.wiring.stations.push(core);
        StationId(self.wiring.stations.len() as u16 - 1)
    }
}

const fn workgroups_of(compute: Compute) -> u16 {
    match compute {
        Compute::Gpu { workgroups } => workgroups,
        Compute::Cpu { .. } => 0,
    }
}

fn instances_of(compute: Compute) -> usize {
    match compute {
        Compute::Cpu { cores } => usize::from(cores),
        Compute::Gpu { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use hummingbird_crds::tables::Egress;
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    fn compute() -> impl Strategy<Value = Compute> {
        prop_oneof![
            (1u16..5).prop_map(|cores| Compute::Cpu { cores }),
            (1u16..5).prop_map(|workgroups| Compute::Gpu { workgroups }),
        ]
    }

    fn chain(ports: usize, functions: &[Compute]) -> Tables {
        testing::tables(ports, functions, &[(&[], Egress::Opposite)])
    }

    proptest! {
        #[test]
        fn every_role_has_its_place_once(
            ports in 1usize..5,
            functions in prop::collection::vec(compute(), 0..6),
            cores in 0usize..9,
            io in 0usize..6,
            syncers in 0usize..6,
        ) {
            let tables = chain(ports, &functions);
            let mut placement = place(&tables, Demand { cores, io, syncers });
            let (homes, made) = placement.house(&tables, &mut Roster::default()).unwrap();
            let home = |station: StationId| placement.wiring.stations[station.index()].index();

            let mut ports_seen = vec![0; ports];
            let mut groups_seen = vec![0; usize::from(placement.workgroups)];
            let mut stations = Vec::new();
            let mut syncer_of = vec![StationId(0); groups_seen.len()];
            let mut io_roles = 0;
            for (core, roles) in placement.cores.iter().enumerate() {
                for role in roles {
                    match role {
                        RolePlan::Io { ports: mine, .. } => {
                            io_roles += 1;
                            prop_assert!(!mine.is_empty());
                            for (port, station) in mine {
                                ports_seen[port.index()] += 1;
                                prop_assert_eq!(placement.wiring.ports[port.index()], *station);
                                prop_assert_eq!(home(*station), core);
                                stations.push(*station);
                            }
                        }
                        RolePlan::Syncer { station, workgroups } => {
                            prop_assert!(!workgroups.is_empty());
                            prop_assert_eq!(home(*station), core);
                            stations.push(*station);
                            for group in workgroups {
                                groups_seen[usize::from(group.0)] += 1;
                                syncer_of[usize::from(group.0)] = *station;
                            }
                        }
                    }
                }
            }
            prop_assert!(ports_seen.iter().all(|seen| *seen == 1), "each port has one I/O role");
            prop_assert!(groups_seen.iter().all(|seen| *seen == 1), "each workgroup has one syncer");
            prop_assert_eq!(io_roles, placement.io);
            prop_assert!(placement.io <= io.max(1));

            let mut served = Vec::new();
            for (function, home) in functions.iter().zip(&homes) {
                prop_assert!(!home.stations.is_empty(), "each function is served");
                match function {
                    Compute::Cpu { cores } => prop_assert_eq!(home.stations.len(), usize::from(*cores)),
                    Compute::Gpu { workgroups } => {
                        prop_assert_eq!(home.workgroups.len(), usize::from(*workgroups));
                        for group in &home.workgroups {
                            prop_assert!(home.stations.contains(&syncer_of[usize::from(group.0)]));
                        }
                        served.extend(home.workgroups.iter().map(|group| group.0));
                    }
                }
            }
            served.sort_unstable();
            prop_assert!(served.into_iter().eq(0..placement.workgroups), "no workgroup serves two or none");

            let mut busy: Vec<usize> = placement.cores.iter().map(Vec::len).collect();
            for instance in &made {
                prop_assert_eq!(home(instance.station), instance.core.index());
                prop_assert!(homes[instance.function].stations.contains(&instance.station));
                busy[instance.core.index()] += 1;
                stations.push(instance.station);
            }
            prop_assert!(busy.len() <= cores.max(1));
            prop_assert!(busy.iter().all(|roles| *roles > 0), "no core is idle for good: {:?}", busy);
            let spread = busy.iter().max().zip(busy.iter().min()).map(|(most, least)| most - least);
            prop_assert!(spread <= Some(1), "{:?}", busy);
            stations.sort_unstable_by_key(|station| station.0);
            prop_assert!(stations.iter().map(|station| station.index()).eq(0..placement.wiring.stations.len()));
        }

        #[test]
        fn a_function_that_stays_keeps_its_stations(
            before in prop::collection::vec(compute(), 1..5),
            take in 0usize..5,
            syncers in 1usize..4,
        ) {
            let tables = chain(2, &before);
            let mut placement = place(&tables, Demand { cores: 4, io: 2, syncers });
            let mut roster = Roster::default();
            let (homes, _) = placement.house(&tables, &mut roster).unwrap();
            let after = chain(2, &before[..take.min(before.len())]);
            let (kept, made) = placement.house(&after, &mut roster).unwrap();
            prop_assert!(made.is_empty());
            prop_assert_eq!(&kept[..], &homes[..kept.len()]);
            let (back, made) = placement.house(&tables, &mut roster).unwrap();
            prop_assert!(made.is_empty(), "instances outlive the generation that did without them");
            for ((compute, home), first) in before.iter().zip(&back).zip(&homes) {
                match compute {
                    Compute::Cpu { .. } => prop_assert_eq!(home, first),
                    Compute::Gpu { workgroups } => {
                        prop_assert_eq!(home.workgroups.len(), usize::from(*workgroups));
                    }
                }
            }
        }
    }
}
