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
