//! From compiled tables to a live generation: FIBs, automata, SAs.

use hummingbird_crds::tables::Tables;
use hummingbird_gpu::WorkgroupId;

use super::{LiveFunction, LiveTables};
use crate::{engine::EngineError, forward::StationId, nf::Builder};

/// Where a function of a generation is at home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Its place in the roster.
    pub slot: usize,
    /// Where its packets wait: instances of a CPU function, or CPUSyncers.
    pub stations: Vec<StationId>,
    /// The workgroups that serve it.
    pub workgroups: Vec<WorkgroupId>,
}

/// Builds a generation whose functions live in `homes` and whose classes have
/// the places `classes` in the roster.
///
/// # Errors
/// A function does not fit, or the state that it needs is unusable.
pub fn build(
    builder: &Builder<'_>,
    tables: Tables,
    homes: Vec<Home>,
    classes: Vec<usize>,
) -> Result<LiveTables, EngineError> {
    let mut functions = Vec::with_capacity(tables.functions.len());
    for (function, home) in tables.functions.iter().zip(homes) {
        let data = builder
            .build(function)
            .map_err(|source| EngineError::Function { name: function.name.clone(), source })?;
        functions.push(LiveFunction { data, home });
    }
    Ok(LiveTables { tables, functions, classes })
}
