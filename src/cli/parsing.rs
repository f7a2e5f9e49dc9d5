//! Reading the command line: help and versions go to standard output, faults are messages like any other.

use super::{Cli, status};
use clap::Parser;
use rsic_util::logging::Messages;
use std::ffi::OsString;
use std::process::ExitCode;

/// The command line of this process; else help or the fault is printed, and the exit code given.
pub fn parse() -> Result<Cli, ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    Cli::try_parse_from(&arguments).map_err(|fault| {
        let json = json_asked(&arguments, std::env::var_os("RSIC_LOG_FORMAT"));
        if !(fault.use_stderr() && json) {
            // Where nobody reads any more there is nothing to be done.
            let _ = fault.print();
            return ExitCode::from(u8::try_from(fault.exit_code()).unwrap_or(2));
        }
        let text = fault.render().to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        status::fatal(message, &Messages { json, ..Messages::default() })
    })
}

/// Whether messages are to be JSON lines, as far as arguments that cannot be parsed tell.
fn json_asked(arguments: &[OsString], variable: Option<OsString>) -> bool {
    const OPTION: &str = "--log-format";
    let following = arguments.windows(2).filter_map(|pair| match pair {
        [option, value] if option == OPTION => value.to_str(),
        _ => None,
    });
    let joined = arguments.iter().filter_map(|word| word.to_str()?.strip_prefix(OPTION)?.strip_prefix('='));
    match following.chain(joined).last() {
        Some(value) => value == "json",
        None => variable.is_some_and(|value| value == "json"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_messages_is_known_without_parsing() {
        let asked = |line: &str, variable: Option<&str>| {
            json_asked(&line.split(' ').map(OsString::from).collect::<Vec<_>>(), variable.map(OsString::from))
        };
        assert!(asked("rsic score --log-format json", None) && asked("rsic --log-format=json", Some("text")));
        assert!(asked("rsic score", Some("json")));
        assert!(!asked("rsic score --log-format text", Some("json")) && !asked("rsic json --log-format", None));
    }
}
