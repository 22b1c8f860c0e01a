//! Network functions, each in a room of its own: what its tables are, its half
//! on the CPU and its half on the GPU.
//!
//! An NF never knows where the next one runs: it says a [`Verdict`] of each
//! packet, and the forwarding module does the rest. `docs/writing-an-nf.md`
//! builds one from scratch.

pub mod ipsec;
pub mod nids;
mod registry;
pub mod router;

pub use registry::{Builder, FunctionError};

use std::{any::Any, sync::Arc};

use hummingbird_crds::tables::NfId;
use hummingbird_kernels::layout::{KernelId, Outcome, Side};

use crate::{DropReason, forward::Verdict, packet::Packet, report::alerts::AlertSender, tables::LiveTables};

/// A function's data in one generation, immutable and shared by all cores, and
/// where its instances come from.
pub trait FunctionData: Any + Send + Sync {
    /// An instance for a CPU core.
    ///
    /// # Errors
    /// What the instance needs for itself is refused.
    fn on_cpu(&self) -> Result<Box<dyn CpuFunction>, FunctionError>;

    /// An instance for a CPUSyncer, where the function has a half on the GPU.
    ///
    /// # Errors
    /// It has none, or what the instance needs for itself is refused.
    fn on_gpu(&self) -> Result<Box<dyn GpuFunction>, FunctionError> {
        Err(FunctionError::CpuOnly)
    }

    /// Called before a packet's core is chosen. A function whose packets must
    /// stay in order by something else than their flow sets the steering key.
    ///
    /// # Errors
    /// Why the packet has no place here.
    fn steer(&self, packet: &mut Packet) -> Result<(), DropReason> {
        let _ = packet;
        Ok(())
    }
}

/// What an NF may use while it works on packets of one generation.
pub struct Env<'a> {
    /// The generation.
    pub tables: &'a Arc<LiveTables>,
    /// The function's index in it.
    pub nf: NfId,
    /// Where alerts go.
    pub alerts: &'a mut AlertSender,
}

impl<'a> Env<'a> {
    /// The function's data, if it is of type `T`.
    #[must_use]
    pub fn data<T: FunctionData>(&self) -> Option<&'a T> {
        self.tables.data_of(self.nf)
    }
}

/// One instance of a function on a CPU core.
pub trait CpuFunction: Send {
    /// Works on a burst of packets of one generation and says a verdict of
    /// each. Allocates nothing and takes no lock.
    fn process(&mut self, env: &mut Env<'_>, packets: &mut [Packet], verdicts: &mut [Verdict]);
}

/// What a kernel is to do with one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelWork {
    /// Offset in table memory of what the kernel works by.
    pub table: u32,
    /// Offset in the frame of the first byte that it touches.
    pub start: usize,
    /// Length by the kernel's own measure, bytes (`kernels/src/layout.rs`).
    pub len: u32,
    /// What travels in the row beside the descriptor.
    pub side: Side,
}

/// A function's CPU work around its kernel, done by a CPUSyncer: header logic
/// before, judgement after.
pub trait GpuFunction: Send {
    /// The kernel that rows of this function are for.
    fn kernel(&self) -> KernelId;

    /// Readies a packet while its row is filled.
    ///
    /// # Errors
    /// Why it is dropped. A packet that lives must go through the row, or it
    /// would overtake those before it.
    fn prepare(&mut self, env: &mut Env<'_>, packet: &mut Packet) -> Result<KernelWork, DropReason>;

    /// Judges a packet by what its kernel left. Called in the order of `prepare`.
    fn finish(&mut self, env: &mut Env<'_>, packet: &mut Packet, outcome: &Outcome) -> Verdict;
}
