//! What a live change may not change: one pure function.

use hummingbird_crds::{
    Violation,
    tables::{Compute, Tables},
};

use super::roster::{Kind, Member, Roster};

/// All that `new` would change and that only a restart can: ports, the compute
/// of a function that the process knows, and more workgroups than `workgroups`
/// reserved ones.
#[must_use]
pub fn structural(old: &Tables, roster: &Roster, new: &Tables, workgroups: u16) -> Vec<Violation> {
    let mut changes = Vec::new();
    if old.ports.len() != new.ports.len() {
        let (before, after) = (old.ports.len(), new.ports.len());
        changes.push(Violation::new("spec.ports", format!("{after} ports instead of {before}")));
    }
    for (index, (before, after)) in old.ports.iter().zip(&new.ports).enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        if before.name != after.name {
            let reason = format!("'{}' instead of '{}'", after.name, before.name);
            changes.push(Violation::new(field("name"), reason));
        }
        if before.mtu != after.mtu {
            changes.push(Violation::new(field("mtu"), format!("{} instead of {}", after.mtu, before.mtu)));
        }
        if before.binding != after.binding {
            changes.push(Violation::new(field("binding"), "another device".to_owned()));
        }
    }
    let mut wanted = 0u32;
    for (index, function) in new.functions.iter().enumerate() {
        if let Compute::Gpu { workgroups } = function.compute {
            wanted += u32::from(workgroups);
        }
        let known = roster.functions.iter().find(|known| known.name == function.name);
        if let Some(known) = known {
            let kind = Kind::of(&function.work);
            changes.extend(
                member(known, kind, function.compute).map(|(field, reason)| {
                    Violation::new(format!("spec.functions[{index}].{field}"), reason)
                }),
            );
        }
    }
    if wanted > u32::from(workgroups) {
        let reason = format!("{wanted} workgroups in all, of {workgroups} reserved at the start");
        changes.push(Violation::new("spec.functions", reason));
    }
    changes
}

/// What a function of a known name may not change.
fn member(known: &Member, kind: Kind, compute: Compute) -> Option<(&'static str, String)> {
    if known.kind != kind {
        return Some(("type", format!("{kind:?} under the name of a {:?}", known.kind)));
    }
    match (known.compute, compute) {
        (Compute::Gpu { .. }, Compute::Gpu { .. }) => None,
        (Compute::Cpu { cores: before }, Compute::Cpu { cores: after }) if before == after => None,
        (Compute::Cpu { cores: before }, Compute::Cpu { cores: after }) => {
            Some(("cores", format!("{after} instead of {before}")))
        }
        _ => Some(("compute", "moves between CPU and GPU".to_owned())),
    }
}
