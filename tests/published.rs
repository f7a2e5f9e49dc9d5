//! Which published row an experiment is set beside.
#![allow(clippy::unwrap_used)]

use rsic::experiment::{self, Experiment};
use rsic::experiments::published::{PublishedRow, published_row};
use std::path::Path;

fn row(file: &str, overrides: &[&str]) -> Option<PublishedRow> {
    let load = |path: &Path, overrides: &[String]| -> anyhow::Result<Experiment> {
        Ok(experiment::load(path, overrides)?.experiment)
    };
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let experiment = load(&Path::new("experiments").join(file), &overrides).unwrap();
    published_row(&experiment, Path::new("experiments"), &load).unwrap()
}

#[test]
fn a_papers_own_experiment_stands_beside_its_row_whatever_the_seed() {
    let found = row("fe_lws/ucm.yaml", &["train.seed=3", "decode.method=greedy"]).unwrap();
    assert!(found.differences.is_empty(), "{:?}", found.differences);
    assert_eq!(found.numbers["CIDEr"], Some(3.6806));
    assert!(found.name.contains("fe_lws table V, DC=3 LWS = fe_lws table VIII, FE-LWS"), "{}", found.name);
    let found = row("jtts/sydney.yaml", &[]).unwrap();
    assert!(found.name.contains("table III, JTTS") && found.differences.is_empty(), "{found:?}");
}

#[test]
fn what_differs_from_the_row_is_named_and_no_more() {
    let encoder = "encoders=[{name: densenet169, weights: x.safetensors}]";
    let found = row("fe_lws/ucm.yaml", &[encoder, "train.epochs=3"]).unwrap();
    assert_eq!(
        found.differences,
        ["encoders densenet169 (published with convnext_base + resnet152)", "train.epochs 3 (published with 200)"]
    );
    assert_eq!(found.numbers["CIDEr"], Some(3.6806));
    // A row of that very encoder is nearer than the paper's favourite.
    let found = row("fe_lws/ucm.yaml", &["model.fe_lws.stack=ns", "model.fe_lws.layers=1", encoder]).unwrap();
    assert!(found.name.starts_with("fe_lws table II, "), "{}", found.name);
}

#[test]
fn another_model_or_dataset_has_no_row() {
    assert_eq!(row("fe_lws/ucm.yaml", &["model.fe_lws.hidden=64"]), None);
    assert_eq!(row("fe_lws/ucm.yaml", &["data.root=datasets/own"]), None);
    assert_eq!(row("demo/jtts.yaml", &[]), None);
}
