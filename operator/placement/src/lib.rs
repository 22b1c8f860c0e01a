#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod book;
mod decision;
mod demand;
mod fit;
mod nics;
mod plan;
mod policy;
mod refusal;
mod supply;

pub use decision::{Decision, NodeRefusal, Placed, Plan, Verdict, Withdrawn};
pub use demand::{ChainDemand, HugepageDemand, NicDemand, PortDemand, SHARED_MILLICORES};
pub use plan::plan;
pub use policy::{DevicePolicy, DeviceRule, NamespaceLimits, NicSelector};
pub use refusal::{Refusal, Resource};
pub use supply::{Allotment, Held, NodeSupply, Readiness};
