//! What concerns the chain as a whole.

use super::{Builder, Capacity};
use crate::{
    api::{Direction, NfChainSpec, NonIpv4, PlacementMode, Quantity},
    tables,
};

pub(super) fn non_ipv4(spec: &NfChainSpec) -> tables::NonIpv4 {
    match spec.non_ipv4 {
        NonIpv4::Drop => tables::NonIpv4::Drop,
        NonIpv4::Forward => tables::NonIpv4::Forward,
    }
}

impl Builder<'_> {
    pub(super) fn check_chain(&mut self, capacity: Capacity) {
        let spec = self.spec;
        if spec.non_ipv4 == NonIpv4::Forward && spec.ports.len() > 2 {
            let reason = format!(
                "Forward sends frames out of the other port of two, but there are {} ports; use Drop",
                spec.ports.len()
            );
            self.report.violate("spec.nonIPv4", reason);
        }
        self.check_capacity(capacity);
        self.check_placement();
        self.check_memory("hugepages", spec.dataplane.hugepages.as_ref());
        self.check_memory("tableMemory", spec.dataplane.table_memory.as_ref());
    }

    fn check_capacity(&mut self, capacity: Capacity) {
        let Some(held) = capacity.workgroups else { return };
        let on_gpu =
            self.spec.functions.iter().filter(|function| function.compute == crate::api::Compute::Gpu);
        let asked: u32 = on_gpu.map(|function| function.workgroups.unwrap_or(1).unsigned_abs()).sum();
        if asked > held {
            let reason = format!(
                "ask for {asked} workgroups in all, and the device holds {held}; lower workgroups or move a function to the CPU"
            );
            self.report.violate("spec.functions", reason);
        }
    }

    /// Two senders may not share an SA: they would use the same sequence numbers.
    fn check_placement(&mut self) {
        let every = self.spec.placement.as_ref().is_some_and(|p| p.mode == PlacementMode::EveryMatchingNode);
        let encrypts = |direction| direction == Direction::Encrypt;
        let mut blocks = self.spec.functions.iter().filter_map(|f| Some((f, f.ipsec.as_ref()?)));
        if let Some((function, _)) = blocks.find(|(_, ipsec)| every && encrypts(ipsec.direction)) {
            let reason = format!(
                "EveryMatchingNode is refused, for function {} encrypts, and two senders may not share a security association; use One",
                function.name
            );
            self.report.violate("spec.placement.mode", reason);
        }
    }

    fn check_memory(&mut self, field: &str, quantity: Option<&Quantity>) {
        if let Some(quantity) = quantity.filter(|quantity| quantity.bytes().is_none()) {
            let reason = format!("'{}' is no amount of memory; write 512Mi or 1Gi", quantity.0);
            self.report.violate(format!("spec.dataplane.{field}"), reason);
        }
    }
}
