//! The real file operations, on a folder laid out like sysfs. A folder does not act as a kernel does, so each test
//! ends where the kernel would have to answer.

use std::{fs, os::unix::fs::symlink, path::Path};

use nicbind::{
    BindError, BindRequest, Binder, BootId, Device, Failure, Host, Journal, NetworkFacts, PciAddress,
    Permission, RealDisk, RealSysfs, RestoreError, State, StepError, Sysfs, SysfsRoot,
};

const NIC: &str = "bus/pci/devices/0000:00:03.0";

fn address() -> PciAddress {
    "0000:00:03.0".parse().unwrap()
}

/// What a Debian 12 guest shows of an e1000e in IOMMU group 3.
fn tree(root: &Path) -> RealSysfs {
    let device = root.join("devices/pci0000:00/0000:00:03.0");
    for folder in ["bus/pci/devices", "bus/pci/drivers/e1000e", "bus/pci/drivers/vfio-pci", "class/vfio"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::create_dir_all(root.join("kernel/iommu_groups/3/devices")).unwrap();
    fs::create_dir_all(root.join("module/vfio/parameters")).unwrap();
    fs::create_dir_all(device.join("net/enp0s3")).unwrap();
    for (file, text) in [
        ("vendor", "0x8086\n"),
        ("device", "0x10d3\n"),
        ("subsystem_vendor", "0x8086\n"),
        ("subsystem_device", "0xa01f\n"),
        ("class", "0x020000\n"),
        ("driver_override", "(null)\n"),
        ("sriov_numvfs", "0\n"),
    ] {
        fs::write(device.join(file), text).unwrap();
    }
    fs::write(root.join("bus/pci/drivers/e1000e/unbind"), "").unwrap();
    fs::write(root.join("bus/pci/drivers_probe"), "").unwrap();
    fs::write(root.join("module/vfio/parameters/enable_unsafe_noiommu_mode"), "N\n").unwrap();
    symlink("../../../devices/pci0000:00/0000:00:03.0", root.join(NIC)).unwrap();
    symlink("../../../bus/pci/drivers/e1000e", device.join("driver")).unwrap();
    symlink("../../../kernel/iommu_groups/3", device.join("iommu_group")).unwrap();
    symlink(
        "../../../../devices/pci0000:00/0000:00:03.0",
        root.join("kernel/iommu_groups/3/devices/0000:00:03.0"),
    )
    .unwrap();
    RealSysfs::new(SysfsRoot(root.to_owned()))
}

#[test]
fn a_device_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let sysfs = tree(dir.path());
    let device = Device::observe(&sysfs, address()).unwrap().unwrap();
    assert_eq!(device.id.0, "8086:10d3 8086:a01f");
    assert_eq!(device.class, 0x02_0000);
    assert_eq!(device.driver.unwrap().as_str(), "e1000e");
    assert_eq!(device.driver_override, None);
    assert_eq!(device.interfaces, ["enp0s3"]);
    let group = device.group.unwrap();
    assert_eq!((group.id.as_str(), group.members.len()), ("3", 1));
    assert_eq!(group.members[0].driver.as_deref(), Some("e1000e"));
    assert_eq!(Host::observe(&sysfs).unwrap(), Host { vfio_pci: true, no_iommu_mode: false });
    assert_eq!(Device::observe(&sysfs, "0000:00:05.0".parse().unwrap()).unwrap(), None);
    fs::write(dir.path().join(NIC).join("class"), "what\n").unwrap();
    assert!(Device::observe(&sysfs, address()).unwrap_err().to_string().contains("hexadecimal"));
}

#[test]
fn a_write_makes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let sysfs = tree(dir.path());
    assert!(sysfs.write("bus/pci/drivers/e1000e/bind", "x").is_err());
    assert!(!sysfs.exists("bus/pci/drivers/e1000e/bind").unwrap());
}

#[test]
fn the_record_is_on_disk_and_survives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (root, state) = (dir.path().join("sys"), dir.path().join("state"));
    let sysfs = tree(&root);
    let start = |boot: &str| {
        let journal = Journal::open(RealDisk::open(&state).unwrap(), "m").unwrap();
        Binder::new(sysfs.clone(), journal, BootId::new(boot))
    };
    let network = NetworkFacts { interface: Some("enp0s3".into()), ..NetworkFacts::default() };
    let request = BindRequest { address: address(), network, permission: Permission::default() };
    let mut binder = start("a");
    // A folder takes no link away at the unbind and makes no "(null)" of an empty line: both are seen at once.
    let error = binder.bind(&request).unwrap_err();
    let BindError::Failed(Failure::Step(StepError::NoEffect { what: "unbind", .. }), back) = error else {
        panic!("{error}")
    };
    let cleared =
        matches!(*back, RestoreError::Step(StepError::NoEffect { what: "setting driver_override", .. }));
    assert!(cleared, "{back}");
    assert_eq!(fs::read_to_string(root.join("bus/pci/drivers/e1000e/unbind")).unwrap(), "0000:00:03.0");
    drop(binder);

    // The kernel's part of a bind, by hand; then another process, in another boot.
    fs::write(root.join(NIC).join("driver_override"), "vfio-pci\n").unwrap();
    fs::remove_file(root.join(NIC).join("driver")).unwrap();
    symlink("../../../bus/pci/drivers/vfio-pci", root.join(NIC).join("driver")).unwrap();
    fs::create_dir(root.join("class/vfio/3")).unwrap();
    let mut binder = start("b");
    assert_eq!(binder.bind(&request).unwrap().vfio_node, "3");
    let entry = binder.journal().entry(address()).unwrap();
    assert_eq!(entry.state, State::Bound);
    assert_eq!(entry.original.driver.as_ref().unwrap().as_str(), "e1000e", "the first driver, not vfio-pci");
    assert!(matches!(binder.restore(address()), Err(RestoreError::Step(_))), "vfio-pci has no unbind here");
    drop(binder);
    assert_eq!(start("b").journal().entry(address()).unwrap().state, State::Restoring);
}
