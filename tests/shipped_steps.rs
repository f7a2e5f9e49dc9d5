//! Every shipped experiment, every row of every shipped table and every run of every shipped sweep trains a step on the
//! built-in scenes: the whole path from the file to checkpoints, in small sizes. Settings that come to the same small
//! experiment are one.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use common::{command, succeeds, workplace};
use rsic::config::{self, FileKind};
use rsic::data::{DataConfig, VocabularyConfig};
use rsic::experiment::{self, Experiment};
use rsic::experiments::catalog::of_paper;
use rsic::experiments::encoders::Sources;
use rsic::experiments::plan::{Options, Plan};
use rsic::experiments::sweep::PlannedSweep;
use rsic::models::{ModelConfig, cssa};
use rsic::runtime::Interrupt;
use rsic::session::Session;
use rsic::train::{Outcome, ProcessGroup, TrainState};
use rsic::util::fs::cache_dir;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;
use tch::Device;

fn load(path: &Path, overrides: &[String]) -> anyhow::Result<Experiment> {
    Ok(experiment::load(path, overrides)?.experiment)
}

/// The shipped YAML files of a kind.
fn files(kind: FileKind) -> Vec<PathBuf> {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")).unwrap();
    let entries = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml") && config::kind(path) == kind);
    files.sort();
    files
}

/// Every shipped experiment with a name of where it stands.
fn shipped() -> Vec<(String, Experiment)> {
    let mut all = Vec::new();
    for file in files(FileKind::Experiment) {
        all.push((file.display().to_string(), load(&file, &[]).unwrap_or_else(|error| panic!("{error:#}"))));
    }
    let options = Options {
        sources: Sources::new(&[], &[]).unwrap(),
        seeds: Vec::new(),
        overrides: Vec::new(),
        output: "runs".into(),
    };
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    for paper in ["cssa", "demo", "fe_lws", "jtts", "s2cpnet"] {
        let plan = Plan::new(of_paper(&experiments, paper).unwrap(), &options, &load).unwrap();
        all.extend(plan.runs.into_iter().map(|run| (run.folder.display().to_string(), run.experiment)));
    }
    for file in files(FileKind::Sweep) {
        let planned = PlannedSweep::new(&file, Path::new("runs"), &[], &load).unwrap();
        all.extend(planned.plan.runs.into_iter().map(|run| (run.folder.display().to_string(), run.experiment)));
    }
    all
}

/// The same model in small sizes.
fn narrow(model: &ModelConfig) -> ModelConfig {
    let mut settings = serde_json::to_value(model).unwrap();
    let Some(own) = settings.get_mut(model.key()) else { panic!("no settings of {}", model.key()) };
    let mut set =
        |path: &str, value: serde_json::Value| *own.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
    match model.key() {
        "fe_lws" => {
            for (name, width) in [("/embedding", 8), ("/hidden", 8), ("/image", 8), ("/merge", 12)] {
                set(name, width.into());
            }
        }
        "cssa" => {
            for (name, width) in [("/width", 16), ("/heads", 2), ("/inner", 16), ("/geometry_hidden", 4)] {
                set(name, width.into());
            }
            let views = model.get::<cssa::Config>().unwrap().augment.views.min(1);
            set("/augment/views", views.into());
            if !Path::new("cache").join(METEOR).exists() {
                set("/augment/text/synonyms", 0.0.into()); // they come of METEOR's resources
            }
        }
        "jtts" => {
            for (name, width) in [("/hidden", 16), ("/embedding", 8), ("/attribute_embedding", 8), ("/attention", 8)] {
                set(name, width.into());
            }
            set("/classifier", serde_json::json!([12, 8]));
            set("/words/above", 2.into());
        }
        "s2cpnet" => {
            for (name, width) in [("/width", 16), ("/heads", 2), ("/grid", 2), ("/noun_words/min_count", 1)] {
                set(name, width.into());
            }
        }
        other => panic!("say what makes a small {other}"),
    }
    serde_json::from_value(settings).unwrap()
}

/// The same experiment on the scenes, with random encoders and narrow layers; one epoch of it is one step.
fn small(mut experiment: Experiment, scenes: &Path) -> Experiment {
    experiment.name = "small".into();
    let vocabulary = VocabularyConfig { min_count: 1, ..experiment.data.vocabulary };
    experiment.data = DataConfig { text: experiment.data.text, vocabulary, ..DataConfig::of_folder(scenes) };
    for encoder in &mut experiment.encoders {
        encoder.weights = "random".into();
        encoder.image_size = if encoder.tune.is_some() { 32 } else { 64 };
    }
    experiment.model = narrow(&experiment.model);
    let reinforced = experiment.reinforce.as_mut().map(|stage| &mut stage.train);
    for stage in [Some(&mut experiment.train), experiment.first_stage.as_mut(), reinforced].into_iter().flatten() {
        (stage.seed, stage.epochs, stage.batch_size) = (1, 1, 1000);
        stage.early_stop.patience = 1;
    }
    experiment
}

/// The different small experiments, each with the places that it stands for.
fn distinct(scenes: &Path) -> Vec<(Vec<String>, Experiment)> {
    let mut by_identity: BTreeMap<String, (Vec<String>, Experiment)> = BTreeMap::new();
    for (place, experiment) in shipped() {
        let experiment = small(experiment, scenes);
        let entry = by_identity.entry(experiment.identity().unwrap()).or_insert_with(|| (Vec::new(), experiment));
        entry.0.push(place);
    }
    let mut distinct: Vec<_> = by_identity.into_values().collect();
    // Encoders that are trained take longest: first, so that no worker ends with one alone.
    distinct.sort_by_key(|(places, experiment)| {
        (experiment.encoders.iter().all(|encoder| encoder.tune.is_none()), places.first().cloned())
    });
    distinct
}

/// Eight of the scenes: four to train on, two to validate, two to test.
fn few_scenes(place: &Path) {
    let file = place.join("scenes/dataset.json");
    let mut dataset: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let images = dataset["images"].as_array_mut().unwrap();
    let mut left = BTreeMap::from([("train", 4), ("val", 2), ("test", 2)]);
    images.retain(|image| {
        let left = left.get_mut(image["split"].as_str().unwrap()).unwrap();
        *left -= 1;
        *left >= 0
    });
    assert_eq!(images.len(), 8);
    fs::write(file, dataset.to_string()).unwrap();
}

const METEOR: &str = "metrics-en.bin";

/// METEOR's resources, where the user's cache holds them, for the tests' cache.
fn share_resources(place: &Path) {
    fs::create_dir_all(place.join("cache")).unwrap();
    let users = cache_dir().unwrap().join(METEOR);
    if users.is_file() {
        std::os::unix::fs::symlink(users, place.join("cache").join(METEOR)).unwrap();
    } else {
        println!("without synonyms: there are no resources of METEOR ('make metrics-data')");
    }
}

const WORKERS: usize = 2;

#[test]
fn every_shipped_setting_trains_a_step_on_the_scenes() {
    let place = workplace("shipped_steps");
    few_scenes(&place);
    share_resources(&place);
    fs::create_dir(place.join("taken")).unwrap();
    let started = Instant::now();
    let worker = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "works_through_the_settings", "--ignored", "--nocapture"]).current_dir(&place);
        command.env("RSIC_CACHE", place.join("cache")).env("OMP_NUM_THREADS", "1").env("OMP_WAIT_POLICY", "passive");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let workers: Vec<_> = (0..WORKERS).map(|_| worker()).collect();
    for worker in workers {
        succeeds(&worker.wait_with_output().unwrap());
    }
    let total = fs::read_dir(place.join("taken")).unwrap().count();
    assert!(total > 50, "{total}");
    println!("{total} settings in {:.0} s", started.elapsed().as_secs_f64());
}

/// A process of the test above: its working folder holds the scenes.
#[test]
#[ignore = "a part of every_shipped_setting_trains_a_step_on_the_scenes"]
fn works_through_the_settings() {
    let scenes = Path::new("scenes");
    for (index, (places, experiment)) in distinct(scenes).into_iter().enumerate() {
        let taken = fs::File::options().write(true).create_new(true).open(format!("taken/{index}"));
        if taken.is_err() {
            continue; // by the other process
        }
        let started = Instant::now();
        let folder = PathBuf::from(format!("run{index}"));
        step(experiment, &folder).unwrap_or_else(|error| panic!("{}: {error:#}", places.join(", ")));
        fs::remove_dir_all(folder).unwrap();
        println!("{:.2} s  {} of {}", started.elapsed().as_secs_f64(), places[0], places.len());
    }
}

fn step(experiment: Experiment, folder: &Path) -> anyhow::Result<()> {
    let first_stage = experiment.first_stage.is_some();
    let mut session = Session::new(experiment, Device::Cpu, &mut |_| Ok(()))?;
    let (state, outcome) = session.train(folder, false, &Interrupt::never(), &ProcessGroup::solo(), &mut |_| {})?;
    assert_eq!((outcome, state.epoch, state.updates), (Outcome::Finished, 1, 1));
    assert!(state.history[0].train_loss.is_finite());
    if first_stage {
        let file = folder.join("first_stage/checkpoints/last/state.json");
        let state: TrainState = serde_json::from_str(&fs::read_to_string(file)?)?;
        assert_eq!((state.epoch, state.updates), (1, 1), "the first stage");
    }
    Ok(())
}

#[test]
fn every_shipped_pretraining_trains_a_step_on_the_scenes() {
    let place = workplace("shipped_pretraining");
    let dataset: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(place.join("scenes/dataset.json")).unwrap()).unwrap();
    for image in dataset["images"].as_array().unwrap() {
        let (class, file) = (image["class"].as_str().unwrap(), image["filename"].as_str().unwrap());
        let folder = place.join("classes").join(class.replace(' ', "_"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(place.join("scenes/imgs").join(file), folder.join(file)).unwrap();
    }
    let files = files(FileKind::Pretraining);
    assert!(files.len() >= 3);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let root = if text.contains("classes: folders") { "classes" } else { "scenes" };
        let (file, root) = (file.display().to_string(), format!("data.root={root}"));
        let small = ["encoder.weights=none", "encoder.image_size=32", "train.epochs=1", "train.batch_size=1000"];
        let arguments = [&["pretrain", &file, &root, "--output", "run", "--overwrite"][..], &small].concat();
        succeeds(&command(&place, &arguments).output().unwrap());
        let history = fs::read_to_string(place.join("run/metrics.jsonl")).unwrap();
        assert_eq!(history.lines().count(), 1, "{file}: {history}");
    }
}
