//! Functions: their type, compute and data.

use std::sync::Arc;

use super::Builder;
use crate::{
    api::{Compute, Function, FunctionType},
    tables::{self, Work},
    violation::Report,
};

impl Builder<'_> {
    pub(super) fn functions(&mut self) -> Vec<tables::Function> {
        let spec = self.spec;
        let functions = spec.functions.iter().enumerate().map(|(at, function)| {
            let field = format!("spec.functions[{at}]");
            check_block(function, &field, &mut self.report);
            tables::Function {
                name: function.name.clone(),
                compute: compute(function, &field, &mut self.report),
                work: self.work(function, &field),
            }
        });
        let functions = functions.collect();
        self.check_spis();
        functions
    }

    /// A function's work. A block that is missing was reported; an empty
    /// Router stands in for it.
    fn work(&mut self, function: &Function, field: &str) -> Work {
        match function.type_ {
            FunctionType::Ipsec => {
                function.ipsec.as_ref().map(|ipsec| self.ipsec(ipsec, &format!("{field}.ipsec")))
            }
            FunctionType::Nids => {
                function.nids.as_ref().map(|nids| self.nids(&function.name, nids, &format!("{field}.nids")))
            }
            FunctionType::Router => {
                function.router.as_ref().map(|router| self.router(router, &format!("{field}.router")))
            }
        }
        .unwrap_or_else(|| Work::Router(Arc::default()))
    }
}

/// The block of the type must be there, and no other.
fn check_block(function: &Function, field: &str, report: &mut Report) {
    let blocks = [
        ("ipsec", FunctionType::Ipsec, function.ipsec.is_some()),
        ("nids", FunctionType::Nids, function.nids.is_some()),
        ("router", FunctionType::Router, function.router.is_some()),
    ];
    for (name, type_, there) in blocks {
        let wanted = type_ == function.type_;
        if wanted && !there {
            report.violate(format!("{field}.{name}"), format!("is missing; type {type_} needs it"));
        } else if there && !wanted {
            report.violate(
                format!("{field}.{name}"),
                format!("is for type {type_}, and this function is of type {}; remove it", function.type_),
            );
        }
    }
}

fn compute(function: &Function, field: &str, report: &mut Report) -> tables::Compute {
    let number = |given: Option<i32>| u16::try_from(given.unwrap_or(1)).unwrap_or(1);
    match function.compute {
        Compute::Gpu => {
            if function.type_ == FunctionType::Router {
                report.violate(
                    format!("{field}.compute"),
                    "a Router runs on the CPU only; write CPU and cores",
                );
            }
            if function.cores.is_some() {
                report
                    .violate(format!("{field}.cores"), "is for compute: CPU; a GPU function has workgroups");
            }
            tables::Compute::Gpu { workgroups: number(function.workgroups) }
        }
        Compute::Cpu => {
            if function.workgroups.is_some() {
                report
                    .violate(format!("{field}.workgroups"), "is for compute: GPU; a CPU function has cores");
            }
            tables::Compute::Cpu { cores: number(function.cores) }
        }
    }
}
