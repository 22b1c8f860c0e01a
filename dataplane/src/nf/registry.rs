//! The one place that knows all functions: how the data of each is built from
//! what the manifest compiled to. A new function is a room of its own beside
//! this file and an arm of the `match` here.

use dpdk::Eal;
use hummingbird_crds::tables::{Compute, Function, Work};
use hummingbird_esp::{IvError, SaStates};
use hummingbird_gpu::Accelerator;

use super::{
    FunctionData,
    ipsec::{DecryptData, EncryptData, SaError},
    nids::{NidsData, NidsError},
    router::RouterData,
};

/// Why a function cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// Its rules do not fit.
    #[error(transparent)]
    Nids(#[from] NidsError),
    /// One of its SAs cannot be used.
    #[error(transparent)]
    Sa(#[from] SaError),
    /// Its routes do not fit.
    #[error(transparent)]
    Routes(#[from] dpdk::Error),
    /// The cipher library cannot be used.
    #[error(transparent)]
    Cipher(#[from] ipsec_mb::NewManagerError),
    /// No randomness for IVs.
    #[error(transparent)]
    Iv(#[from] IvError),
    /// Validation refuses such a manifest.
    #[error("it runs on the CPU only")]
    CpuOnly,
}

/// What generations are built with; lives as long as the process.
pub struct Builder<'a> {
    /// DPDK, whose heap holds the FIBs.
    pub eal: &'a Eal,
    /// Numbers and windows that outlive generations.
    pub states: &'a SaStates,
    /// Expands keys.
    pub manager: &'a ipsec_mb::Manager,
    /// The GPU, if there is one.
    pub accelerator: Option<&'a dyn Accelerator>,
    /// The ports' own addresses.
    pub macs: &'a [[u8; 6]],
}

impl Builder<'_> {
    /// Builds a function's data, for the kernels too where it runs on the GPU.
    ///
    /// # Errors
    /// It does not fit, or the state that it needs is unusable.
    pub fn build(&self, function: &Function) -> Result<Box<dyn FunctionData>, FunctionError> {
        let accelerator = self.accelerator.filter(|_| matches!(function.compute, Compute::Gpu { .. }));
        Ok(match &function.work {
            Work::Encrypt(sas) => Box::new(EncryptData::build(sas, self.states, self.manager, accelerator)?),
            Work::Decrypt(sas) => Box::new(DecryptData::build(sas, self.states, self.manager, accelerator)?),
            Work::Nids(nids) => Box::new(NidsData::build(nids, accelerator)?),
            Work::Router(routes) => Box::new(RouterData::build(self.eal, routes, self.macs)?),
        })
    }
}
