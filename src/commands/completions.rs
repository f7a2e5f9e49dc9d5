//! `rsic completions`.

use super::ExitStatus;
use crate::cli::Cli;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;

pub(super) fn run(shell: Shell) -> Result<ExitStatus> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "rsic", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitStatus::Success)
}
