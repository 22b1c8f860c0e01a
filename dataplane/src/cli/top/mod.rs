//! `top`: one live screen of a chain that runs, over its control socket.

mod client;
mod figures;
mod live;
mod sample;
mod screen;
mod view;

use std::{path::PathBuf, process::ExitCode, thread, time::Duration};

use anyhow::ensure;
use clap::Args;

use super::run::duration;
use figures::Figures;
use screen::Screen;

/// What `top` takes.
#[derive(Args)]
pub struct TopArguments {
    /// The control socket of the process to look at (its --control)
    #[arg(long, value_name = "SOCKET")]
    control: PathBuf,
    /// Print it once, as plain text, and end: rates over one interval, or totals with --interval 0s
    #[arg(long)]
    once: bool,
    /// Time between two looks, for example 1s or 500ms
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    interval: Duration,
}

impl TopArguments {
    /// Shows the screen until a key ends it, or prints it once.
    ///
    /// # Errors
    /// Nobody of ours answers at the socket, or the terminal cannot show it.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        if self.once {
            let mut before = None;
            if !self.interval.is_zero() {
                before = Some(client::status(&self.control)?);
                thread::sleep(self.interval);
            }
            let now = client::status(&self.control)?;
            print!("{}", view::text(&Screen::new(&now, before.as_ref(), Figures::Exact)));
        } else {
            ensure!(!self.interval.is_zero(), "--interval 0s goes with --once only");
            live::run(&self.control, self.interval)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
