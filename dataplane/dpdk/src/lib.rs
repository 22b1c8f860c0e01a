#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod burst;
mod clock;
mod device;
mod eal;
mod error;
mod eth;
mod fib;
mod hugepages;
mod log;
mod mbuf;
mod names;
mod pool;
mod queue;
mod region;
mod runtime_dir;
mod thread;
mod vdev;

pub use burst::{Burst, Drain};
pub use clock::{pause, tsc, tsc_hz};
pub use eal::{Eal, EalOptions, HeapStats, Memory, MemoryInUse};
pub use error::{Errno, Error};
pub use eth::{EthDev, MacAddress, Port, PortConfig, PortId, PortStats, Started};
pub use fib::{Fib, FibPlan, Route};
pub use hugepages::{HUGEPAGE_BYTES, NoHugepages};
pub use log::{LogLevel, LogSink};
pub use mbuf::{Mbuf, PrivateArea, free_bulk};
pub use pool::{FrameAlignment, HEADROOM, PacketPool, PoolConfig};
pub use queue::{QueueId, RxQueue, TxQueue};
pub use region::Region;
pub use thread::EalThread;
pub use vdev::Vdev;
