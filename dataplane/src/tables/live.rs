//! One generation, built: the compiled tables with the data of every function
//! and the stations that serve it.

use std::any::Any;

use hummingbird_crds::{
    DropReason,
    tables::{ClassId, NfId, Tables},
};

use super::Home;
use crate::{forward::StationId, nf::FunctionData, packet::Packet};

/// A built generation. Immutable; shared by all cores.
pub struct LiveTables {
    /// What the bundle compiled to.
    pub tables: Tables,
    /// In the order of `tables.functions`.
    pub functions: Vec<LiveFunction>,
    /// The place of each class among the process's counters.
    pub classes: Vec<usize>,
}

/// A function of a generation.
pub struct LiveFunction {
    /// Its data.
    pub data: Box<dyn FunctionData>,
    /// Where it runs.
    pub home: Home,
}

impl LiveTables {
    /// A function's data.
    #[must_use]
    pub fn data(&self, nf: NfId) -> &dyn FunctionData {
        &*self.functions[nf.index()].data
    }

    /// A function's data, if it is of type `T`.
    #[must_use]
    pub fn data_of<T: FunctionData>(&self, nf: NfId) -> Option<&T> {
        let data: &dyn Any = self.data(nf);
        data.downcast_ref()
    }

    /// A function's place among the process's counters and instances.
    #[must_use]
    pub fn function_slot(&self, nf: NfId) -> usize {
        self.functions[nf.index()].home.slot
    }

    /// A class's place among the process's counters.
    #[must_use]
    pub fn class_slot(&self, class: ClassId) -> u16 {
        self.classes[class.index()] as u16
    }

    /// The station that a packet for `nf` waits at, once the function has had
    /// its say in the steering key.
    ///
    /// # Errors
    /// Why the packet has no place there.
    pub fn steer(&self, nf: NfId, packet: &mut Packet) -> Result<StationId, DropReason> {
        let function = &self.functions[nf.index()];
        function.data.steer(packet)?;
        let key = packet.private().key as usize;
        let stations = &function.home.stations;
        Ok(stations[key % stations.len()])
    }
}
