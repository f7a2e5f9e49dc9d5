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

/// A whole number of at most `MOST`: more would never end, or find no memory.
pub(super) fn up_to<const MOST: u64, T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| *number <= MOST);
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("expected a whole number of at most {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_machine_could_do_are_faults_of_their_option() {
        for line in [
            "rsic score a b --bootstrap 1000000000000",
            "rsic compare a b --bootstrap 1000000000000",
            "rsic doctor --threads 100000",
            "rsic doctor --threads=-1",
            "rsic weights fetch --timeout 18446744073709551615",
            "rsic data masks a --sam b --points-per-batch 99999999",
        ] {
            let fault = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
            assert!(fault.contains("expected a whole number of at most"), "{line}: {fault}");
        }
        assert!(Cli::try_parse_from("rsic score a b --bootstrap 1000 --threads 2".split(' ')).is_ok());
    }

    /// What a command and those below it do not tell.
    fn untold(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        if command.get_about().is_none_or(|about| about.to_string().trim().is_empty()) {
            found.push(path.clone());
        }
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for argument in shown.filter(|argument| !["help", "version"].contains(&argument.get_id().as_str())) {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            if !(help.starts_with(|c: char| c.is_uppercase()) && help.contains(' ')) {
                found.push(format!("{path}: {} (\"{help}\")", argument.get_id()));
            }
        }
        command.get_subcommands().for_each(|below| untold(below, &path, found));
    }

    #[test]
    fn every_command_option_and_argument_says_what_it_is() {
        use clap::CommandFactory;
        let mut found = Vec::new();
        untold(&Cli::command(), "", &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }

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
