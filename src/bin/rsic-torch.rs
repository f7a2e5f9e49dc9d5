//! The program behind `rsic`: every command, with LibTorch. Parses the command line, runs one command, maps its result
//! to an exit code.

use clap::Parser;
use rsic::cli::Cli;
use rsic::commands::{self, report_error};
use std::process::ExitCode;

fn main() -> ExitCode {
    rsic::runtime::keep_memory();
    match commands::run(Cli::parse()) {
        Ok(status) => status.into(),
        Err(error) => report_error(&error),
    }
}
