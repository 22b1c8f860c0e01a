//! The commands of `hummingbird-dataplane`.

mod bundle;
mod compile;
mod devices;
mod explain;
mod run;
mod top;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

/// The packet path of Hummingbird: one NfChain manifest, run on this machine.
#[derive(Parser)]
#[command(name = "hummingbird-dataplane", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Log lines as JSON
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run a chain
    Run(run::RunArguments),
    /// Say all that is wrong with a bundle
    Validate(compile::ValidateArguments),
    /// Show the tables that a bundle compiles to
    Compile(compile::CompileArguments),
    /// Say what would happen to each packet of a capture, from the tables alone
    Explain(explain::ExplainArguments),
    /// Show a running chain live, over its control socket
    Top(top::TopArguments),
    /// List OpenCL devices and whether a chain can run there
    Devices(devices::DevicesArguments),
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// The bundle or the arguments are wrong.
const INVALID: u8 = 2;

/// Runs the command of the process's arguments. Exit status: 0 well, 1 failed,
/// 2 a bundle or an argument is wrong.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log(arguments.log_json);
    let result = match &arguments.command {
        Command::Run(arguments) => arguments.run(),
        Command::Validate(arguments) => arguments.run(),
        Command::Compile(arguments) => arguments.run(),
        Command::Explain(arguments) => arguments.run(),
        Command::Top(arguments) => arguments.run(),
        Command::Devices(arguments) => arguments.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Logs go to standard error: one line per event, never per packet.
fn log(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HUMMINGBIRD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
    }
}
