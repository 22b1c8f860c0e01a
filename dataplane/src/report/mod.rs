//! What happened: counters that cores write and anyone may read, the report
//! made of them, and the alert log.

pub mod alerts;
mod counters;
mod summary;
mod text;

pub use counters::{CoreCounters, Counter, Residence, Shape, Traffic, Word};
pub use summary::{
    AlertReport, ClassReport, FunctionReport, Latency, MbufReport, MemoryReport, PortReport, Report,
    RunFacts, SaReport, TrafficReport,
};
