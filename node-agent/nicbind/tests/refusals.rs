//! Every reason not to bind, each from one change to a NIC that would be bound; and what fails on the way.

mod kernel;

use kernel::{EBUSY, EINVAL, ENODEV, Function, Machine, NIC, World, facts, nic, request};
use nicbind::{
    BindError, BindRequest, Failure, Family, ForgetError, InUse, Refusal, RestoreError, State, StepError,
    Stuck, Sysfs, Use,
};

const OTHER: &str = "0000:00:04.0";

fn other(change: impl FnOnce(&mut Function)) -> impl FnOnce(&mut World) {
    move |world| {
        let mut function = Function::nic(Some("e1000e"), None);
        change(&mut function);
        world.functions.insert(OTHER.into(), function);
    }
}

/// Changes the world and the request, binds, and checks that nothing was written anywhere.
fn refusal(world: impl FnOnce(&mut World), wish: impl FnOnce(&mut BindRequest)) -> Option<Refusal> {
    let machine = Machine::new(Some("e1000e"), None);
    machine.change(world);
    let mut request = request();
    wish(&mut request);
    let mut binder = machine.start().unwrap();
    match binder.bind(&request) {
        Ok(_) => None,
        Err(BindError::Refused(refusal)) => {
            assert!(machine.0.borrow().writes.is_empty());
            assert!(machine.0.borrow().platter.get("bindings.json").is_none(), "nothing was recorded either");
            assert!(refusal.to_string().len() > 30, "{refusal}");
            Some(refusal)
        }
        Err(error) => panic!("{error}"),
    }
}

fn nic_with(change: impl FnOnce(&mut Function)) -> impl FnOnce(&mut World) {
    |world| change(world.functions.get_mut(NIC).unwrap())
}

#[test]
fn each_reason_alone() {
    let address = nic();
    let as_it_is = |_: &mut BindRequest| {};
    assert_eq!(refusal(|_| {}, as_it_is), None, "the NIC that all others differ from is bound");
    assert_eq!(refusal(|world| world.functions.clear(), as_it_is), Some(Refusal::Absent { address }));
    assert_eq!(
        refusal(nic_with(|f| f.class = 0x01_0802), as_it_is),
        Some(Refusal::NotANetworkDevice { address, class: 0x01_0802 })
    );
    assert_eq!(
        refusal(nic_with(|f| f.driver = Some("mlx5_core".into())), as_it_is),
        Some(Refusal::Bifurcated { address, driver: "mlx5_core".try_into().unwrap() })
    );
    let in_use = InUse {
        interface: "eth1".into(),
        by: Use::DefaultRoute { family: Family::V6, table: 254 },
        through: vec!["bond0.100".into(), "bond0".into()],
    };
    let refused = refusal(|_| {}, |request| request.permission.in_use = vec![in_use.clone()]).unwrap();
    assert!(
        refused
            .to_string()
            .contains("eth1 carries the IPv6 default route of table 254 through bond0.100, bond0"),
        "{refused}"
    );
    assert_eq!(refused, Refusal::InUse { address, uses: vec![in_use.clone()] });
    let virtio = refusal(nic_with(|f| f.interface_at = "virtio0/net"), |request| {
        request.permission.in_use = vec![in_use.clone()]
    });
    assert_eq!(virtio, Some(Refusal::InUse { address, uses: vec![in_use.clone()] }));
    let elsewhere = InUse { interface: "eth0".into(), ..in_use };
    assert_eq!(refusal(|_| {}, |request| request.permission.in_use = vec![elsewhere]), None);
    assert_eq!(
        refusal(nic_with(|f| f.interface = None), as_it_is),
        Some(Refusal::InterfaceHidden { address, driver: "e1000e".try_into().unwrap() })
    );
    assert_eq!(
        refusal(nic_with(|f| f.virtual_functions = Some(2)), as_it_is),
        Some(Refusal::VirtualFunctionsPresent { address, count: 2 })
    );
    assert_eq!(refusal(nic_with(|f| f.virtual_functions = Some(0)), as_it_is), None);
    assert_eq!(
        refusal(|world| assert!(world.drivers.remove("vfio-pci")), as_it_is),
        Some(Refusal::VfioPciNotLoaded)
    );
}

#[test]
fn the_iommu() {
    let address = nic();
    let as_it_is = |_: &mut BindRequest| {};
    let allowed = |request: &mut BindRequest| request.permission.allow_no_iommu = true;
    let without = |mode| {
        move |world: &mut World| {
            world.functions.get_mut(NIC).unwrap().group = None;
            world.no_iommu_mode = mode;
        }
    };
    assert_eq!(refusal(without(Some(true)), as_it_is), Some(Refusal::NoIommu { address }));
    assert_eq!(refusal(without(Some(false)), allowed), Some(Refusal::NoIommuModeOff { address }));
    assert_eq!(refusal(without(None), allowed), Some(Refusal::NoIommuModeOff { address }));
    assert_eq!(refusal(without(Some(true)), allowed), None);

    let shared = Some(Refusal::SharedGroup { address, group: "7".into(), others: vec![OTHER.to_owned()] });
    assert_eq!(refusal(other(|_| {}), as_it_is), shared);
    assert_eq!(refusal(other(|f| f.driver = None), as_it_is), shared, "it may get its driver back");
    assert_eq!(refusal(other(|f| f.group = Some("8".into())), as_it_is), None);
    let bridge = |class, driver: Option<&str>| {
        let driver = driver.map(str::to_owned);
        other(move |f| (f.class, f.driver) = (class, driver))
    };
    assert_eq!(refusal(bridge(0x06_0400, Some("pcieport")), as_it_is), None);
    assert_eq!(refusal(bridge(0x06_0000, None), as_it_is), None);
    assert_eq!(refusal(bridge(0x06_0100, Some("lpc_ich")), as_it_is), shared);
}

#[test]
fn ours_share_a_group_and_wait_for_one_another() {
    let machine = Machine::new(Some("e1000e"), None);
    machine.change(other(|_| {}));
    let mut first = request();
    first.permission.ours = [nic(), OTHER.parse().unwrap()].into();
    let second = BindRequest { address: OTHER.parse().unwrap(), ..first.clone() };
    let mut binder = machine.start().unwrap();
    assert_eq!(binder.bind(&first).unwrap().waits_for, [OTHER]);
    assert!(binder.bind(&second).unwrap().waits_for.is_empty());
    assert!(binder.bind(&first).unwrap().waits_for.is_empty());
}

#[test]
fn the_node_to_open() {
    let node = |change: fn(&mut World)| {
        let machine = Machine::new(Some("e1000e"), None);
        machine.change(change);
        let mut request = request();
        request.permission.allow_no_iommu = true;
        machine.start().unwrap().bind(&request).unwrap().vfio_node
    };
    assert_eq!(node(|_| {}), "7");
    assert_eq!(node(|world| world.group_nodes = false), "devices/vfio0");
    let no_iommu = |world: &mut World| {
        world.functions.get_mut(NIC).unwrap().group = None;
        world.no_iommu_mode = Some(true);
    };
    assert_eq!(node(no_iommu), "noiommu-0");
}

#[test]
fn a_failed_step_gives_the_nic_back_at_once() {
    for (path, code) in [("driver_override", EINVAL), ("e1000e/unbind", EBUSY), ("drivers_probe", ENODEV)] {
        let machine = Machine::new(Some("e1000e"), Some("none"));
        machine.change(|world| world.faults.push((path, code)));
        let mut binder = machine.start().unwrap();
        let error = binder.bind(&request()).unwrap_err();
        let BindError::RolledBack(Failure::Step(StepError::Write { source, .. }), restored) = error else {
            panic!("{error}")
        };
        assert_eq!((source.raw_os_error(), &restored.network), (Some(code), &facts()));
        let function = machine.function();
        assert_eq!(function.driver.as_deref(), Some("e1000e"), "{path}");
        assert_eq!(function.driver_override.as_deref(), Some("none"), "{path}");
        binder.forget(nic()).unwrap();
    }
}

#[test]
fn a_probe_that_fails_in_silence_is_seen() {
    let machine = Machine::new(Some("e1000e"), None);
    machine.change(|world| assert!(world.broken.insert("vfio-pci".into())));
    let mut binder = machine.start().unwrap();
    let error = binder.bind(&request()).unwrap_err();
    assert!(matches!(error, BindError::RolledBack(Failure::Step(StepError::NoEffect { .. }), _)), "{error}");
    assert_eq!(machine.function().driver.as_deref(), Some("e1000e"));
}

#[test]
fn a_first_driver_that_fails_now_is_tried_again() {
    let machine = Machine::new(Some("e1000e"), None);
    let mut binder = machine.start().unwrap();
    binder.bind(&request()).unwrap();
    machine.change(|world| assert!(world.drivers.remove("e1000e")));
    assert!(matches!(binder.restore(nic()), Err(RestoreError::DriverNotLoaded { .. })));
    assert_eq!(machine.function().driver.as_deref(), Some("vfio-pci"), "nothing was touched");
    assert!(matches!(binder.forget(nic()), Err(ForgetError::StillHeld(_))));
    machine.change(|world| {
        world.drivers.insert("e1000e".into());
        world.broken.insert("e1000e".into());
    });
    assert!(matches!(binder.restore(nic()), Err(RestoreError::Step(StepError::NoEffect { .. }))));
    assert_eq!(binder.journal().entry(nic()).unwrap().state, State::Restoring);
    machine.change(|world| world.broken.clear());
    assert!(binder.replay().iter().all(|replayed| replayed.outcome.is_ok()));
    assert_eq!(machine.function().driver.as_deref(), Some("e1000e"));
    assert_eq!(machine.function().driver_override, None);
}

#[test]
fn what_somebody_else_moved_is_left_alone() {
    let machine = Machine::new(Some("e1000e"), None);
    let mut binder = machine.start().unwrap();
    binder.bind(&request()).unwrap();
    let admin = |path: &str, value: &str| machine.write(path, value).unwrap();
    admin("bus/pci/devices/0000:00:03.0/driver_override", "uio_pci_generic\n");
    assert!(machine.write("bus/pci/drivers/uio_pci_generic/bind", NIC).is_err(), "EBUSY");
    admin("bus/pci/drivers/vfio-pci/unbind", NIC);
    admin("bus/pci/drivers/uio_pci_generic/bind", NIC);
    let writes = machine.0.borrow().writes.len();
    assert!(matches!(binder.bind(&request()), Err(BindError::Stuck(Stuck::TakenByOther { .. }))));
    assert!(matches!(binder.restore(nic()), Err(RestoreError::Stuck(Stuck::TakenByOther { .. }))));
    assert!(binder.replay().iter().all(|replayed| replayed.outcome.is_err()));
    assert_eq!(machine.0.borrow().writes.len(), writes);
    binder.forget(nic()).unwrap();
}

#[test]
fn another_card_at_the_address_is_left_alone() {
    let machine = Machine::new(Some("e1000e"), None);
    let mut binder = machine.start().unwrap();
    binder.bind(&request()).unwrap();
    machine.change(|world| world.functions.get_mut(NIC).unwrap().device = 0x1572);
    assert!(matches!(binder.bind(&request()), Err(BindError::Stuck(Stuck::AnotherDevice { .. }))));
    assert!(matches!(binder.restore(nic()), Err(RestoreError::Stuck(Stuck::AnotherDevice { .. }))));
    machine.change(|world| world.functions.clear());
    assert!(matches!(binder.restore(nic()), Err(RestoreError::Absent(_))));
    assert!(binder.journal().entry(nic()).is_some(), "a card pulled out is not forgotten by itself");
    binder.forget(nic()).unwrap();
    assert!(matches!(binder.restore(nic()), Err(RestoreError::NotRecorded(_))));
}

#[test]
fn a_nic_that_was_on_vfio_stays_untouched() {
    let machine = Machine::new(Some("vfio-pci"), None);
    let mut binder = machine.start().unwrap();
    binder.bind(&request()).unwrap();
    binder.restore(nic()).unwrap();
    assert!(machine.0.borrow().writes.is_empty());
}

#[test]
fn the_first_facts_win_until_forgotten() {
    let machine = Machine::new(Some("e1000e"), None);
    let mut binder = machine.start().unwrap();
    binder.bind(&request()).unwrap();
    binder.restore(nic()).unwrap();
    let later = BindRequest { network: Default::default(), ..request() };
    binder.bind(&later).unwrap();
    let restored = binder.restore(nic()).unwrap();
    assert_eq!(restored.network, facts(), "the addresses were not put back yet");
}
