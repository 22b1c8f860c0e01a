//! From a placement to cores that are ready to run.

use std::sync::Arc;

use hummingbird_gpu::{Launcher, RowQueue, SharedRegion};

use super::{
    Placement, RolePlan,
    core::{Core, Mailbox, Orders, Role},
};
use crate::{
    forward::{CoreId, Credit, Forwarder, mesh},
    gpu::SyncerRole,
    io::{IoPort, IoRole, IoState},
    ports::{Sink, Source},
    report::{CoreCounters, alerts::AlertSender},
    tables::{LiveView, Publication},
};

/// What cores are made from.
pub struct Wire<'a> {
    /// Which role runs where.
    pub placement: &'a Placement,
    /// The views that cores take up.
    pub publication: &'a Arc<Publication>,
    /// Counters of each core.
    pub counters: &'a Arc<[Arc<CoreCounters>]>,
    /// Memory that packets must lie in.
    pub shared: &'a Arc<SharedRegion>,
    /// The persistent launch, if there is one.
    pub launcher: Option<&'a Launcher>,
    /// What the cores are told.
    pub orders: &'a Arc<Orders>,
    /// What each core is brought.
    pub mailboxes: &'a [Mailbox],
    /// Packets in flight at most, in all.
    pub limit: usize,
    /// Packets in flight at most for each I/O role.
    pub in_flight: usize,
}

impl Wire<'_> {
    /// All cores with their lasting roles, and what may be known of the I/O
    /// roles. `ports` are taken by port number, `queues` by workgroup.
    #[must_use]
    pub fn cores(
        &self,
        mut ports: Vec<Option<(Source, Sink)>>,
        queues: Vec<RowQueue>,
        senders: Vec<AlertSender>,
    ) -> (Vec<Core>, Vec<Arc<IoState>>) {
        let mut queues: Vec<_> = queues.into_iter().map(Some).collect();
        let mut states = Vec::new();
        let rings = mesh(self.placement.cores.len(), self.limit);
        let plans = self.placement.cores.iter().zip(rings).zip(senders).enumerate();
        let cores = plans
            .map(|(index, ((plan, rings), alerts))| {
                let roles = plan.iter().map(|role| self.role(role, &mut ports, &mut queues, &mut states));
                let roles = roles.collect();
                let view = LiveView::new(Arc::clone(self.publication), index);
                let counters = Arc::clone(&self.counters[index]);
                let forwarder = Forwarder::new(CoreId(index as u8), rings, view, counters, self.limit);
                let mailbox = Arc::clone(&self.mailboxes[index]);
                let mut core = Core { roles, forwarder, alerts, orders: Arc::clone(self.orders), mailbox };
                // The first generation's functions wait in the mailbox.
                core.take_up();
                core
            })
            .collect();
        (cores, states)
    }

    fn role(
        &self,
        plan: &RolePlan,
        ports: &mut [Option<(Source, Sink)>],
        queues: &mut [Option<RowQueue>],
        states: &mut Vec<Arc<IoState>>,
    ) -> Role {
        match plan {
            RolePlan::Io { io, ports: mine } => {
                let state = Arc::new(IoState::default());
                states.push(Arc::clone(&state));
                let mine = mine.iter().filter_map(|(id, station)| {
                    let (source, sink) = ports[id.index()].take()?;
                    Some(IoPort { id: *id, station: *station, source, sink })
                });
                let mine = mine.collect();
                let credit = Credit::new(usize::from(*io), self.in_flight as u64, Arc::clone(self.counters));
                Role::Io(Box::new(IoRole::new(*io, mine, credit, Arc::clone(self.shared), state)))
            }
            RolePlan::Syncer { station, workgroups } => {
                let mine =
                    workgroups.iter().filter_map(|group| queues[usize::from(group.0)].take()).collect();
                let Some(launcher) = self.launcher else {
                    unreachable!("syncers are placed for workgroups, and these are launched")
                };
                let (relauncher, region) = (launcher.relauncher(), Arc::clone(self.shared));
                Role::Syncer(Box::new(SyncerRole::new(*station, mine, relauncher, region, self.limit)))
            }
        }
    }
}
