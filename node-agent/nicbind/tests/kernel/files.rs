//! The files through which the kernel in memory shows itself.

use std::io;

use nicbind::Sysfs;

use super::{ENOENT, Function, Machine, World, errno};

impl World {
    fn function(&self, name: &str) -> io::Result<&Function> {
        self.functions.get(name).ok_or(errno(ENOENT))
    }

    fn show(&self, path: &str) -> io::Result<String> {
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            ["module", "vfio", "parameters", "enable_unsafe_noiommu_mode"] => {
                self.no_iommu_mode.map(|on| if on { "Y\n" } else { "N\n" }.to_owned()).ok_or(errno(ENOENT))
            }
            ["bus", "pci", "devices", name, file] => {
                let function = self.function(name)?;
                Ok(match file {
                    "vendor" | "subsystem_vendor" => "0x8086\n".into(),
                    "device" => format!("{:#06x}\n", function.device),
                    "subsystem_device" => "0x0000\n".into(),
                    "class" => format!("{:#08x}\n", function.class),
                    "driver_override" => {
                        format!("{}\n", function.driver_override.as_deref().unwrap_or("(null)"))
                    }
                    "sriov_numvfs" => format!("{}\n", function.virtual_functions.ok_or(errno(ENOENT))?),
                    _ => return Err(errno(ENOENT)),
                })
            }
            _ => Err(errno(ENOENT)),
        }
    }

    fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            ["kernel", "iommu_groups", group, "devices"] => {
                let of_group = |function: &Function| function.group.as_deref() == Some(group);
                let members = self.functions.iter().filter(|(_, function)| of_group(function));
                Ok(members.map(|(name, _)| name.clone()).collect())
            }
            ["bus", "pci", "devices", name] => {
                let mut names = vec!["class".to_owned(), "vendor".to_owned()];
                if self.function(name)?.interface_at.starts_with("virtio0") {
                    names.push("virtio0".into());
                }
                Ok(names)
            }
            ["bus", "pci", "devices", name, "vfio-dev"] => {
                let function = self.function(name)?;
                let shown = !self.group_nodes && function.driver.as_deref() == Some("vfio-pci");
                if shown { Ok(vec!["vfio0".into()]) } else { Err(errno(ENOENT)) }
            }
            ["bus", "pci", "devices", name, ..] => {
                let function = self.function(name)?;
                let here = parts[4..].join("/") == function.interface_at && function.has_interface();
                if here { Ok(function.interface.clone().into_iter().collect()) } else { Err(errno(ENOENT)) }
            }
            _ => Err(errno(ENOENT)),
        }
    }

    fn has(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            ["bus", "pci", "devices", name] => self.functions.contains_key(name),
            ["bus", "pci", "drivers", name] => self.drivers.contains(name),
            ["class", "vfio", node] => {
                let group = node.strip_prefix("noiommu-").unwrap_or(node);
                let no_iommu = self.no_iommu_mode == Some(true);
                self.group_nodes
                    && node.starts_with("noiommu-") == no_iommu
                    && self.functions.values().any(|function| {
                        function.group.as_deref() == Some(group)
                            && function.driver.as_deref() == Some("vfio-pci")
                    })
            }
            _ => false,
        }
    }
}

impl Sysfs for Machine {
    fn read(&self, path: &str) -> io::Result<String> {
        self.0.borrow().show(path)
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        let last = world.effect()?;
        let recorded = world.platter.is_durable(super::NIC);
        assert!(recorded, "{path} is written before the record is durable");
        let result = world.store(path, value);
        if last { Err(io::Error::other("died after the write")) } else { result }
    }

    fn readlink(&self, path: &str) -> io::Result<String> {
        let world = self.0.borrow();
        let parts: Vec<&str> = path.split('/').collect();
        let ["bus", "pci", "devices", name, link] = parts[..] else { return Err(errno(ENOENT)) };
        let function = world.function(name)?;
        let target = match link {
            "driver" => function.driver.as_ref().map(|driver| format!("../../../bus/pci/drivers/{driver}")),
            "iommu_group" => {
                function.group.as_ref().map(|group| format!("../../../kernel/iommu_groups/{group}"))
            }
            _ => None,
        };
        target.ok_or(errno(ENOENT))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.borrow().names(path)
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        Ok(self.0.borrow().has(path))
    }
}
