//! Memory of a chain: how much, and from whom.

use std::sync::Arc;

use dpdk::{Eal, Memory, PoolConfig, Region};
use hummingbird_crds::tables::{Tables, Work};
use hummingbird_gpu::SharedRegion;

use super::EngineError;
use crate::packet::{BURST, Pool};

/// MiB of DPDK's heap beside the FIBs: devices, rings, pool headers.
const HEAP_BASE: usize = 96;
/// Generations whose FIBs must fit side by side: the one that runs, one that
/// drains, one that is being built.
const LIVE_GENERATIONS: usize = 3;
/// MiB of address space for a heap of ordinary pages: holds seven FIBs of half
/// a million routes (270 MiB each) beside all else.
const ORDINARY_HEAP: usize = 2048;
/// Descriptors that a device may hold in either direction.
const DEVICE_DESCRIPTORS: usize = 2 * 512;
/// Mbufs that a core's cache may hold.
const CACHE: usize = 384;

/// The pool of a chain with `ports` ports on `cores` cores, whose I/O roles
/// together admit `limit` packets: it exceeds the credit by all that devices,
/// caches and bursts can hold.
pub fn pool_config(tables: &Tables, limit: usize, cores: usize) -> PoolConfig {
    let ports = tables.ports.len();
    let mtu = tables.ports.iter().map(|port| port.mtu).max().unwrap_or(1500);
    let count = limit + ports * (DEVICE_DESCRIPTORS + 2 * BURST) + (cores + 1) * CACHE;
    PoolConfig::for_mtu(count as u32, mtu)
}

/// The DPDK heap of a chain, on ordinary pages if `no_huge`.
///
/// Later generations may bring larger route tables. A heap of hugepages grows
/// when they do; one of ordinary pages cannot, so it is made large at once:
/// pages are taken from the system only when they are touched.
///
/// # Errors
/// DPDK cannot hold one of the route tables.
pub fn heap(tables: &Tables, no_huge: bool) -> Result<Memory, dpdk::Error> {
    let huge = needed_megabytes(tables)?;
    let ordinary = huge.max(ORDINARY_HEAP);
    Ok(if no_huge { Memory::NoHuge { megabytes: ordinary } } else { Memory::Auto { huge, ordinary } })
}

/// MiB for the generations of a chain whose route tables stay as large as they are.
fn needed_megabytes(tables: &Tables) -> Result<usize, dpdk::Error> {
    let mut bytes = 0;
    for function in &tables.functions {
        if let Work::Router(routes) = &function.work {
            let routes = routes.iter().map(|route| dpdk::Route {
                prefix: route.prefix.address().into(),
                depth: route.prefix.len(),
                next_hop: 1,
            });
            bytes += dpdk::FibPlan::new(routes, 0)?.bytes();
        }
    }
    // A FIB's tables are contiguous, so leave room around each.
    Ok(HEAP_BASE + LIVE_GENERATIONS * bytes.div_ceil(1 << 20) * 5 / 4)
}

/// Makes the packet pool in shared memory.
///
/// # Errors
/// DPDK refuses the memory.
#[allow(unsafe_code)]
pub fn pool(eal: &Eal, shared: &Arc<SharedRegion>, config: &PoolConfig) -> Result<Pool, EngineError> {
    // SAFETY: the region is mapped, readable and writable from every thread for
    // as long as the owner lives, which DPDK's region holds; nothing else is
    // placed in it; devices and kernels touch packets that are handed to them.
    let region = unsafe { Region::new(eal, shared.base(), shared.len(), Arc::clone(shared)) }?;
    Ok(Pool::new(eal, &region, config)?)
}
