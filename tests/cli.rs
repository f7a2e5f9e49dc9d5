//! The built program as a user meets it: exit codes, what goes where, errors in one sentence.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn rsic() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsic"));
    for name in ["RSIC_LOG", "RSIC_LOG_FORMAT", "RSIC_DEVICE", "RSIC_THREADS"] {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    read(rsic().args(arguments).output().unwrap())
}

fn read(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn wrong_arguments_are_exit_code_2_with_nothing_on_standard_output() {
    for arguments in [
        &["nonsense"][..],
        &["train"],
        &["train", "x.yaml", "--resume", "--overwrite"],
        &["score", "only-one"],
        &["completions", "no-shell"],
        &["config", "check"],
        &["-q", "-v", "doctor"],
        &["--log-format", "xml", "doctor"],
    ] {
        let (code, out, error) = run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(error.starts_with("error: "), "{arguments:?}: {error}");
    }
}

#[test]
fn every_command_explains_itself() {
    let commands = [
        &[][..],
        &["train"],
        &["eval"],
        &["caption"],
        &["map"],
        &["score"],
        &["reproduce"],
        &["report"],
        &["compare"],
        &["data"],
        &["data", "scenes"],
        &["data", "stats"],
        &["data", "verify"],
        &["features"],
        &["config"],
        &["config", "show"],
        &["config", "check"],
        &["config", "list"],
        &["doctor"],
        &["completions"],
    ];
    for command in commands {
        let (code, out, _) = run(&[command, &["--help"]].concat());
        assert_eq!(code, 0, "{command:?}");
        assert!(out.contains("Usage: rsic"), "{command:?}: {out}");
        assert!(out.contains("--device"), "{command:?}: {out}");
        let first = out.lines().next().unwrap_or_default();
        assert!(first.len() > 20 && !first.starts_with("Usage"), "{command:?} does not say what it does: {out}");
    }
    let (code, out, _) = run(&["--version"]);
    assert_eq!((code, out), (0, format!("rsic {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, out, error) = run(&["completions", shell]);
        assert_eq!((code, error.as_str()), (0, ""));
        assert!(out.contains("reproduce"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    for arguments in [&["completions", "zsh"][..], &["config", "show", "experiments/fe_lws/ucm.yaml"]] {
        let mut child = rsic().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let (code, _, error) = read(child.wait_with_output().unwrap());
        assert_eq!((code, error.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn config_show_prints_values_with_their_origins() {
    let (code, out, _) = run(&["config", "show", "experiments/fe_lws/ucm.yaml", "train.seed=2"]);
    assert_eq!(code, 0);
    let line = |start: &str| out.lines().find(|line| line.trim_start().starts_with(start)).unwrap_or(start).to_string();
    assert!(line("name: fe_lws/ucm").contains("# experiments/fe_lws/ucm.yaml:"), "{out}");
    assert!(line("min_count: 5").contains("# experiments/fe_lws/_base.yaml:"), "{out}");
    assert!(line("seed: 2").ends_with("# override"), "{out}");
    assert!(line("clip_norm: null").ends_with("# default"), "{out}");
}

#[test]
fn a_faulty_experiment_is_told_with_every_place_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/demo/fe_lws.yaml")).unwrap();
    fs::write(folder.path().join("good.yaml"), &good).unwrap();
    let bad = good.replace("patience:", "paitence:").replace("batch_size: 64", "batch_size: many");
    fs::write(folder.path().join("bad.yaml"), bad).unwrap();
    let here = |arguments: &[&str]| read(rsic().current_dir(folder.path()).args(arguments).output().unwrap());

    for arguments in [&["config", "show", "bad.yaml"][..], &["config", "check", "good.yaml", "bad.yaml"]] {
        let (code, _, error) = here(arguments);
        assert_eq!(code, 2);
        let place = |what: &str| error.lines().any(|line| line.starts_with("bad.yaml:") && line.ends_with(what));
        assert!(place("train.early_stop.paitence: unknown setting; did you mean 'patience'?"), "{error}");
        assert!(place("(expected a whole number that is not negative, found \"many\")"), "{error}");
        assert!(error.contains("^^^^"), "{error}");
    }
    let (code, out, _) = here(&["config", "check", "good.yaml"]);
    assert_eq!((code, out.as_str()), (0, "good.yaml: good\n"));
    let (code, out, error) = here(&["config", "show", "good.yaml", "train.sed=2"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(error, "error: in override 'train.sed=2': train.sed: unknown setting; did you mean 'seed'?\n");
    let (code, _, error) = here(&["config", "show", "gone.yaml"]);
    assert_eq!((code, error.lines().count()), (2, 1), "{error}");
    assert!(error.starts_with("error: cannot read 'gone.yaml'"), "{error}");
}

#[test]
fn the_shipped_experiments_pass_the_check_and_are_listed() {
    let (code, out, error) = run(&["config", "check", "experiments/fe_lws/ucm.yaml", "experiments/fe_lws/rsicd.yaml"]);
    assert_eq!((code, out.lines().count(), error.as_str()), (0, 2, ""));
    let (code, out, _) = run(&["config", "list"]);
    assert_eq!(code, 0);
    assert!(out.lines().any(|line| line.starts_with("experiments/fe_lws/ucm.yaml") && line.contains("UCM-Captions")));
}

#[test]
fn messages_can_be_json_lines_and_a_wrong_level_is_one_sentence() {
    let (code, _, error) = run(&["--log-format", "json", "config", "check", "gone.yaml"]);
    assert_eq!(code, 2);
    let first: serde_json::Value = serde_json::from_str(error.lines().next().unwrap()).unwrap();
    assert_eq!(first["level"], "ERROR");
    assert!(first["message"].as_str().unwrap().starts_with("cannot read 'gone.yaml'"));
    let (code, _, error) = read(rsic().env("RSIC_LOG", "rsic=loud").arg("doctor").output().unwrap());
    assert_eq!(code, 2);
    assert!(error.starts_with("error: RSIC_LOG is 'rsic=loud'; write a level"), "{error}");
}

#[test]
fn config_show_params_counts_the_parameters_by_part() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = folder.path().join("scenes");
    let (code, _, error) = run(&["data", "scenes", scenes.to_str().unwrap(), "--count", "16", "--size", "64"]);
    assert_eq!(code, 0, "{error}");
    let root = format!("data.root={}", scenes.display());
    let (code, out, error) = run(&["config", "show", "experiments/demo/fe_lws.yaml", &root, "--params"]);
    assert_eq!(code, 0, "{error}");
    let counts: Vec<(&str, usize)> = out
        .lines()
        .take_while(|line| !line.is_empty()) // what the model computes follows
        .map(|line| line.split_once("  ").unwrap())
        .map(|(name, count)| (name, count.replace(' ', "").parse().unwrap()))
        .collect();
    let count = |name: &str| counts.iter().find(|(part, _)| *part == name).unwrap_or_else(|| panic!("{out}")).1;
    // DenseNet-121 gives 1024 features; L1 has 256 units, a GRU three gates of 256 on 256 + 256 inputs with two biases.
    assert_eq!(count("l1"), 1024 * 256 + 256);
    assert_eq!((count("gru.0"), count("gru.1")), (3 * 256 * (512 + 2), 3 * 256 * (512 + 2)));
    let parts: usize = counts.iter().filter(|(name, _)| *name != "total").map(|(_, count)| count).sum();
    assert_eq!(count("total"), parts);
    assert!(out.contains("\nmultiply-adds of one image and a caption of "), "{out}");
}
