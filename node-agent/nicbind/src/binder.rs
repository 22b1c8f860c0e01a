//! The executor: journal first, then one step at a time, each read back and recorded.

use crate::{
    Device, Disk, DriverName, Entry, Goal, Host, Journal, JournalError, NetworkFacts, ObserveError, Original,
    PciAddress, Permission, Refusal, State, Step, StepError, Stuck, Sysfs, journal::BootId, observe, plan,
    refusal,
};

/// Binds NICs and gives them back. One per node: the journal's lock sees to it.
#[derive(Debug)]
pub struct Binder<S, D> {
    sysfs: S,
    journal: Journal<D>,
    boot: BootId,
}

/// The wish to have a NIC on `vfio-pci`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindRequest {
    /// The NIC.
    pub address: PciAddress,
    /// What to put back after the restore. Only the first request for a NIC decides; later ones come when the
    /// interface is gone already.
    pub network: NetworkFacts,
    /// What the caller knows and allows.
    pub permission: Permission,
}

/// A NIC on `vfio-pci`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The NIC.
    pub address: PciAddress,
    /// Its node below `/dev/vfio`, such as `3` or `noiommu-0`.
    pub vfio_node: String,
    /// Members of its IOMMU group that a kernel driver still has. The node cannot be opened before they are bound too.
    pub waits_for: Vec<String>,
}

/// A NIC back on its first driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The NIC.
    pub address: PciAddress,
    /// Its driver and override.
    pub original: Original,
    /// What the caller now puts back, before it calls [`Binder::forget`].
    pub network: NetworkFacts,
}

/// Why a NIC is not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It must not be. Nothing was touched.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not where we left it. Nothing was touched.
    #[error(transparent)]
    Stuck(#[from] Stuck),
    /// Sysfs could not be read. Nothing was touched.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The journal could not be written. The next replay finishes what was begun.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A step failed, and the NIC went back to its first driver.
    #[error("{0}; the NIC is back on its first driver")]
    RolledBack(#[source] Failure, Box<Restored>),
    /// A step failed, and so did the way back. The record stays; the next replay tries again.
    #[error("{0}; going back failed too: {1}")]
    Failed(#[source] Failure, Box<RestoreError>),
}

/// What went wrong on the way to `vfio-pci`.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A step failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The journal could not be written after a step.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The driver took the NIC but made nothing that can be opened.
    #[error("vfio-pci has {0} but made no node below /dev/vfio: look for vfio in dmesg")]
    NoNode(PciAddress),
}

/// Why a NIC is not given back. The record stays.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// We never bound it.
    #[error("there is no record of {0}: it was not bound from here, so it is left as it is")]
    NotRecorded(PciAddress),
    /// It is gone.
    #[error("{0} is not there: put the card back, or forget the record")]
    Absent(PciAddress),
    /// The driver to go back to is not loaded. Nothing was touched.
    #[error("{address} came from driver {driver}, which is not loaded: `modprobe {driver}`, then try again")]
    DriverNotLoaded {
        /// The NIC.
        address: PciAddress,
        /// Its first driver.
        driver: DriverName,
    },
    /// It is not where we left it. Nothing was touched.
    #[error(transparent)]
    Stuck(#[from] Stuck),
    /// Sysfs could not be read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A step failed.
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Why a record stays.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The NIC is not back yet.
    #[error("{0} is not restored yet: its record is all that knows its first driver. Restore it first")]
    StillHeld(PciAddress),
    /// Sysfs could not be read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Where a replay left a NIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// On `vfio-pci`, as wished before the crash.
    Bound(Bound),
    /// Back on its first driver; the network facts are to be put back.
    Restored(Restored),
}

/// A NIC on record and where its replay left it.
#[derive(Debug)]
pub struct Replayed {
    /// The NIC.
    pub address: PciAddress,
    /// Where it is now.
    pub outcome: Result<Settled, RestoreError>,
}

enum RunError {
    Step(StepError),
    Journal(JournalError),
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Step(e) => Self::Step(e),
            RunError::Journal(e) => Self::Journal(e),
        }
    }
}

impl From<RunError> for RestoreError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Step(e) => Self::Step(e),
            RunError::Journal(e) => Self::Journal(e),
        }
    }
}

/// The NIC as bound, if it is on `vfio-pci` with a node.
fn as_bound(device: &Device) -> Option<Bound> {
    let vfio_node = device.vfio_node.clone()?;
    let on_kernel_driver =
        |name: &Option<String>| name.as_deref().is_some_and(|name| name != crate::VFIO_PCI);
    let waits_for = device
        .group
        .iter()
        .flat_map(|group| &group.members)
        .filter(|member| on_kernel_driver(&member.driver) && !member.is_harmless_bridge())
        .map(|member| member.name.clone())
        .collect();
    Some(Bound { address: device.address, vfio_node, waits_for })
}

fn as_restored(entry: &Entry) -> Restored {
    Restored { address: entry.address, original: entry.original.clone(), network: entry.network.clone() }
}

impl<S: Sysfs, D: Disk> Binder<S, D> {
    /// A binder in the boot `boot`. Call [`replay`](Self::replay) before anything else.
    pub fn new(sysfs: S, journal: Journal<D>, boot: BootId) -> Self {
        Self { sysfs, journal, boot }
    }

    /// The records.
    pub fn journal(&self) -> &Journal<D> {
        &self.journal
    }

    /// Takes a NIC to `vfio-pci`. Does nothing when it is there already.
    ///
    /// # Errors
    /// See [`BindError`]. After a failed step the NIC is taken back at once.
    pub fn bind(&mut self, request: &BindRequest) -> Result<Bound, BindError> {
        let address = request.address;
        let device = Device::observe(&self.sysfs, address)?.ok_or(Refusal::Absent { address })?;
        let recorded = self.journal.entry(address);
        let steps = plan(Goal::Vfio, &device, recorded)?;
        if let Some(bound) = as_bound(&device)
            && recorded.is_some_and(|entry| entry.state == State::Bound && entry.boot == self.boot)
        {
            return Ok(bound);
        }
        refusal::check(&device, Host::observe(&self.sysfs)?, &request.permission)?;
        let entry = match recorded {
            Some(entry) => entry.entering(State::Binding, &self.boot),
            None => Entry {
                address,
                device: device.id,
                original: Original { driver: device.driver, driver_override: device.driver_override },
                network: request.network.clone(),
                boot: self.boot.clone(),
                state: State::Binding,
                trail: Vec::new(),
            },
        };
        self.journal.put(entry.clone())?;
        match self.finish_bind(entry, steps) {
            Ok(bound) => Ok(bound),
            Err(failure) => Err(match self.restore(address) {
                Ok(restored) => BindError::RolledBack(failure, Box::new(restored)),
                Err(error) => BindError::Failed(failure, Box::new(error)),
            }),
        }
    }

    fn finish_bind(&mut self, mut entry: Entry, steps: Vec<Step>) -> Result<Bound, Failure> {
        let address = entry.address;
        self.run(&mut entry, steps)?;
        let device = Device::observe(&self.sysfs, address).map_err(StepError::from)?;
        let bound = device.as_ref().and_then(as_bound).ok_or(Failure::NoNode(address))?;
        entry.state = State::Bound;
        self.journal.put(entry)?;
        Ok(bound)
    }

    /// Takes a NIC back to the driver and override it was found with. Does nothing when it is there already.
    ///
    /// Stop what uses the NIC first: the kernel waits in the unbind until the last file on it is closed. The record
    /// stays until [`forget`](Self::forget), so that the network facts survive a crash before they are put back.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn restore(&mut self, address: PciAddress) -> Result<Restored, RestoreError> {
        let entry = self.journal.entry(address).ok_or(RestoreError::NotRecorded(address))?;
        let device = Device::observe(&self.sysfs, address)?.ok_or(RestoreError::Absent(address))?;
        let steps = plan(Goal::Original, &device, Some(entry))?;
        if steps.is_empty() && entry.state == State::Restored && entry.boot == self.boot {
            return Ok(as_restored(entry));
        }
        let mut entry = entry.entering(State::Restoring, &self.boot);
        for step in &steps {
            if let Step::Probe(driver) = step
                && !observe::is_loaded(&self.sysfs, driver.as_str())?
            {
                return Err(RestoreError::DriverNotLoaded { address, driver: driver.clone() });
            }
        }
        self.journal.put(entry.clone())?;
        self.run(&mut entry, steps)?;
        entry.state = State::Restored;
        let restored = as_restored(&entry);
        self.journal.put(entry)?;
        Ok(restored)
    }

    /// One step at a time: write, read back, record.
    fn run(&mut self, entry: &mut Entry, steps: Vec<Step>) -> Result<(), RunError> {
        for step in steps {
            step.apply(&self.sysfs, entry.address).map_err(RunError::Step)?;
            entry.trail.push(step);
            self.journal.put(entry.clone()).map_err(RunError::Journal)?;
        }
        Ok(())
    }

    /// Drops the record of a NIC once it is restored and its network facts are in force again, or once its card is
    /// gone or another sits in its place. Does nothing without a record.
    ///
    /// # Errors
    /// See [`ForgetError`].
    pub fn forget(&mut self, address: PciAddress) -> Result<(), ForgetError> {
        let Some(entry) = self.journal.entry(address) else { return Ok(()) };
        let held = match Device::observe(&self.sysfs, address)? {
            Some(device) => match plan(Goal::Original, &device, Some(entry)) {
                Ok(steps) => entry.state != State::Restored || !steps.is_empty(),
                // Somebody else has it, or it is another card: the record says nothing about it any more.
                Err(Stuck::TakenByOther { .. } | Stuck::AnotherDevice { .. }) => false,
            },
            None => false,
        };
        if held {
            return Err(ForgetError::StillHeld(address));
        }
        Ok(self.journal.remove(address)?)
    }

    /// Leads every NIC on record to a consistent state, whatever crashed: what reached `vfio-pci` stays, everything
    /// else goes back to its first driver. To be called at the start.
    ///
    /// A half-done bind goes back and not on, because the reasons not to bind were looked at before the crash. After
    /// a reboot the kernel has forgotten our writes, so the same rule gives every NIC back; the record stays for the
    /// next bind. One NIC's error does not keep the others from being led on.
    pub fn replay(&mut self) -> Vec<Replayed> {
        let addresses: Vec<PciAddress> = self.journal.entries().map(|entry| entry.address).collect();
        addresses.into_iter().map(|address| Replayed { address, outcome: self.settle(address) }).collect()
    }

    fn settle(&mut self, address: PciAddress) -> Result<Settled, RestoreError> {
        let entry = self.journal.entry(address).ok_or(RestoreError::NotRecorded(address))?;
        if matches!(entry.state, State::Binding | State::Bound)
            && let Some(device) = Device::observe(&self.sysfs, address)?
            && entry.device == device.id
            && let Some(bound) = as_bound(&device)
        {
            if entry.state != State::Bound || entry.boot != self.boot {
                let kept = Entry { state: State::Bound, boot: self.boot.clone(), ..entry.clone() };
                self.journal.put(kept)?;
            }
            return Ok(Settled::Bound(bound));
        }
        self.restore(address).map(Settled::Restored)
    }
}
