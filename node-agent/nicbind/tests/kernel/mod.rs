//! A kernel and a disk in memory that behave like the real ones where binding is concerned, and that can die.
//!
//! Kernel: `drivers/base/bus.c`, `drivers/base/dd.c` and `drivers/pci/pci-driver.c` of Linux 6.1.
#![allow(dead_code)] // Each test binary uses its own part.

pub mod disk;
mod files;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    rc::Rc,
};

use nicbind::{BindRequest, Binder, BootId, Journal, JournalError, NetworkFacts, PciAddress, Permission};

use disk::{FakeDisk, Platter};

pub const ENOENT: i32 = 2;
pub const EBUSY: i32 = 16;
pub const ENODEV: i32 = 19;
pub const EINVAL: i32 = 22;
pub const MACHINE: &str = "machine-a";
pub const NIC: &str = "0000:00:03.0";

/// A driver that also knows the NIC and comes first: a probe without override picks it.
pub const RIVAL: &str = "rival";

pub fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

pub fn nic() -> PciAddress {
    NIC.parse().unwrap()
}

/// A PCI function.
#[derive(Debug, Clone)]
pub struct Function {
    pub class: u32,
    pub device: u32,
    pub driver: Option<String>,
    pub driver_override: Option<String>,
    pub group: Option<String>,
    pub virtual_functions: Option<u32>,
    /// The interface it has while a network driver drives it, visible here or elsewhere.
    pub interface: Option<String>,
    /// The folder of the interface: `net`, or `virtio0/net`.
    pub interface_at: &'static str,
}

impl Function {
    pub fn nic(driver: Option<&str>, driver_override: Option<&str>) -> Self {
        Self {
            class: 0x02_0000,
            device: 0x10d3,
            driver: driver.map(str::to_owned),
            driver_override: driver_override.map(str::to_owned),
            group: Some("7".into()),
            virtual_functions: None,
            interface: Some("eth1".into()),
            interface_at: "net",
        }
    }

    pub fn has_interface(&self) -> bool {
        let silent = ["vfio-pci", "uio_pci_generic", "pcieport"];
        self.driver.as_deref().is_some_and(|name| !silent.contains(&name)) && self.interface.is_some()
    }
}

/// When the machine dies: at the `at`-th effect from now, before or after it happens.
#[derive(Debug, Clone, Copy)]
pub struct Fuse {
    pub at: usize,
    pub after: bool,
}

#[derive(Debug, Default)]
pub struct World {
    pub functions: BTreeMap<String, Function>,
    pub drivers: BTreeSet<String>,
    /// Drivers whose probe fails.
    pub broken: BTreeSet<String>,
    /// `enable_unsafe_noiommu_mode`; none without the module.
    pub no_iommu_mode: Option<bool>,
    /// The kernel has group nodes below `/dev/vfio`; else it has device nodes.
    pub group_nodes: bool,
    pub platter: Platter,
    pub boot: u32,
    pub fuse: Option<Fuse>,
    pub dead: bool,
    /// The next write to a path that ends so fails with this error, without effect.
    pub faults: Vec<(&'static str, i32)>,
    /// Every write to sysfs.
    pub writes: Vec<String>,
    /// Every driver that any function was ever bound to by a write.
    pub ever_bound: BTreeSet<String>,
}

/// The same world for sysfs, disk and test.
#[derive(Debug, Clone)]
pub struct Machine(pub Rc<RefCell<World>>);

impl World {
    /// Counts one effect. `Ok(true)`: do it and die.
    pub fn effect(&mut self) -> io::Result<bool> {
        let dead = || io::Error::other("the machine is dead");
        if self.dead {
            return Err(dead());
        }
        match &mut self.fuse {
            Some(Fuse { at: 0, after }) => {
                self.dead = true;
                if *after { Ok(true) } else { Err(dead()) }
            }
            Some(fuse) => {
                fuse.at -= 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    pub fn attach(&mut self, address: &str, driver: &str) -> bool {
        let no_iommu = self.no_iommu_mode == Some(true);
        let function = self.functions.get_mut(address).unwrap();
        if self.broken.contains(driver) {
            return false;
        }
        if driver == "vfio-pci" && function.group.is_none() {
            if !no_iommu {
                return false; // "probe failed with error -22"
            }
            function.group = Some("0".into());
        }
        function.driver = Some(driver.to_owned());
        self.ever_bound.insert(driver.to_owned());
        true
    }

    fn matches(&self, function: &Function, driver: &str) -> bool {
        match &function.driver_override {
            Some(name) => name == driver,
            None => [RIVAL, "e1000e"].contains(&driver),
        }
    }

    /// A write to an attribute, as the kernel does it.
    pub fn store(&mut self, path: &str, value: &str) -> io::Result<()> {
        self.writes.push(format!("{path} < {}", value.trim()));
        if let Some(at) = self.faults.iter().position(|(end, _)| path.ends_with(end)) {
            return Err(errno(self.faults.remove(at).1));
        }
        let address = value.trim().to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            ["bus", "pci", "devices", name, "driver_override"] => {
                let function = self.functions.get_mut(name).ok_or(errno(ENOENT))?;
                if value.is_empty() || value.len() >= 4095 {
                    return Err(errno(EINVAL));
                }
                let text = value.split('\n').next().unwrap_or_default();
                function.driver_override = (!text.is_empty()).then(|| text.to_owned());
            }
            ["bus", "pci", "drivers", driver, "unbind"] => {
                self.drivers.get(driver).ok_or(errno(ENOENT))?;
                let function = self.functions.get_mut(&address).ok_or(errno(ENODEV))?;
                if function.driver.as_deref() != Some(driver) {
                    return Err(errno(ENODEV));
                }
                function.driver = None;
            }
            ["bus", "pci", "drivers", driver, "bind"] => {
                self.drivers.get(driver).ok_or(errno(ENOENT))?;
                let function = self.functions.get(&address).ok_or(errno(ENODEV))?;
                if !self.matches(function, driver) {
                    return Err(errno(ENODEV));
                }
                if function.driver.is_some() {
                    return Err(errno(EBUSY));
                }
                if !self.attach(&address, driver) {
                    return Err(errno(ENODEV));
                }
            }
            ["bus", "pci", "drivers_probe"] => {
                let function = self.functions.get(&address).ok_or(errno(ENODEV))?.clone();
                if function.driver.is_none() {
                    // In the order of registration; the rival was there first.
                    let order = [RIVAL.to_owned()].into_iter().chain(self.drivers.iter().cloned());
                    for driver in order.collect::<Vec<_>>() {
                        let fits = self.drivers.contains(&driver) && self.matches(&function, &driver);
                        if fits && self.attach(&address, &driver) {
                            break;
                        }
                    }
                }
            }
            ["bus", "pci", "drivers", _, "new_id"] => panic!("new_id is never written"),
            _ => return Err(errno(ENOENT)),
        }
        Ok(())
    }
}

impl Machine {
    /// A machine with one NIC in IOMMU group 7, and all drivers loaded.
    pub fn new(driver: Option<&str>, driver_override: Option<&str>) -> Self {
        let drivers = [RIVAL, "e1000e", "vfio-pci", "uio_pci_generic", "mlx5_core", "pcieport"];
        Self(Rc::new(RefCell::new(World {
            functions: BTreeMap::from([(NIC.to_owned(), Function::nic(driver, driver_override))]),
            drivers: drivers.map(str::to_owned).into(),
            no_iommu_mode: Some(false),
            group_nodes: true,
            ..World::default()
        })))
    }

    pub fn function(&self) -> Function {
        self.0.borrow().functions[NIC].clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.0.borrow_mut());
    }

    /// Starts the agent: opens the journal, no replay.
    pub fn start(&self) -> Result<Binder<Machine, FakeDisk>, JournalError> {
        let boot = BootId::new(&format!("boot-{}\n", self.0.borrow().boot));
        Ok(Binder::new(self.clone(), Journal::open(FakeDisk(self.0.clone()), MACHINE)?, boot))
    }

    /// After the process died: the kernel and the page cache live on.
    pub fn revive(&self) {
        self.change(|world| {
            world.dead = false;
            world.fuse = None;
        });
    }

    /// After the power failed: overrides are gone, the NIC is on `driver`, and of what was not synced anything may
    /// be left.
    pub fn reboot(&self, driver: Option<&str>, chance: u64) {
        self.revive();
        self.change(|world| {
            world.boot += 1;
            world.platter.power_loss(chance);
            let function = world.functions.get_mut(NIC).unwrap();
            function.driver = driver.map(str::to_owned);
            function.driver_override = None;
        });
    }
}

pub fn facts() -> NetworkFacts {
    NetworkFacts {
        interface: Some("eth1".into()),
        mac: Some("02:00:00:00:00:01".into()),
        mtu: Some(9000),
        addresses: vec!["192.0.2.1/24".into(), "2001:db8::1/64".into()],
    }
}

pub fn request() -> BindRequest {
    BindRequest { address: nic(), network: facts(), permission: Permission::default() }
}
