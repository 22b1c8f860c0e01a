//! The one place that knows all functions: how the data of each is built, and
//! what runs it on either compute. A new function is a room of its own beside
//! this file and a line in each `match` here.

use dpdk::Eal;
use hummingbird_crds::tables::{Compute, Function, Work};
use hummingbird_esp::{IvError, SaStates};
use hummingbird_gpu::Accelerator;

use super::{
    CpuFunction, GpuFunction,
    ipsec::{CpuDecrypt, CpuEncrypt, DecryptData, EncryptData, GpuDecrypt, GpuEncrypt, SaError},
    nids::{CpuNids, GpuNids, NidsData, NidsError},
    router::{Router, RouterData},
};

/// A function's data in one generation, immutable and shared by all cores.
pub enum FunctionData {
    /// ESP encapsulation.
    Encrypt(EncryptData),
    /// ESP decapsulation.
    Decrypt(DecryptData),
    /// Content rules.
    Nids(NidsData),
    /// Longest-prefix match.
    Router(RouterData),
}

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
    pub fn build(&self, function: &Function) -> Result<FunctionData, FunctionError> {
        let accelerator = self.accelerator.filter(|_| matches!(function.compute, Compute::Gpu { .. }));
        Ok(match &function.work {
            Work::Encrypt(sas) => {
                FunctionData::Encrypt(EncryptData::build(sas, self.states, self.manager, accelerator)?)
            }
            Work::Decrypt(sas) => {
                FunctionData::Decrypt(DecryptData::build(sas, self.states, self.manager, accelerator)?)
            }
            Work::Nids(nids) => FunctionData::Nids(NidsData::build(nids, accelerator)?),
            Work::Router(routes) => FunctionData::Router(RouterData::build(self.eal, routes, self.macs)?),
        })
    }
}

impl FunctionData {
    /// An instance for a CPU core.
    ///
    /// # Errors
    /// What the instance needs for itself is refused.
    pub fn on_cpu(&self) -> Result<Box<dyn CpuFunction>, FunctionError> {
        Ok(match self {
            Self::Encrypt(_) => Box::new(CpuEncrypt::new(ipsec_mb::Manager::new()?)?),
            Self::Decrypt(_) => Box::new(CpuDecrypt::new(ipsec_mb::Manager::new()?)),
            Self::Nids(_) => Box::new(CpuNids::default()),
            Self::Router(_) => Box::new(Router),
        })
    }

    /// An instance for a CPUSyncer.
    ///
    /// # Errors
    /// What the instance needs for itself is refused.
    pub fn on_gpu(&self) -> Result<Box<dyn GpuFunction>, FunctionError> {
        Ok(match self {
            Self::Encrypt(_) => Box::new(GpuEncrypt::new()?),
            Self::Decrypt(_) => Box::new(GpuDecrypt),
            Self::Nids(_) => Box::new(GpuNids::default()),
            Self::Router(_) => unreachable!("validation refuses a Router on the GPU"),
        })
    }
}
