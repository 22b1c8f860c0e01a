//! Which role runs on which core: one pure function.

use hummingbird_crds::tables::{Compute, NfId, PortId, Tables};
use hummingbird_gpu::WorkgroupId;

use crate::forward::{CoreId, StationId};

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

/// What one role is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolePlan {
    /// I/O over some ports.
    Io {
        /// Its number.
        io: u8,
        /// Its ports with their transmit stations.
        ports: Vec<(PortId, StationId)>,
    },
    /// An instance of a CPU function.
    Cnf {
        /// Which function.
        nf: NfId,
        /// Where its packets wait.
        station: StationId,
    },
    /// A CPUSyncer with its workgroups and the function that each serves.
    Syncer {
        /// Where its packets wait.
        station: StationId,
        /// Its workgroups.
        workgroups: Vec<(WorkgroupId, NfId)>,
    },
}

/// The roles of one core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorePlan {
    /// In the order in which they are polled.
    pub roles: Vec<RolePlan>,
}

/// Where everything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// By core.
    pub cores: Vec<CorePlan>,
    /// The core of each station.
    pub stations: Vec<CoreId>,
    /// The transmit station of each port.
    pub ports: Vec<StationId>,
    /// The stations that serve each function, in the order of their keys.
    pub functions: Vec<Vec<StationId>>,
    /// I/O roles.
    pub io: usize,
    /// Workgroups in all.
    pub workgroups: u16,
}

/// Places the roles of a chain, in turn over the cores: first I/O, then
/// CPUSyncers, then instances of CPU functions.
#[must_use]
pub fn place(tables: &Tables, demand: Demand) -> Placement {
    let mut stations = 0u16;
    let mut station = || {
        stations += 1;
        StationId(stations - 1)
    };
    let mut roles = Vec::new();
    let mut functions = vec![Vec::new(); tables.functions.len()];

    let io = demand.io.clamp(1, tables.ports.len());
    let ports: Vec<StationId> = tables.ports.iter().map(|_| station()).collect();
    for number in 0..io {
        let mine = (number..ports.len()).step_by(io).map(|port| (PortId(port as u16), ports[port])).collect();
        roles.push(RolePlan::Io { io: number as u8, ports: mine });
    }

    let partition = partition(tables);
    let syncers = demand.syncers.clamp(1, partition.len().max(1));
    for number in 0..syncers.min(partition.len()) {
        let station = station();
        let workgroups: Vec<_> = partition.iter().skip(number).step_by(syncers).copied().collect();
        for (_, nf) in &workgroups {
            let serving: &mut Vec<StationId> = &mut functions[nf.index()];
            if serving.last() != Some(&station) {
                serving.push(station);
            }
        }
        roles.push(RolePlan::Syncer { station, workgroups });
    }

    for (nf, function) in tables.functions.iter().enumerate() {
        let Compute::Cpu { cores } = function.compute else { continue };
        for _ in 0..cores {
            let station = station();
            functions[nf].push(station);
            roles.push(RolePlan::Cnf { nf: NfId(nf as u16), station });
        }
    }

    let mut cores = vec![CorePlan::default(); demand.cores.clamp(1, roles.len().min(usize::from(u8::MAX)))];
    let mut homes = vec![CoreId(0); usize::from(stations)];
    for (index, role) in roles.into_iter().enumerate() {
        let core = index % cores.len();
        let mut settle = |station: StationId| homes[station.index()] = CoreId(core as u8);
        match &role {
            RolePlan::Io { ports, .. } => ports.iter().for_each(|(_, station)| settle(*station)),
            RolePlan::Cnf { station, .. } | RolePlan::Syncer { station, .. } => settle(*station),
        }
        cores[core].roles.push(role);
    }
    Placement { cores, stations: homes, ports, functions, io, workgroups: partition.len() as u16 }
}

/// The static partition of the GPU (paper, section IV-D): which workgroup
/// serves which function, in the manifest's order.
fn partition(tables: &Tables) -> Vec<(WorkgroupId, NfId)> {
    let mut groups = Vec::new();
    for (nf, function) in tables.functions.iter().enumerate() {
        if let Compute::Gpu { workgroups } = function.compute {
            for _ in 0..workgroups {
                groups.push((WorkgroupId(groups.len() as u16), NfId(nf as u16)));
            }
        }
    }
    groups
}
