//! One file per subcommand: the only place that ties data, models, training, metrics and reports together.

use crate::cli::{Cli, Command, parse};
use crate::runtime::Stopped;
use crate::runtime::guard::{OutOfMemory, guarded};
use crate::train::parallel::Launch;
use crate::util::shell::quoted;
use anyhow::{Result, anyhow};
use std::process::ExitCode;

mod average;
mod caption;
mod compare;
mod completions;
mod config;
mod data;
mod doctor;
mod eval;
mod features;
mod map;
mod metrics_data;
mod pretrain;
mod progress;
mod report;
pub mod reproduce;
mod runner;
mod sam;
mod semantic;
mod spice;
mod sweep;
mod train;
mod weights;
mod weights_fetch;

pub use crate::cli::{ExitStatus, report_error};

/// The whole program: parses the command line, runs its command, maps the result to an exit code.
///
/// To be called first, before there are threads.
pub fn main() -> ExitCode {
    crate::runtime::keep_memory();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let messages = cli.global.messages();
    match guarded(|| run(cli)).unwrap_or_else(|OutOfMemory| Err(out_of_memory())) {
        Ok(status) => status.into(),
        Err(error) if error.is::<Stopped>() => {
            tracing::warn!("{error:#}");
            ExitStatus::Interrupted.into()
        }
        Err(error) => report_error(&error, &messages),
    }
}

/// What is said where no smaller batch could be tried.
fn out_of_memory() -> anyhow::Error {
    anyhow!(
        "out of memory: the model or what it is given does not fit beside what else uses the device; free memory \
         there, lower the batch size (train.batch_size, decode.batch_size), or use --device cpu"
    )
}

/// Runs the command that was asked for.
pub fn run(mut cli: Cli) -> Result<ExitStatus> {
    if matches!(cli.command, Command::Train(_)) && Launch::from_env()?.rank > 0 {
        cli.global.quiet = true; // the first of several processes speaks for all
    }
    crate::util::logging::init(&cli.global.messages())?;
    match cli.command {
        Command::Train(args) => train::run(&cli.global, &args),
        Command::Average(args) => average::run(&args),
        Command::Eval(args) => eval::run(&cli.global, &args),
        Command::Caption(args) => caption::run(&cli.global, &args),
        Command::Score(args) => semantic::score(&args, &cli.global),
        Command::Map(args) => map::run(&cli.global, &args),
        Command::Reproduce(args) => reproduce::run(&cli.global, &args),
        Command::Sweep(args) => sweep::run(&cli.global, &args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Data(command) => data::run(&cli.global, &command),
        Command::Features(args) => features::run(&cli.global, &args),
        Command::Pretrain(args) => pretrain::run(&cli.global, &args),
        Command::Weights(command) => weights::run(&command),
        Command::Config(command) => config::run(&command),
        Command::MetricsData(args) => metrics_data::run(&args),
        Command::Spice(command) => spice::run(&command, &cli.global),
        Command::Doctor => doctor::run(&cli.global),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// The command line of this process, as a shell reads it.
fn this_command() -> String {
    let words: Vec<String> = std::env::args_os().map(|word| quoted(&word.to_string_lossy())).collect();
    words.join(" ")
}
