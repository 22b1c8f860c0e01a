//! Opening the OpenCL back end: what it reports and what it refuses.

mod common {
    pub mod device;
    pub mod xor;
}

use common::{
    device::{device, settings},
    xor::XOR,
};
use hummingbird_gpu::{
    Accelerator, Capabilities, Geometry, HUGE_PAGE,
    opencl::{
        DeviceChoice, DeviceType, EnvironmentError, OpenClAccelerator, OpenError, POCL_CAPACITY, Program,
        Settings, devices, prepare_pocl,
    },
};

const THREADS: u32 = 2;

fn shape() -> Settings<'static> {
    settings(Geometry::new(1, 64, 4).unwrap(), XOR)
}

fn refused(settings: &Settings<'_>) -> OpenError {
    OpenClAccelerator::open(settings).unwrap_err()
}

#[test]
fn pocl_is_reported_with_what_it_can_do() {
    let _device = device(THREADS);
    let reports = devices(7).unwrap();
    let pocl = reports.iter().find(|report| report.platform == "Portable Computing Language").unwrap();
    assert_eq!((pocl.kind, pocl.workgroup_capacity, pocl.usable), (DeviceType::Cpu, 7, true));
    assert!(pocl.svm.fine_buffer && pocl.svm.atomics && pocl.atomics.acquire_release && pocl.atomics.seq_cst);
    assert!(pocl.max_workgroup_size >= 64);
    let text = pocl.to_string();
    assert!(
        text.contains("fine buffers") && text.contains("room for 7") && text.contains("usable: yes"),
        "{text}"
    );
    let json = serde_json::to_value(pocl).unwrap();
    assert_eq!((&json["type"], &json["svm"]["fineBuffer"]), (&"Cpu".into(), &true.into()));
    assert_eq!(json.get("reason"), None);
    for (place, report) in reports.iter().enumerate() {
        assert_eq!(report.index, place);
        assert_eq!(report.usable, report.reason.is_none());
    }
}

#[test]
fn memory_and_capabilities_are_as_asked_for() {
    let _device = device(THREADS);
    let accelerator = OpenClAccelerator::open(&Settings { packet_bytes: 3_000_000, ..shape() }).unwrap();
    let packets = accelerator.packet_memory();
    assert_eq!(packets.len(), 2 * HUGE_PAGE);
    assert_eq!(packets.base().as_ptr() as usize % HUGE_PAGE, 0);
    let Capabilities { workgroups, items } = accelerator.capabilities();
    assert_eq!(workgroups, POCL_CAPACITY);
    assert!(items >= 64);
    assert!(accelerator.description().contains("Portable"));
    let full = accelerator.publish(&vec![0; HUGE_PAGE + 1]).unwrap_err();
    assert_eq!((full.needed, full.total as usize), (HUGE_PAGE + 1, HUGE_PAGE));
    let table = accelerator.publish(&[1; 512]).unwrap();
    assert_eq!(accelerator.table_usage(), (HUGE_PAGE as u32 - 512, HUGE_PAGE as u32));
    drop(table);
    assert_eq!(accelerator.table_usage(), (HUGE_PAGE as u32, HUGE_PAGE as u32));
}

#[test]
fn what_cannot_be_had_is_refused_with_advice() {
    let _device = device(THREADS);
    let named = |name: &str| Settings { device: DeviceChoice::Name(name.into()), ..shape() };
    assert!(
        matches!(refused(&named("no such device")), OpenError::NoSuchDevice { known, .. } if known.contains("Portable"))
    );

    let many = Settings { geometry: Geometry::new(17, 64, 4).unwrap(), ..shape() };
    assert!(matches!(refused(&many), OpenError::TooManyWorkgroups { wanted: 17, capacity: 16, .. }));
    let large = Settings { geometry: Geometry::new(1, 32768, 4).unwrap(), ..shape() };
    assert!(matches!(refused(&large), OpenError::WorkgroupTooLarge { wanted: 32768, .. }));
    for (what, settings) in [
        ("packet", Settings { packet_bytes: usize::MAX, ..shape() }),
        ("table", Settings { table_bytes: 1 << 32, ..shape() }),
    ] {
        assert!(matches!(refused(&settings), OpenError::TooLarge { what: said, .. } if said == what));
    }
    let broken = Program { source: "__kernel void broken( {", ..XOR };
    let error = refused(&Settings { program: broken, ..shape() });
    assert!(matches!(&error, OpenError::Build { log, .. } if log.contains("error")), "{error}");
    let nameless = Program { kernel: "missing", ..XOR };
    assert!(matches!(
        refused(&Settings { program: nameless, ..shape() }),
        OpenError::Call { call: "clCreateKernel", .. }
    ));
    let nowhere = Settings { worker_cores: vec![1 << 20], ..shape() };
    assert!(matches!(refused(&nowhere), OpenError::Affinity { .. }));
}

#[test]
fn more_workgroups_are_accepted_if_pocl_is_said_to_hold_them() {
    let _device = device(THREADS);
    let geometry = Geometry::new(17, 16, 4).unwrap();
    let accelerator = OpenClAccelerator::open(&Settings { geometry, pocl_capacity: 32, ..shape() }).unwrap();
    assert_eq!(accelerator.capabilities().workgroups, 32);
}

#[test]
fn pocl_cannot_be_prepared_once_threads_run_or_opencl_is_used() {
    let _device = device(THREADS);
    devices(POCL_CAPACITY).unwrap();
    assert!(matches!(prepare_pocl(3), Err(EnvironmentError::OpenClUsed)));
}
