//! `hummingbird-dataplane`: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hummingbird_dataplane::cli::main()
}
