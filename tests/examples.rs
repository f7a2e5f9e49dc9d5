//! The command lines that help texts and documents show: the program takes them, and the files that they name exist.

#![allow(clippy::unwrap_used)]

use clap::{Command, CommandFactory, Parser};
use rsic_cli::Cli;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command with all below it, by their names as typed.
fn commands(command: Command, above: &str) -> Vec<(String, Command)> {
    let name = format!("{above}{}", command.get_name());
    let below = command.get_subcommands().filter(|below| below.get_name() != "help").cloned();
    let below: Vec<_> = below.flat_map(|below| commands(below, &format!("{name} "))).collect();
    [(name, command)].into_iter().chain(below).collect()
}

/// The words of a command line as a shell splits them, without its comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.split(" #").next().unwrap().chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == ' ' => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What is wrong with a command line, if anything.
fn fault(line: &str) -> Option<String> {
    let words = words(line);
    if let Err(error) = Cli::try_parse_from(&words) {
        return Some(format!("'{line}': {error}"));
    }
    let manifest = fs::read_to_string(root().join("weights/manifest.yaml")).unwrap();
    let exists = |word: &str| match word.strip_prefix("weights/") {
        Some(name) => manifest.contains(name), // public weights, which users download
        None => root().join(word).exists(),
    };
    let ours = ["experiments/", "weights/", "tests/", "docs/", "scripts/"];
    let named = words.iter().filter(|word| ours.iter().any(|folder| word.starts_with(folder)));
    named.filter(|word| !exists(word)).map(|word| format!("'{line}': there is no '{word}'")).next()
}

/// Lines of the code blocks of a document that start the program; a `\` at the end of a line continues it.
fn shown(text: &str) -> Vec<String> {
    let blocks: String = text.split("```").skip(1).step_by(2).collect::<Vec<_>>().join("\n");
    // A loop of the shell is taken with one value of each of its variables.
    let lines = blocks.replace("\\\n", " ").replace("$model", "fe_lws").replace("$precision", "bf16");
    let program = |line: &str| line.strip_prefix("target/debug/").unwrap_or(line).to_owned();
    lines.lines().map(|line| program(line.trim())).filter(|line| line.starts_with("rsic ")).collect()
}

#[test]
fn every_command_has_one_example_of_itself_that_it_takes() {
    for (name, command) in commands(Cli::command(), "").into_iter().skip(1) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let Some(line) = help.strip_prefix("Example: ") else { panic!("'{name}' has no example") };
        assert_eq!(line.lines().count(), 1, "{name}: {line}");
        assert!(line.starts_with(&name), "{name}: {line}");
        assert_eq!(fault(line), None, "{name}");
    }
}

#[test]
fn every_argument_of_every_command_has_a_help_text() {
    let without: Vec<String> = commands(Cli::command(), "")
        .iter()
        .flat_map(|(name, command)| command.get_arguments().map(move |argument| (name, argument.clone())))
        .filter(|(_, argument)| argument.get_help().is_none_or(|help| help.to_string().len() < 10))
        .map(|(name, argument)| format!("{name}: {}", argument.get_id()))
        .collect();
    assert!(without.is_empty(), "without a help text: {without:?}");
}

#[test]
fn the_command_lines_of_the_documents_are_taken() {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    documents.extend(["README.md", "datasets/README.md", "weights/README.md"].map(|name| root().join(name)));
    let lines: Vec<String> = documents.iter().flat_map(|path| shown(&fs::read_to_string(path).unwrap())).collect();
    assert!(lines.len() > 20, "only {} command lines were found", lines.len());
    let faults: Vec<String> = lines.iter().filter_map(|line| fault(line)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_command_lines_in_comments_of_experiments_are_taken() {
    let folders = fs::read_dir(root().join("experiments")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.filter(|path| path.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    let files =
        files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let texts: Vec<String> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines: Vec<&str> =
        texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("#   ")).collect();
    let shown = lines.iter().filter(|line| line.starts_with("rsic "));
    assert!(shown.clone().count() > 20);
    let faults: Vec<String> = shown.filter_map(|line| fault(line)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_a_command_line_is_taken_for() {
    assert_eq!(
        words("rsic compare a b --decoding \"beam 3\"  # a comment"),
        ["rsic", "compare", "a", "b", "--decoding", "beam 3"]
    );
    assert_eq!(shown("text\n```\nrsic a \\\n  b\nmake c\n```\nrsic d\n"), ["rsic a    b"]);
    assert!(fault("rsic sweep experiments/sweeps/gone.yaml").unwrap().contains("there is no"));
    assert!(fault("rsic nonsense").is_some());
}
