//! `explain`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::bail;
use clap::Args;
use hummingbird_crds::{
    Capacity,
    explain::{Explainer, Explanation},
    tables::{PortId, Tables},
};
use serde::Serialize;

use super::{
    INVALID, Output,
    bundle::{self, Read},
};
use crate::ports::CaptureReader;

/// What `explain` takes.
#[derive(Args)]
pub struct ExplainArguments {
    /// The bundle: NfChain, ConfigMaps and Secrets in one YAML or JSON file
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// The capture whose packets to explain
    #[arg(long, value_name = "PCAP")]
    packet: PathBuf,
    /// The port that they come in by; the chain's first where absent
    #[arg(long, value_name = "NAME")]
    port: Option<String>,
    /// Output for people or for programs (a JSON line for each packet)
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Serialize)]
struct Line<'a> {
    /// The packet's number in the capture, from 1.
    packet: u64,
    #[serde(flatten)]
    explanation: &'a Explanation,
}

impl ExplainArguments {
    /// Explains every packet.
    ///
    /// # Errors
    /// A file cannot be read, or there is no such port.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let compiled = match bundle::read(&self.chain, Capacity::default())? {
            Read::Valid(valid) => valid.1,
            Read::Invalid(errors) => {
                bundle::complain(&self.chain, &errors);
                return Ok(ExitCode::from(INVALID));
            }
        };
        let tables = &compiled.tables;
        let port = self.port(tables)?;
        let explainer = Explainer::new(tables);
        let mut capture = CaptureReader::open(&self.packet)?;
        let mut packet = 0;
        while let Some(explanation) = capture.next_frame(|frame| explainer.explain(port, frame))? {
            packet += 1;
            match self.output {
                Output::Text => println!("packet {packet}: {explanation}"),
                Output::Json => {
                    println!("{}", serde_json::to_string(&Line { packet, explanation: &explanation })?);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn port(&self, tables: &Tables) -> anyhow::Result<PortId> {
        let Some(name) = &self.port else { return Ok(PortId(0)) };
        match tables.ports.iter().position(|port| port.name == *name) {
            Some(index) => Ok(PortId(index as u16)),
            None => {
                let known: Vec<_> = tables.ports.iter().map(|port| port.name.as_str()).collect();
                bail!("--port {name}: the chain has no port of that name, but {}", known.join(", "))
            }
        }
    }
}
