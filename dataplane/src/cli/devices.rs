//! `devices`.

use std::process::ExitCode;

use clap::Args;
use hummingbird_gpu::opencl::{self, OpenError};

use super::Output;

/// What `devices` takes.
#[derive(Args)]
pub struct DevicesArguments {
    /// Output for people or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// Workgroups that PoCL is taken to hold
    #[arg(long, value_name = "N", default_value_t = opencl::POCL_CAPACITY)]
    pocl_capacity: u16,
}

impl DevicesArguments {
    /// Lists the devices. None at all is an answer, not an error.
    ///
    /// # Errors
    /// The runtime fails otherwise than by having no device.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        opencl::prepare_pocl(self.pocl_capacity)?;
        let (devices, why) = match opencl::devices(self.pocl_capacity) {
            Ok(devices) => (devices, None),
            Err(error @ (OpenError::NoDevice | OpenError::NoPlatform | OpenError::LibraryMissing)) => {
                (Vec::new(), Some(error))
            }
            Err(error) => return Err(error.into()),
        };
        match self.output {
            Output::Json => println!("{}", serde_json::to_string_pretty(&devices)?),
            Output::Text if devices.is_empty() => {
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                println!("no OpenCL device{why}");
            }
            Output::Text => devices.iter().for_each(|device| println!("{device}")),
        }
        Ok(ExitCode::SUCCESS)
    }
}
