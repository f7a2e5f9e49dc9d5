//! One file per subcommand: the only place that ties data, models, training, metrics and reports together.

use crate::cli::{Cli, Command};
use anyhow::Result;
use std::process::ExitCode;

mod caption;
mod completions;
mod config;
mod data;
mod doctor;
mod eval;
mod features;
mod metrics_data;
mod pretrain;
mod progress;
pub mod reproduce;
mod runner;
mod score;
mod train;
mod weights;
mod weights_fetch;

/// How a command ended. An `Err` means that it could not run: exit code 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Success,
    /// It ran, but its goal was not met: some images failed, faults were found.
    Failure,
    /// Stopped by a signal after a checkpoint was written.
    Interrupted,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(match status {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Interrupted => 130,
        })
    }
}

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> Result<ExitStatus> {
    crate::logging::init(&cli.global)?;
    use Command::{Caption, Eval, Features, Pretrain, Reproduce, Train};
    if matches!(cli.command, Train(_) | Eval(_) | Caption(_) | Reproduce(_) | Features(_) | Pretrain(_)) {
        crate::runtime::sleep_when_idle();
    }
    match cli.command {
        Command::Train(args) => train::run(&cli.global, &args),
        Command::Eval(args) => eval::run(&cli.global, &args),
        Command::Caption(args) => caption::run(&cli.global, &args),
        Command::Score(args) => score::run(&args, &cli.global),
        Command::Reproduce(args) => reproduce::run(&cli.global, &args),
        Command::Data(command) => data::run(&command),
        Command::Features(args) => features::run(&cli.global, &args),
        Command::Pretrain(args) => pretrain::run(&cli.global, &args),
        Command::Weights(command) => weights::run(&command),
        Command::Config(command) => config::run(&command),
        Command::MetricsData(args) => metrics_data::run(&args),
        Command::Doctor => doctor::run(&cli.global),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// Prints an error as one sentence (the chain joined by colons) and gives exit code 2; a closed pipe is no error.
pub fn report_error(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
    if broken_pipe {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    ExitCode::from(2)
}
