//! Prints the CRD of NfChain, or with `--check FILE` says whether that file is it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let yaml = match hummingbird_crds::crd_yaml() {
        Ok(yaml) => yaml,
        Err(error) => {
            eprintln!("crdgen: {error}");
            return ExitCode::FAILURE;
        }
    };
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {
            print!("{yaml}");
            ExitCode::SUCCESS
        }
        ["--check", file] => match std::fs::read_to_string(file) {
            Ok(text) if text == yaml => ExitCode::SUCCESS,
            Ok(_) => {
                eprintln!("crdgen: {file} is not the generated CRD; run crdgen > {file}");
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("crdgen: {file}: {error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: crdgen [--check FILE]");
            ExitCode::from(2)
        }
    }
}
