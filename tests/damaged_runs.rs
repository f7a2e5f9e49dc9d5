//! Damaged copies of every file of a run: each is refused in plain words, or does no harm.
#![allow(clippy::unwrap_used)]

mod common;

use common::{SMALL, rsic, succeeds, workplace};
use rsic::experiment::{self, Experiment};
use rsic::experiments::reported::ReportedRun;
use rsic::runs::{RunResult, StageScores};
use rsic::session::Trained;
use rsic::train::Checkpoint;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tch::Device;

/// What only somebody who knows the program would understand.
const FOREIGN: [&str; 12] = [
    "missing field",
    "unknown field",
    "invalid type",
    "invalid value",
    "invalid length",
    "EOF while",
    "struct ",
    "enum ",
    "untagged",
    "u64",
    "usize",
    "Error(",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A link to a file that is changed must not change the file that it shares.
fn replace(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

/// Other contents for a file.
fn damaged(content: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> =
        [&b""[..], b"{}", b"[]", b"null", b"3", b"\"text\"", &[0; 64], b"a: [\n", b"\xff\xfe"].map(Vec::from).to_vec();
    let half = content.len() / 2;
    all.extend([content[..half].to_vec(), content[..content.len().saturating_sub(1)].to_vec()]);
    if let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(content) {
        for key in object.keys() {
            for value in [None, Some(json!("x")), Some(json!(-1)), Some(json!([[]])), Some(json!({"y": null}))] {
                let mut changed = object.clone();
                match value {
                    None => changed.remove(key),
                    Some(value) => changed.insert(key.clone(), value),
                };
                all.push(serde_json::to_vec(&changed).unwrap());
            }
        }
    }
    all
}

fn load(path: &Path, overrides: &[String]) -> anyhow::Result<Experiment> {
    Ok(experiment::load(path, overrides)?.experiment)
}

/// What the readers of a run say of it, where they do not take it.
fn said(run: &Path) -> Vec<String> {
    let results = [
        Trained::load(run, &[], Device::Cpu).map(drop),
        Checkpoint::load(&run.join("checkpoints/last")).map(drop),
        RunResult::load(run).map(drop),
        ReportedRun::load(run, &load).map(drop),
        StageScores::load(run).map(drop),
    ];
    results.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect()
}

#[test]
fn a_damaged_file_of_a_run_is_told_in_plain_words_or_does_no_harm() {
    let place = workplace("damaged_runs");
    fs::write(place.join("small.yaml"), SMALL).unwrap();
    succeeds(&rsic(&place, &["train", "small.yaml", "--output", "run"]));
    let run = place.join("run");
    // Without the sums that every other change would already be found by.
    for checkpoint in ["best", "last"] {
        let state = run.join("checkpoints").join(checkpoint).join("state.json");
        let mut value: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
        value.as_object_mut().unwrap().remove("sha256");
        replace(&state, &serde_json::to_vec(&value).unwrap());
    }
    assert_eq!(said(&run), Vec::<String>::new());
    let (mut told, mut refused) = (0, 0);
    for file in files(&run) {
        let content = fs::read(&file).unwrap();
        for damage in damaged(&content) {
            replace(&file, &damage);
            let said = said(&run);
            told += said.len();
            refused += usize::from(!said.is_empty());
            for text in said {
                let foreign = FOREIGN.iter().find(|foreign| text.contains(**foreign));
                assert!(foreign.is_none(), "{}: {text}", file.display());
                assert!(text.contains("run"), "{} is not named: {text}", file.display());
            }
        }
        replace(&file, &content);
    }
    assert!(refused > 50 && told >= refused, "{refused} of the copies were refused");
}
