#![doc = include_str!("../README.md")]

mod dynamic;
mod fib;
mod forwarding;
mod harness;
mod ipsec;
mod latency;
mod nids;
mod peers;
mod rows;
mod static_chain;
mod syncers;

use std::{path::PathBuf, time::Instant};

use anyhow::Context as _;
use clap::Parser;
use harness::{
    Context,
    document::{self, Section},
};

/// Measures the dataplane against its peers, both sides in one run.
#[derive(Parser)]
struct Arguments {
    /// A short form: few rounds, few sizes
    #[arg(long)]
    quick: bool,
    /// The dataplane's binary
    #[arg(long, value_name = "FILE", default_value = "target/release/hummingbird-dataplane")]
    dataplane: PathBuf,
    /// The repository; docs/performance.md is written there
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// Only these measures; prints, and writes no document
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = MEASURES.map(|(name, _)| name))]
    only: Vec<String>,
}

type Measure = fn(&Context) -> anyhow::Result<Section>;

/// In the order of the document.
const MEASURES: [(&str, Measure); 9] = [
    ("forwarding", forwarding::run),
    ("ipsec", ipsec::run),
    ("nids", nids::run),
    ("fib", fib::run),
    ("rows", rows::run),
    ("syncers", syncers::run),
    ("static", static_chain::run),
    ("dynamic", dynamic::run),
    ("latency", latency::run),
];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Before any thread: the rows' one workgroup.
    hummingbird_gpu::opencl::prepare_pocl(1)?;
    let scratch = tempfile::tempdir()?;
    let context = Context {
        quick: arguments.quick,
        dataplane: arguments.dataplane,
        root: arguments.root,
        scratch: scratch.path().into(),
    };
    let start = Instant::now();
    let mut sections = Vec::new();
    for (name, measure) in MEASURES {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        eprintln!("==> {name} ({} s so far)", start.elapsed().as_secs());
        let section = measure(&context).with_context(|| format!("the measure {name} failed"))?;
        for table in &section.tables {
            println!("\n{}\n\n{}", section.title, table.markdown());
        }
        sections.push(section);
    }
    println!("\nTargets\n\n{}", document::targets(&sections).markdown());
    if arguments.only.is_empty() {
        document::write(&context.root.join("docs"), &sections, context.quick)?;
        println!("written: docs/performance.md and its curves in docs/performance");
    }
    Ok(())
}
