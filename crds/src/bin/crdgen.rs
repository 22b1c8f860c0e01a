//! Writes the CRDs into a folder, or with `--check` says whether those there are the generated ones.

use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--check", folder] => each(|name, yaml| check(&Path::new(folder).join(name), yaml)),
        [folder] if !folder.starts_with('-') => each(|name, yaml| write(&Path::new(folder).join(name), yaml)),
        _ => {
            eprintln!("usage: crdgen [--check] FOLDER");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crdgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn each(act: impl Fn(&str, &str) -> Result<(), String>) -> Result<(), String> {
    let files = hummingbird_crds::crd_files().map_err(|error| error.to_string())?;
    files.iter().try_for_each(|(name, yaml)| act(name, yaml))
}

fn write(file: &Path, yaml: &str) -> Result<(), String> {
    std::fs::write(file, yaml).map_err(|error| format!("{}: {error}", file.display()))
}

fn check(file: &Path, yaml: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    match text == yaml {
        true => Ok(()),
        false => Err(format!("{} is not the generated CRD; run make crds", file.display())),
    }
}
