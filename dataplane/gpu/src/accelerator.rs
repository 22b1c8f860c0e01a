//! What the dataplane asks of a GPU, whatever drives it.

use crate::{
    region::SharedRegion,
    rows::RowMemory,
    tables::{TableMemoryFull, TableRef},
};
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};
use thiserror::Error;

/// What an accelerator can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Workgroups that can run side by side.
    pub workgroups: u16,
    /// Largest workgroup, in work items.
    pub items: usize,
}

/// Where a launch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchStatus {
    /// Queued or running.
    Running,
    /// Every workgroup has left, or nothing was launched yet.
    Ended,
    /// The device gave up.
    Failed(LaunchError),
}

/// The persistent launch does not work, or no more.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LaunchError {
    /// The runtime refused the launch.
    #[error("the persistent kernel cannot be launched: {0}")]
    Refused(String),
    /// The device ended the launch with an error; rows that it held are lost.
    #[error("the persistent kernel died: {0}; restart the dataplane")]
    Died(String),
    /// Workgroups did not leave.
    #[error("the persistent kernel did not end within {} ms of being told to; restart the dataplane", .within.as_millis())]
    DoesNotEnd {
        /// How long was waited.
        within: Duration,
    },
    /// The launch was stopped by its owner.
    #[error("the persistent kernel was stopped")]
    Stopped,
}

/// A device that runs the persistent kernel over shared rows and packets.
///
/// The memory of packets, rows and tables is allocated when the back end is
/// opened, for a running kernel reaches only what was announced to it before.
/// Packets stay where they are; tables may be copied to the device.
pub trait Accelerator: Send + Sync {
    /// Platform and device, for people.
    fn description(&self) -> &str;

    /// What the device can hold.
    fn capabilities(&self) -> Capabilities;

    /// Where packets must lie, 2 MiB-aligned, for the kernels to reach them.
    fn packet_memory(&self) -> &Arc<SharedRegion>;

    /// Control blocks and rows.
    fn rows(&self) -> &Arc<RowMemory>;

    /// Copies a table into table memory. Dropping the [`TableRef`] retracts it.
    ///
    /// # Errors
    /// [`TableMemoryFull`]; nothing has changed then.
    fn publish(&self, bytes: &[u8]) -> Result<TableRef, TableMemoryFull>;

    /// Bytes of table memory free, and in all.
    fn table_usage(&self) -> (u32, u32);

    /// Starts the persistent kernel. A group leaves after `lease_polls` empty
    /// polls. The last launch must have ended.
    ///
    /// # Errors
    /// [`LaunchError::Refused`] with the runtime's reason.
    fn launch(&self, lease_polls: u32) -> Result<(), LaunchError>;

    /// Where the last launch stands. Cheap, but not free: for the hot path
    /// there is [`Relauncher::turn`](crate::Relauncher::turn).
    fn poll(&self) -> LaunchStatus;

    /// Tells all groups to leave and waits for the launch to end, whatever
    /// rows are still published.
    ///
    /// # Errors
    /// [`LaunchError::DoesNotEnd`] after `within`, or how the launch failed.
    fn end_launch(&self, within: Duration) -> Result<(), LaunchError> {
        self.rows().leave().store(1, Ordering::Release);
        let start = Instant::now();
        loop {
            match self.poll() {
                LaunchStatus::Ended => return Ok(()),
                LaunchStatus::Failed(error) => return Err(error),
                LaunchStatus::Running if start.elapsed() > within => {
                    return Err(LaunchError::DoesNotEnd { within });
                }
                LaunchStatus::Running => thread::yield_now(),
            }
        }
    }
}
