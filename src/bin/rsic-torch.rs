//! The program behind `rsic`: every command, with LibTorch. Parses the command line, runs one command, maps its result
//! to an exit code.

use rsic::cli::parse;
use rsic::commands::{self, report_error};
use std::process::ExitCode;

fn main() -> ExitCode {
    rsic::runtime::keep_memory();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let messages = cli.global.messages();
    match commands::run(cli) {
        Ok(status) => status.into(),
        Err(error) => report_error(&error, &messages),
    }
}
