//! The order of modules: each uses those above it, and none below it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. `util`, `captions`, `eval` and `cli` are crates, so that the compiler keeps what is below them.
const ORDER: [&str; 22] = [
    "util",
    "captions",
    "eval",
    "config",
    "runtime",
    "weights",
    "scenes",
    "data",
    "geo",
    "models",
    "features",
    "decode",
    "semantic",
    "train",
    "experiment",
    "runs",
    "session",
    "pretrain",
    "experiments",
    "report",
    "cli",
    "commands",
];

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// The Rust files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let of = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    entries.into_iter().flat_map(of).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// The modules at the crate's root that a line names: `crate::data::Split`, `crate::{data, models}`.
fn named(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let after = |(at, path): (usize, &str)| code.get(at + path.len()..).unwrap_or_default().to_owned();
    let of = |rest: String| match rest.strip_prefix('{') {
        Some(list) => list.split(',').map(|item| word(item.trim())).collect(),
        None => vec![word(&rest)],
    };
    code.match_indices("crate::").map(after).flat_map(of).collect()
}

#[test]
fn every_module_uses_only_those_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut against = Vec::new();
    let mut seen = Vec::new();
    for file in files(&root) {
        let below = file.strip_prefix(&root).unwrap();
        let top = below.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main", "bin"].contains(&top.as_str()) {
            continue;
        }
        let Some(own) = place(&top) else { panic!("{} is in no module of the order", file.display()) };
        seen.push(top.clone());
        if ["util", "captions", "eval", "cli"].contains(&top.as_str()) {
            continue; // crates of their own: `crate` means them there
        }
        for (index, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            for module in named(line) {
                if place(&module).is_some_and(|other| other > own) {
                    against.push(format!("src/{}:{}: {top} uses {module}", below.display(), index + 1));
                }
            }
        }
    }
    assert!(against.is_empty(), "against the order of modules in src/lib.rs:\n{}", against.join("\n"));
    let missing: Vec<_> = ORDER.iter().filter(|name| !seen.iter().any(|module| module == *name)).collect();
    assert!(missing.is_empty(), "in the order, but not in src: {missing:?}");
}

#[test]
fn the_metrics_know_no_tensors() {
    for manifest in ["src/util/Cargo.toml", "src/captions/Cargo.toml", "src/eval/Cargo.toml", "src/cli/Cargo.toml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest)).unwrap();
        assert!(!text.contains("tch") && !text.contains("torch"), "{manifest}");
    }
}

#[test]
fn what_a_line_names() {
    assert_eq!(named("use crate::data::Split; // not crate::models"), ["data"]);
    assert_eq!(named("fn f(a: crate::train::X) -> crate::eval::Y {"), ["train", "eval"]);
    assert_eq!(named("use crate::{data::Split, models};"), ["data", "models"]);
}
