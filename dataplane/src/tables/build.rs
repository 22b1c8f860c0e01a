//! From compiled tables to a live generation: FIBs, automata, SAs.

use dpdk::Eal;
use hummingbird_crds::tables::{Compute, Tables, Work};
use hummingbird_esp::SaStates;
use hummingbird_gpu::Accelerator;

use super::{LiveFunction, LiveTables};
use crate::{
    engine::EngineError,
    forward::StationId,
    nf::{
        FunctionData,
        ipsec::{DecryptData, EncryptData},
        nids::NidsData,
        router::RouterData,
    },
};

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
    /// Builds a generation whose functions are served at `stations`.
    ///
    /// # Errors
    /// Something does not fit, or an SA's state is unusable.
    pub fn build(&self, tables: Tables, stations: &[Vec<StationId>]) -> Result<LiveTables, EngineError> {
        let mut functions = Vec::with_capacity(tables.functions.len());
        for (slot, function) in tables.functions.iter().enumerate() {
            let accelerator = self.accelerator.filter(|_| matches!(function.compute, Compute::Gpu { .. }));
            let name = || function.name.clone();
            let data = match &function.work {
                Work::Encrypt(sas) => EncryptData::build(sas, self.states, self.manager, accelerator)
                    .map(FunctionData::Encrypt)
                    .map_err(|source| EngineError::Sa { name: name(), source })?,
                Work::Decrypt(sas) => DecryptData::build(sas, self.states, self.manager, accelerator)
                    .map(FunctionData::Decrypt)
                    .map_err(|source| EngineError::Sa { name: name(), source })?,
                Work::Nids(nids) => NidsData::build(nids, accelerator)
                    .map(FunctionData::Nids)
                    .map_err(|source| EngineError::Nids { name: name(), source })?,
                Work::Router(routes) => FunctionData::Router(RouterData::build(self.eal, routes, self.macs)?),
            };
            functions.push(LiveFunction { data, stations: stations[slot].clone(), slot });
        }
        Ok(LiveTables { tables, functions })
    }
}
