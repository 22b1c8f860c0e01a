//! A machine whose OpenCL loader knows no implementation. The loader reads its
//! list once, so this is a test binary of its own.

use hummingbird_gpu::{
    Geometry,
    opencl::{DeviceChoice, OpenClAccelerator, OpenError, POCL_CAPACITY, Program, Settings, devices},
};

#[test]
fn no_platform_is_a_clear_error() {
    let empty = concat!(env!("CARGO_TARGET_TMPDIR"), "/no-icds");
    std::fs::create_dir_all(empty).unwrap();
    // SAFETY: the binary's only test, before its first OpenCL call; the
    // harness's own thread does not touch the environment meanwhile.
    unsafe { std::env::set_var("OCL_ICD_VENDORS", empty) };
    assert!(matches!(devices(POCL_CAPACITY), Err(OpenError::NoPlatform)));
    let settings = Settings {
        device: DeviceChoice::Auto,
        geometry: Geometry::new(1, 16, 4).unwrap(),
        packet_bytes: 1,
        table_bytes: 1,
        program: Program { source: "", kernel: "", options: "" },
        pocl_capacity: POCL_CAPACITY,
        worker_cores: Vec::new(),
    };
    let error = OpenClAccelerator::open(&settings).unwrap_err();
    assert!(error.to_string().contains("--gpu none"), "{error}");
}
