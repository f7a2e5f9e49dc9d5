//! What users start: help and `score` right here, scores by meaning and every other command in `rsic-torch`, which lies
//! beside it.
//!
//! LibTorch takes a fifth of a second to load, before `main`: too long to wait for scores and help, which need no
//! tensor. And its idle threads read how to wait before `main`, too: here that is said in time.

use anyhow::{Context, Result, bail};
use rsic_cli::{Cli, Command, ExitStatus, parse, report_error, scoring};
use rsic_util::logging;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

const TORCH: &str = "rsic-torch";

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let messages = cli.global.messages();
    match run(cli) {
        Ok(status) => status.into(),
        Err(error) => report_error(&error, &messages),
    }
}

fn run(cli: Cli) -> Result<ExitStatus> {
    match cli.command {
        Command::Score(args) if !args.semantic.asked() => {
            logging::init(&cli.global.messages())?;
            scoring::run(&args, &cli.global)
        }
        _ => hand_over(),
    }
}

/// Becomes `rsic-torch` with the same arguments; comes back only where that cannot be started.
///
/// Unless the user says otherwise, OpenMP's idle threads spin for a moment before they sleep: without that a training
/// of small models, one short parallel region after another, took half as long again; with OpenMP's own, much longer
/// spin it took ten times as long beside another busy process.
fn hand_over() -> Result<ExitStatus> {
    const SPIN: &str = "GOMP_SPINCOUNT";
    const SAID: [&str; 2] = ["OMP_WAIT_POLICY", SPIN];
    let program = std::env::current_exe().context("cannot determine the path of this program")?.with_file_name(TORCH);
    let mut command = std::process::Command::new(&program);
    let mut arguments = std::env::args_os();
    if let Some(name) = arguments.next() {
        command.arg0(name); // pages and logs show the command as it was typed
    }
    command.args(arguments);
    if SAID.iter().all(|name| std::env::var_os(name).is_none()) {
        command.env(SPIN, "1000");
    }
    let error = command.exec();
    bail!("cannot start '{}': {error}; it must be in the same folder as rsic", program.display())
}
