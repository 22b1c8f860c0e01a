//! `validate` and `compile`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use hummingbird_crds::{Capacity, Compiled, Violation, view::TablesView};
use hummingbird_gpu::opencl;
use hummingbird_rules::LoadReport;
use serde::Serialize;

use super::{
    INVALID, Output,
    bundle::{self, Read},
};

/// What `validate` takes.
#[derive(Args)]
pub struct ValidateArguments {
    #[command(flatten)]
    common: Common,
}

/// What `compile` takes.
#[derive(Args)]
pub struct CompileArguments {
    #[command(flatten)]
    common: Common,
    /// Print the route table alone, as comma-separated values
    #[arg(long)]
    csv: bool,
}

#[derive(Args)]
struct Common {
    /// The bundle: NfChain, ConfigMaps and Secrets in one YAML or JSON file
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// Judge the workgroups by the OpenCL devices of this machine
    #[arg(long)]
    device: bool,
}

/// What `validate` says to programs.
#[derive(Serialize)]
struct Verdict<'a> {
    valid: bool,
    errors: &'a [Violation],
    warnings: &'a [Violation],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Rules<'a>>,
}

/// What became of a NIDS function's rules.
#[derive(Serialize)]
struct Rules<'a> {
    function: &'a str,
    #[serde(flatten)]
    report: &'a LoadReport,
}

/// What `compile` says to programs.
#[derive(Serialize)]
struct Tables<'a> {
    hash: &'a str,
    #[serde(flatten)]
    view: TablesView,
    #[serde(rename = "routeTableCsv")]
    csv: String,
    warnings: &'a [Violation],
    rules: Vec<Rules<'a>>,
}

impl Common {
    fn read(&self) -> anyhow::Result<Read> {
        let workgroups = match self.device {
            false => None,
            true => opencl::devices(opencl::POCL_CAPACITY)?
                .iter()
                .filter(|device| device.usable)
                .map(|device| u32::from(device.workgroup_capacity))
                .max()
                .or(Some(0)),
        };
        bundle::read(&self.chain, Capacity { workgroups })
    }

    fn refuse(&self, errors: &[Violation]) -> anyhow::Result<ExitCode> {
        match self.output {
            Output::Text => bundle::complain(&self.chain, errors),
            Output::Json => print_json(&Verdict { valid: false, errors, warnings: &[], rules: Vec::new() })?,
        }
        Ok(ExitCode::from(INVALID))
    }
}

impl ValidateArguments {
    /// Says all that is wrong.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let compiled = match self.common.read()? {
            Read::Valid(valid) => valid.1,
            Read::Invalid(errors) => return self.common.refuse(&errors),
        };
        match self.common.output {
            Output::Text => {
                bundle::warn(&self.common.chain, &compiled.warnings);
                print_rules(&compiled);
                println!("{} is valid", self.common.chain.display());
            }
            Output::Json => print_json(&Verdict {
                valid: true,
                errors: &[],
                warnings: &compiled.warnings,
                rules: rules(&compiled),
            })?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl CompileArguments {
    /// Shows the tables.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let compiled = match self.common.read()? {
            Read::Valid(valid) => valid.1,
            Read::Invalid(errors) => return self.common.refuse(&errors),
        };
        let view = TablesView::of(&compiled.tables);
        let csv = view.route_csv();
        match self.common.output {
            _ if self.csv => print!("{csv}"),
            Output::Text => {
                bundle::warn(&self.common.chain, &compiled.warnings);
                print!("{view}");
                print_rules(&compiled);
            }
            Output::Json => print_json(&Tables {
                hash: &compiled.hash,
                view,
                csv,
                warnings: &compiled.warnings,
                rules: rules(&compiled),
            })?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn rules(compiled: &Compiled) -> Vec<Rules<'_>> {
    compiled.rule_reports.iter().map(|(function, report)| Rules { function, report }).collect()
}

fn print_rules(compiled: &Compiled) {
    for (function, report) in &compiled.rule_reports {
        println!("rules of {function}: {report}");
    }
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
