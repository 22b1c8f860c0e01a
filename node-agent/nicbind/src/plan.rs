//! The decision: which writes lead from what is to what shall be.

use crate::{Device, DeviceId, DriverName, Entry, PciAddress, Step};

/// Where a NIC shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// On `vfio-pci`.
    Vfio,
    /// On the driver it was found with, its override as it was.
    Original,
}

/// Why no write may be made, although one would be needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// Somebody else moved the NIC.
    #[error(
        "{address} is on driver {found}, which is neither its first driver ({}) nor vfio-pci: somebody else moved it. \
         Bind it back by hand, or forget the record if this is its driver now",
        original.as_ref().map_or("none", |name| name.as_str())
    )]
    TakenByOther {
        /// The NIC.
        address: PciAddress,
        /// The driver it is on.
        found: DriverName,
        /// The driver on record.
        original: Option<DriverName>,
    },
    /// Another card sits at the address.
    #[error(
        "the record of {address} is about device {}, but {} sits there now: cards were moved. \
         Forget the record; the other card's state is whatever its new address shows", recorded.0, found.0
    )]
    AnotherDevice {
        /// The address.
        address: PciAddress,
        /// What the record is about.
        recorded: DeviceId,
        /// What sits there.
        found: DeviceId,
    },
}

/// The steps from `observed` to `goal`; none when it is reached.
///
/// Depends on nothing else, and the plan after a step is the rest of the plan before it: a crash between any two
/// steps changes nothing. The `record` says what was there first; without one, that is `observed` itself.
///
/// # Errors
/// When a step would take the NIC from somebody who is neither its first driver nor us.
pub fn plan(goal: Goal, observed: &Device, record: Option<&Entry>) -> Result<Vec<Step>, Stuck> {
    let address = observed.address;
    if let Some(entry) = record.filter(|entry| entry.device != observed.id) {
        return Err(Stuck::AnotherDevice {
            address,
            recorded: entry.device.clone(),
            found: observed.id.clone(),
        });
    }
    let first_driver = record.map_or(&observed.driver, |entry| &entry.original.driver);
    let first_override = record.map_or(&observed.driver_override, |entry| &entry.original.driver_override);
    if let Some(found) =
        observed.driver.as_ref().filter(|now| !now.is_vfio_pci() && Some(*now) != first_driver.as_ref())
    {
        let original = first_driver.clone();
        return Err(Stuck::TakenByOther { address, found: found.clone(), original });
    }
    Ok(match goal {
        Goal::Vfio if observed.is_on_vfio() => Vec::new(),
        Goal::Vfio => move_to(&DriverName::vfio_pci(), observed),
        Goal::Original => {
            let mut steps = match first_driver {
                Some(first) if observed.driver.as_ref() != Some(first) => move_to(first, observed),
                Some(_) => Vec::new(),
                None => observed.driver.clone().map(Step::Unbind).into_iter().collect(),
            };
            // Only now: with the override gone, a probe could pick any driver that knows the device.
            let left = steps.iter().rev().find_map(Step::sets_override).unwrap_or(&observed.driver_override);
            if left != first_override {
                steps.push(Step::SetOverride(first_override.clone()));
            }
            steps
        }
    })
}

/// Override, unbind, probe: with the override set, the probe can pick no other driver.
fn move_to(driver: &DriverName, observed: &Device) -> Vec<Step> {
    let mut steps = Vec::new();
    if observed.driver_override.as_ref() != Some(driver) {
        steps.push(Step::SetOverride(Some(driver.clone())));
    }
    steps.extend(observed.driver.clone().map(Step::Unbind));
    steps.push(Step::Probe(driver.clone()));
    steps
}
