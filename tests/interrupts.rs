//! Signals while captions are searched and while input is waited for: exit code 130 or the signal's end, nothing half
//! written.
#![allow(clippy::unwrap_used)]

mod common;

use common::{SMALL, command, rsic, succeeds, workplace};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const TABLE: &str = "paper: fe_lws
table: T
title: A small table
dataset: scenes
base: small.yaml
columns: [CIDEr]
decodings: [beam]
rows:
  - {method: one, run: {set: {decode.beam: 50, decode.max_length: 1000, decode.batch_size: 1}}}
  - {method: two, run: {set: {train.optimizer.lr: 5e-4}}}
";

const SWEEP: &str = "name: small_sweep
experiment: small.yaml
metric: {name: CIDEr}
parameters:
  decode.method: {value: beam}
  decode.beam: {value: 50}
  decode.max_length: {value: 1000}
  decode.batch_size: {value: 1}
  train.optimizer.lr: {values: [1e-3, 2e-3]}
";

/// A search that takes much longer than a signal.
const SLOW: [&str; 4] = ["decode.method=beam", "decode.beam=50", "decode.max_length=1000", "decode.batch_size=1"];

fn start(place: &Path, arguments: &[&str]) -> Child {
    let quiet = |child: &mut std::process::Command| child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    quiet(command(place, arguments).stdin(Stdio::piped()))
}

/// Waits until the process ends of itself or `ready` holds.
fn wait_for(child: &mut Child, what: &str, ready: impl Fn(u32) -> bool) {
    let started = Instant::now();
    while !ready(child.id()) && child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(300), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process handles SIGTERM itself.
fn handles_signals(id: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (libc::SIGTERM - 1)) != 0)
}

/// Asks the process to stop; how it ended.
fn stop(mut child: Child) -> ExitStatus {
    // SAFETY: a signal to a child that was not waited for yet.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
    wait_for(&mut child, "the process ends", |_| false);
    child.wait().unwrap()
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { found.extend(below(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn an_interrupt_within_the_search_for_captions_is_exit_code_130_and_leaves_no_scores() {
    let place = workplace("interrupted_search");
    for (file, content) in [("small.yaml", SMALL), ("table_T.yaml", TABLE), ("sweep.yaml", SWEEP)] {
        fs::write(place.join(file), content).unwrap();
    }
    succeeds(&rsic(&place, &["train", "small.yaml", "--output", "run"]));
    let before = below(&place.join("run"));

    let mut eval = start(&place, &[&["eval", "run"], &SLOW[..]].concat());
    wait_for(&mut eval, "it handles signals", handles_signals);
    std::thread::sleep(Duration::from_secs(1)); // into the search, mostly
    assert_eq!(stop(eval).code(), Some(130));
    assert_eq!(below(&place.join("run")), before, "nothing was written");

    for (folder, arguments) in [
        ("tables", ["reproduce", "./table_T.yaml", "--output", "tables"]),
        ("swept", ["sweep", "sweep.yaml", "--output", "swept"]),
    ] {
        let trained = |_| below(&place.join(folder)).iter().any(|path| path.ends_with("checkpoints/last/state.json"));
        let mut many = start(&place, &arguments);
        wait_for(&mut many, "a run is trained", trained);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(stop(many).code(), Some(130), "{arguments:?}");
        let left = below(&place.join(folder));
        let runs = left
            .iter()
            .filter(|path| path.ends_with("config.yaml"))
            .filter(|p| !p.to_string_lossy().contains("checkpoints"));
        assert_eq!(runs.count(), 1, "no further run is begun: {left:?}");
        assert!(!left.iter().any(|path| path.ends_with("result.json")), "{left:?}");
    }
}

#[test]
fn sigterm_ends_what_waits_for_input() {
    let place = workplace("waiting_reads");
    fs::write(place.join("small.yaml"), SMALL).unwrap();
    succeeds(&rsic(&place, &["train", "small.yaml", "--output", "run"]));
    let pipe = |name: &str| {
        let name = std::ffi::CString::new(place.join(name).to_str().unwrap()).unwrap();
        // SAFETY: a name that ends in a zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    };
    pipe("table_P.yaml");
    pipe("pipe.yaml");
    for arguments in [
        &["reproduce", "./table_P.yaml", "--output", "tables"][..],
        &["train", "pipe.yaml"],
        &["train", "/dev/stdin"],
        &["caption", "--model", "run", "-"],
        &["score", "/dev/stdin", "small.yaml"],
        &["eval", "run", "--output", "elsewhere", "data.captions=../pipe.yaml"],
    ] {
        let mut child = start(&place, arguments);
        let waited = Instant::now();
        wait_for(&mut child, "it reads", |id| handles_signals(id) || waited.elapsed() > Duration::from_secs(3));
        let ended = child.try_wait().unwrap();
        let ended = ended.unwrap_or_else(|| stop(child));
        let refused = ended.code() == Some(2) && arguments.first() == Some(&"eval");
        let stopped = ended.code() == Some(130) || ended.signal() == Some(libc::SIGTERM);
        assert!(stopped || refused, "{arguments:?}: {ended:?}");
    }
}
