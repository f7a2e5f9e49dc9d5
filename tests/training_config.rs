//! The `train` block: what it accepts, and what it says of the rest.
#![allow(clippy::unwrap_used)]

use rsic::train::{OptimizerKind, ScheduleConfig, TrainConfig};
use std::fs;

const BASE: &str = "name: x
data: {root: nowhere}
encoders: [{name: resnet50, weights: random}]
model: {fe_lws: {}}
";

/// The settings, or all that is wrong with them.
fn load(train: &str) -> Result<TrainConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    fs::write(&path, format!("{BASE}train: {train}\n")).unwrap();
    let loaded = rsic::experiment::load(&path, &[]).map_err(|error| format!("{error:#}"))?;
    // What a run folder keeps reads back the same.
    fs::write(&path, rsic::experiment::to_yaml(&loaded.experiment).unwrap()).unwrap();
    assert_eq!(rsic::experiment::load(&path, &[]).unwrap().experiment, loaded.experiment);
    Ok(loaded.experiment.train)
}

#[test]
fn schedules_parts_and_optimisers_are_read() {
    let train = load("{optimizer: {kind: radam, lr: 5e-4}, schedule: {step: {every: 5, factor: 0.9}}}").unwrap();
    assert_eq!(train.optimizer.kind, OptimizerKind::Radam);
    assert!(matches!(train.schedule, ScheduleConfig::Step(step) if step.every == 5));
    for constant in ["constant", "{constant: }"] {
        assert_eq!(load(&format!("{{schedule: {constant}}}")).unwrap().schedule, ScheduleConfig::Constant);
    }
    load("{schedule: {noam: {warmup: 20000, d_model: 512}}}").unwrap();
    load("{schedule: {plateau: {metric: METEOR, factor: 0.2, every: 5}}}").unwrap();
    let parts = "{clip_value: 5, accumulate: 4, parts: [{prefix: encoder.resnet, lr_scale: 0.1, decay: false}]}";
    let train = load(parts).unwrap();
    assert_eq!((train.clip_value, train.accumulate), (Some(5.0), 4));
    assert!(!train.parts[0].freeze && !train.parts[0].decay && train.parts[0].lr_scale == 0.1);
}

#[test]
fn another_schedule_replaces_that_of_the_base() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let step = file("base.yaml", &format!("{BASE}train: {{schedule: {{step: {{every: 5, factor: 0.9}}}}}}\n"));
    let above = "base: base.yaml\ntrain: {schedule: {noam: {warmup: 10, d_model: 8}}}\n";
    let schedule = |path: &std::path::Path, overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        rsic::experiment::load(path, &overrides).unwrap().experiment.train.schedule
    };
    assert!(matches!(schedule(&file("x.yaml", above), &[]), ScheduleConfig::Noam(_)));
    assert_eq!(schedule(&step, &["train.schedule=constant"]), ScheduleConfig::Constant);
    let plateau = ["train.schedule.plateau.factor=0.5", "train.schedule.plateau.every=5"];
    assert!(matches!(schedule(&step, &plateau), ScheduleConfig::Plateau(_)));
    let constant = file("y.yaml", "base: base.yaml\ntrain: {schedule: constant}\n");
    assert!(matches!(schedule(&constant, &plateau), ScheduleConfig::Plateau(_)));
}

#[test]
fn another_schedule_of_the_first_stage_replaces_the_one_before_it() {
    let constant = ["first_stage.schedule=constant".to_owned()];
    let run = rsic::experiment::load("experiments/cssa/ucm.yaml".as_ref(), &constant).unwrap().experiment;
    assert_eq!(run.first_stage.unwrap().schedule, ScheduleConfig::Constant);
    let step = ["first_stage.schedule.step.every=5", "first_stage.schedule.step.factor=0.5"].map(str::to_owned);
    let run = rsic::experiment::load("experiments/cssa/ucm.yaml".as_ref(), &step).unwrap().experiment;
    assert!(matches!(run.first_stage.unwrap().schedule, ScheduleConfig::Step(_)));
}

#[test]
fn every_fault_is_named_with_its_place() {
    let refused = |train: &str, says: &[&str]| {
        let error = load(train).unwrap_err();
        for part in says {
            assert!(error.contains(part), "'{part}' is not in: {error}");
        }
    };
    refused("{optimizer: {kind: radm}}", &["train.optimizer.kind", "did you mean 'radam'?"]);
    refused("{schedule: {noam: {warmup: 10}}}", &["train.schedule.noam.d_model", "missing"]);
    refused("{schedule: {noam: {warmup: 0, d_model: 8}}}", &["train.schedule.noam.warmup", "at least 1"]);
    refused("{schedule: {step: {every: 5, factor: 0}}}", &["train.schedule.step.factor", "more than 0"]);
    let both = "{schedule: {plateau: {factor: 0.2, every: 5, patience: 4}}}";
    refused(both, &["train.schedule.plateau", "needs either 'every' or 'patience' (epochs), found 2"]);
    refused("{schedule: {plateau: {factor: 0.2}}}", &["found 0 of them"]);
    let metric = "{schedule: {plateau: {factor: 0.2, every: 5, metric: METEO}}}";
    refused(metric, &["train.schedule.plateau.metric", "did you mean 'METEOR'?"]);
    refused("{schedule: {cyclic: {}}}", &["train.schedule", "cyclic", "plateau"]);
    refused("{parts: [{prefix: a.}, {prefix: b}, {prefix: b}]}", &["train.parts.0.prefix", "train.parts.2.prefix"]);
    refused("{parts: [{lr_scale: 2}]}", &["train.parts.0.prefix", "missing"]);
    refused("{accumulate: 0, clip_value: -1}", &["train.accumulate", "train.clip_value"]);
}
