//! What `top` reads of a report. Whatever else a newer process says is left alone.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A report at one moment.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    pub chain: String,
    pub generation: u64,
    pub device: String,
    pub sa_state: String,
    pub uptime_seconds: f64,
    pub in_flight: u64,
    pub ports: BTreeMap<String, Port>,
    pub functions: BTreeMap<String, Function>,
    pub classes: BTreeMap<String, Class>,
    pub drops: BTreeMap<String, u64>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Port {
    pub rx: Traffic,
    pub tx: Traffic,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    pub compute: String,
    pub units: u16,
    #[serde(flatten)]
    pub traffic: Traffic,
    pub drops: BTreeMap<String, u64>,
    pub latency_us: Latency,
    pub waiting: u64,
    pub rows_out: u64,
    pub rows_limit: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Class {
    #[serde(flatten)]
    pub traffic: Traffic,
    pub drops: BTreeMap<String, u64>,
    pub latency_us: Latency,
}

/// Microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
}
