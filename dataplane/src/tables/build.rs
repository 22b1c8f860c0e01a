//! From compiled tables to a live generation: FIBs, automata, SAs.

use hummingbird_crds::tables::Tables;

use super::{LiveFunction, LiveTables};
use crate::{engine::EngineError, forward::StationId, nf::Builder};

/// Builds a generation whose functions are served at `stations`.
///
/// # Errors
/// A function does not fit, or the state that it needs is unusable.
pub fn build(
    builder: &Builder<'_>,
    tables: Tables,
    stations: &[Vec<StationId>],
) -> Result<LiveTables, EngineError> {
    let mut functions = Vec::with_capacity(tables.functions.len());
    for (slot, (function, stations)) in tables.functions.iter().zip(stations).enumerate() {
        let data = builder
            .build(function)
            .map_err(|source| EngineError::Function { name: function.name.clone(), source })?;
        functions.push(LiveFunction { data, stations: stations.clone(), slot });
    }
    Ok(LiveTables { tables, functions })
}
