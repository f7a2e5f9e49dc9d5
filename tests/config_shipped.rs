//! Every experiment file that is shipped can be used.

#![allow(clippy::unwrap_used)]

use rsic::config::{self, FileKind};
use rsic::decode::DecodeMethod;
use rsic::experiment;
use rsic::experiments::sweep::PlannedSweep;
use rsic::models::fe_lws::{Config, Stack};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")
}

/// The experiment files.
fn experiments() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .flat_map(|paper| fs::read_dir(paper.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| config::kind(path) == FileKind::Experiment)
        .collect();
    files.sort();
    files
}

#[test]
fn every_shipped_experiment_is_valid_and_survives_being_saved() {
    let files = experiments();
    assert!(files.len() >= 4, "{files:?}");
    let copy = tempfile::tempdir().unwrap();
    for file in files {
        let loaded = experiment::load(&file, &[]).unwrap_or_else(|error| panic!("{error:#}"));
        let saved = copy.path().join("config.yaml");
        fs::write(&saved, experiment::to_yaml(&loaded.experiment).unwrap()).unwrap();
        assert_eq!(experiment::load(&saved, &[]).unwrap().experiment, loaded.experiment);
        // The name of a run is the name of its file, so that runs/ mirrors experiments/.
        let name = file.strip_prefix(folder()).unwrap().with_extension("");
        assert_eq!(Path::new(&loaded.experiment.name), name);
    }
}

#[test]
fn every_shipped_file_says_what_it_is_and_how_to_run_it() {
    for file in experiments() {
        let text = fs::read_to_string(&file).unwrap();
        let header: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(header.contains("rsic train experiments/"), "{}", file.display());
    }
}

#[test]
fn the_fe_lws_experiments_have_the_settings_of_the_paper() {
    for dataset in ["ucm", "sydney", "rsicd"] {
        let file = folder().join(format!("fe_lws/{dataset}.yaml"));
        let experiment = experiment::load(&file, &[]).unwrap().experiment;
        let model = experiment.model.get::<Config>().unwrap_or_else(|| panic!("{dataset}: another model"));
        let paper =
            Config { stack: Stack::Lws, layers: 3, embedding: 256, hidden: 256, image: 256, merge: 512, dropout: 0.5 };
        assert_eq!(*model, paper);
        assert_eq!((experiment.train.batch_size, experiment.train.optimizer.lr), (64, 1e-4));
        let stop = &experiment.train.early_stop;
        assert_eq!((stop.metric.as_str(), stop.patience), ("ROUGE_L", 8));
        let decode = &experiment.decode;
        assert_eq!((decode.method, decode.beam, decode.comparison.neighbours), (DecodeMethod::Comparison, 5, 4));
        let names: Vec<&str> = experiment.encoders.iter().map(|encoder| encoder.name.as_str()).collect();
        assert_eq!(names, ["convnext_base", "resnet152"]);
    }
}

#[test]
fn every_shipped_sweep_gives_runs_that_differ() {
    let load = |path: &Path, overrides: &[String]| Ok(experiment::load(path, overrides)?.experiment);
    let files: Vec<PathBuf> =
        fs::read_dir(folder().join("sweeps")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let planned =
            PlannedSweep::new(&file, Path::new("runs"), &[], &load).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(planned.sweep.name, file.file_stem().unwrap().to_string_lossy());
        assert!(planned.tasks().len() > 1);
    }
}
