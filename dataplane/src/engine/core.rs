//! A core: a thread that polls its roles, run to completion, and backs off
//! while there is nothing to do.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::{EngineError, back_off::BackOff};
use crate::{
    DropReason, cpu::CnfRole, forward::Forwarder, gpu::SyncerRole, io::IoRole, nf::GpuFunction,
    report::alerts::AlertSender,
};

/// What a core runs.
pub enum Role {
    /// Receive and transmit.
    Io(Box<IoRole>),
    /// A CPU function.
    Cnf(Box<CnfRole>),
    /// Rows.
    Syncer(Box<SyncerRole>),
}

/// What a new generation brings to a core, before any packet comes for it.
pub enum Delivery {
    /// An instance of a CPU function.
    Instance(Box<CnfRole>),
    /// A GPU function, for the CPUSyncers of the core.
    Kernel {
        /// Its place in the roster.
        slot: usize,
        /// One for each CPUSyncer.
        functions: Vec<Box<dyn GpuFunction>>,
    },
}

/// Where deliveries for a core wait until it takes up the view that needs them.
pub type Mailbox = Arc<Mutex<Vec<Delivery>>>;

/// What the cores are told.
#[derive(Debug)]
pub struct Orders {
    /// Packets may be admitted.
    pub admit: AtomicBool,
    /// Leave the loop.
    pub stop: AtomicBool,
}

/// A core's work, to be run by its thread.
pub struct Core {
    /// Roles in the order in which they are polled.
    pub roles: Vec<Role>,
    /// Its half of the forwarding module.
    pub forwarder: Forwarder,
    /// Its way to the alert log.
    pub alerts: AlertSender,
    /// What it is told.
    pub orders: Arc<Orders>,
    /// What it is brought.
    pub mailbox: Mailbox,
}

fn syncers(roles: &mut [Role]) -> impl Iterator<Item = &mut SyncerRole> {
    roles.iter_mut().filter_map(|role| match role {
        Role::Syncer(syncer) => Some(&mut **syncer),
        Role::Io(_) | Role::Cnf(_) => None,
    })
}

impl Core {
    /// Runs until told to stop.
    ///
    /// # Errors
    /// A capture fails, or the GPU does. The core stops at once then.
    pub fn run(&mut self) -> Result<(), EngineError> {
        let mut back_off = BackOff::default();
        while !self.orders.stop.load(Ordering::Acquire) {
            if self.round()? == 0 {
                self.rest(&mut back_off)?;
            } else {
                back_off.reset();
            }
        }
        Ok(())
    }

    fn round(&mut self) -> Result<usize, EngineError> {
        if self.forwarder.view.is_stale() {
            self.take_up();
        }
        let Self { roles, forwarder, alerts, orders, .. } = self;
        forwarder.now = dpdk::tsc();
        let mut moved = forwarder.receive();
        for role in roles {
            moved += match role {
                Role::Io(io) => io.poll(forwarder, orders.admit.load(Ordering::Acquire))?,
                Role::Cnf(cnf) => cnf.poll(forwarder, alerts),
                Role::Syncer(syncer) => syncer.poll(forwarder, alerts)?,
            };
        }
        forwarder.flush();
        Ok(moved)
    }

    /// Takes up the newest view with what it needs, then acknowledges it.
    #[cold]
    pub fn take_up(&mut self) {
        let view = self.forwarder.take_up();
        let deliveries = std::mem::take(&mut *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner));
        for delivery in deliveries {
            match delivery {
                Delivery::Instance(role) => self.roles.push(Role::Cnf(role)),
                Delivery::Kernel { slot, functions } => {
                    for (syncer, function) in syncers(&mut self.roles).zip(functions) {
                        syncer.serve(slot, function, usize::from(super::ROW_DEPTH));
                    }
                }
            }
        }
        syncers(&mut self.roles).for_each(|syncer| syncer.repartition(view.current()));
        self.forwarder.view.acknowledge();
    }

    fn rest(&mut self, back_off: &mut BackOff) -> Result<(), EngineError> {
        if back_off.falls_asleep() {
            self.flush()?;
        }
        back_off.rest(syncers(&mut self.roles).any(|syncer| syncer.is_busy()));
        Ok(())
    }

    /// Hands over what is staged for other cores and writes captures out.
    ///
    /// # Errors
    /// A capture cannot be written.
    pub fn finish(&mut self) -> Result<(), EngineError> {
        self.forwarder.flush();
        self.flush()
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        for role in &mut self.roles {
            if let Role::Io(io) = role {
                io.flush()?;
            }
        }
        Ok(())
    }

    /// Drops, counted, what is still in this core's hands. No kernel may run.
    pub fn abandon(&mut self) {
        self.forwarder.receive();
        for role in &mut self.roles {
            match role {
                Role::Syncer(syncer) => {
                    syncer.abandon().for_each(|packet| self.forwarder.drop(packet, DropReason::Draining));
                }
                Role::Io(io) => io.abandon(&mut self.forwarder),
                Role::Cnf(_) => {}
            }
        }
        self.forwarder.abandon();
    }
}
