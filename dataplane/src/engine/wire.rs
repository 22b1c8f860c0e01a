//! From a placement to cores that are ready to run.

use std::sync::Arc;

use hummingbird_crds::tables::{NfId, PortId};
use hummingbird_gpu::{Launcher, RowQueue, SharedRegion};

use super::{
    EngineError, Placement, RolePlan,
    core::{Core, Orders, Role},
};
use crate::{
    cpu::CnfRole,
    forward::{CoreId, Credit, Forwarder, Wiring, mesh},
    gpu::{Served, SyncerRole},
    io::{IoPort, IoRole, IoState},
    ports::{Sink, Source},
    report::{CoreCounters, alerts::AlertSender},
    tables::{LiveTables, LiveView},
};

/// What cores are made from.
pub struct Wire<'a> {
    /// Which role runs where.
    pub placement: &'a Placement,
    /// The first generation.
    pub live: &'a Arc<LiveTables>,
    /// Counters of each core.
    pub counters: &'a Arc<[Arc<CoreCounters>]>,
    /// Memory that packets must lie in.
    pub shared: &'a Arc<SharedRegion>,
    /// The persistent launch, if there is one.
    pub launcher: Option<&'a Launcher>,
    /// What the cores are told.
    pub orders: &'a Arc<Orders>,
    /// Packets in flight at most, in all.
    pub limit: usize,
    /// Packets in flight at most for each I/O role.
    pub in_flight: usize,
}

impl Wire<'_> {
    /// All cores, and what may be known of the I/O roles. `ports` are taken by
    /// port number, `queues` by workgroup.
    ///
    /// # Errors
    /// A function's instance cannot be made.
    pub fn cores(
        &self,
        mut ports: Vec<Option<(Source, Sink)>>,
        queues: Vec<RowQueue>,
        senders: Vec<AlertSender>,
    ) -> Result<(Vec<Core>, Vec<Arc<IoState>>), EngineError> {
        let mut queues: Vec<_> = queues.into_iter().map(Some).collect();
        let wiring = Arc::new(Wiring {
            stations: self.placement.stations.clone(),
            ports: self.placement.ports.clone(),
        });
        let mut states = Vec::new();
        let mut cores = Vec::new();
        let rings = mesh(self.placement.cores.len(), self.limit);
        for (index, ((plan, rings), alerts)) in
            self.placement.cores.iter().zip(rings).zip(senders).enumerate()
        {
            let mut roles = Vec::new();
            for role in &plan.roles {
                roles.push(match role {
                    RolePlan::Io { io, ports: mine } => {
                        let state = Arc::new(IoState::default());
                        states.push(Arc::clone(&state));
                        let mine = mine
                            .iter()
                            .filter_map(|(id, station)| {
                                let (source, sink) = ports[id.index()].take()?;
                                Some(IoPort { id: PortId(id.0), station: *station, source, sink })
                            })
                            .collect();
                        let credit =
                            Credit::new(usize::from(*io), self.in_flight as u64, Arc::clone(self.counters));
                        Role::Io(Box::new(IoRole::new(*io, mine, credit, Arc::clone(self.shared), state)))
                    }
                    RolePlan::Cnf { nf, station } => {
                        Role::Cnf(Box::new(CnfRole::new(*station, self.live.data(*nf).on_cpu()?)))
                    }
                    RolePlan::Syncer { station, workgroups } => {
                        let mine: Vec<RowQueue> = workgroups
                            .iter()
                            .filter_map(|(group, _)| queues[usize::from(group.0)].take())
                            .collect();
                        let served = self.served(workgroups.iter().map(|(_, nf)| *nf), &mine)?;
                        let Some(launcher) = self.launcher else { continue };
                        Role::Syncer(Box::new(SyncerRole::new(
                            *station,
                            mine,
                            served,
                            launcher.relauncher(),
                            Arc::clone(self.shared),
                            self.live.tables.max_row_delay_us,
                        )))
                    }
                });
            }
            let forwarder = Forwarder::new(
                CoreId(index as u8),
                Arc::clone(&wiring),
                rings,
                LiveView::new(Arc::clone(self.live)),
                Arc::clone(&self.counters[index]),
                self.limit,
            );
            cores.push(Core { roles, forwarder, alerts, orders: Arc::clone(self.orders) });
        }
        Ok((cores, states))
    }

    /// The functions of a syncer whose queues serve `nfs`, by function slot.
    fn served(
        &self,
        nfs: impl Iterator<Item = NfId>,
        queues: &[RowQueue],
    ) -> Result<Vec<Option<Served>>, EngineError> {
        let nfs: Vec<_> = nfs.collect();
        let mut served: Vec<Option<Served>> = self.live.functions.iter().map(|_| None).collect();
        for nf in &nfs {
            let slot = self.live.function_slot(*nf);
            if served[slot].is_some() {
                continue;
            }
            let mine: Box<[usize]> =
                nfs.iter().enumerate().filter(|(_, other)| *other == nf).map(|(index, _)| index).collect();
            let items = queues.first().map_or(1, RowQueue::items);
            let function = self.live.data(*nf).on_gpu()?;
            served[slot] = Some(Served::new(
                slot,
                function,
                mine,
                usize::from(super::ROW_DEPTH),
                usize::from(items),
                self.limit,
            ));
        }
        Ok(served)
    }
}
