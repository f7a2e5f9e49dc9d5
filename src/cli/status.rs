//! How a command ended, and the exit code that says so.

use rsic_util::logging::{self, Messages};
use std::process::ExitCode;

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

/// Says an error in one message (the chain joined by colons) and gives exit code 2; a closed pipe is no error. Where
/// messages are not set up yet, they are, in the form asked for.
pub fn report_error(error: &anyhow::Error, messages: &Messages) -> ExitCode {
    let broken_pipe = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
    if broken_pipe {
        return ExitCode::SUCCESS;
    }
    fatal(&format!("{error:#}"), messages)
}

/// Says what ends the program, and gives exit code 2.
pub(super) fn fatal(message: &str, messages: &Messages) -> ExitCode {
    // Quiet, so that a faulty RSIC_LOG, which may be the error, is not read.
    let quiet = Messages { quiet: true, ..*messages };
    if logging::init(&quiet).is_ok() {
        tracing::error!(target: logging::FATAL, "{message}");
    }
    ExitCode::from(2)
}
