//! PoCL with fewer threads than workgroups. The number of threads is the
//! process's, so this is a test binary of its own.

mod common {
    pub mod device;
    pub mod random;
    pub mod syncer;
    pub mod xor;
}

use common::{
    device::device,
    syncer::{open, syncers},
};
use hummingbird_gpu::{Accelerator, LaunchSettings, Launcher, StartError};
use std::{sync::Arc, time::Duration};

const THREADS: u32 = 2;

#[test]
fn more_workgroups_than_threads_is_a_clear_error() {
    let _device = device(THREADS);
    let settings = LaunchSettings { alive_within: Duration::from_millis(500), ..LaunchSettings::default() };
    let error = Launcher::start(open(3, 16, 4), settings).unwrap_err();
    assert!(matches!(error, StartError::NotAlive { alive: 2, workgroups: 3, .. }), "{error}");
    assert!(error.to_string().contains("POCL_MAX_PTHREAD_COUNT"), "{error}");
}

#[test]
fn as_many_workgroups_as_threads_work() {
    let _device = device(THREADS);
    let accelerator: Arc<dyn Accelerator> = open(2, 16, 4);
    let settings = LaunchSettings { lease_polls: 20_000, ..LaunchSettings::default() };
    let (launcher, queues) = Launcher::start(accelerator.clone(), settings).unwrap();
    for mut syncer in syncers(&accelerator, &launcher, queues) {
        syncer.run(20).unwrap();
    }
    launcher.stop().unwrap();
}
