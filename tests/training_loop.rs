//! The training loop as a library, over captions and features that are made up.
#![allow(clippy::unwrap_used)]

use anyhow::Result;
use rsic::data::batch::{Batch, PackedCaptions};
use rsic::eval::Scores;
use rsic::models::fe_lws::{Config, FeLws};
use rsic::models::{Captioner, Inputs, Losses, State};
use rsic::runtime::Interrupt;
use rsic::session::{CaptionObjective, TrainingSet};
use rsic::train::{Outcome, ProcessGroup, Run, TrainState};
use rsic::train::{PartConfig, PlateauConfig, ScheduleConfig, TrainConfig, TrainPrecision};
use rsic::util::rng::Rng;
use std::cell::Cell;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

const WORDS: usize = 12;
const WIDTH: i64 = 8;

/// Captions of two to nine words with features of their own.
struct Made {
    captions: Vec<Vec<i64>>,
    features: Tensor,
}

impl Made {
    fn new(count: usize) -> Self {
        let mut rng = Rng::new(&[5]);
        let mut caption = || {
            let words = 2 + rng.below(8);
            let mut ids = vec![1];
            ids.extend((0..words).map(|_| 4 + rng.below(WORDS - 4) as i64));
            ids.push(2);
            ids
        };
        let captions = (0..count).map(|_| caption()).collect();
        let mut rng = Rng::new(&[6]);
        let features: Vec<f32> = (0..count * WIDTH as usize).map(|_| rng.unit() as f32).collect();
        Self { captions, features: Tensor::from_slice(&features).view([count as i64, WIDTH]) }
    }
}

impl TrainingSet for Made {
    fn len(&self) -> usize {
        self.captions.len()
    }

    fn captions(&self) -> usize {
        self.captions.len()
    }

    fn length(&self, example: usize) -> usize {
        self.captions[example].len()
    }

    fn batch(&self, chosen: &[usize], _epoch: usize) -> Result<Batch> {
        let ids: Vec<&[i64]> = chosen.iter().map(|&i| self.captions[i].as_slice()).collect();
        let captions = PackedCaptions::new(&ids, Device::Cpu);
        let rows: Vec<i64> = captions.order.iter().map(|&i| chosen[i] as i64).collect();
        let features = vec![self.features.index_select(0, &Tensor::from_slice(&rows))];
        Ok(Batch {
            image_rows: Tensor::arange(rows.len() as i64, (Kind::Int64, Device::Cpu)),
            features,
            attributes: None,
            augmented: None,
            captions,
            nouns: None,
        })
    }

    fn describe(&self, caption: usize) -> String {
        format!("image{caption}")
    }
}

fn model(dropout: f64) -> (VarStore, FeLws) {
    rsic::runtime::seed(&[1]);
    let store = VarStore::new(Device::Cpu);
    let config = Config { layers: 2, embedding: 8, hidden: 8, image: 8, merge: 12, dropout, ..Config::default() };
    let model =
        FeLws::new(&store.root(), &config, &Inputs { features: vec![WIDTH], vocabulary: WORDS as i64, attributes: 0 });
    (store, model)
}

/// A model whose batches of more than five captions need more memory than there is.
struct Greedy(FeLws);

impl Captioner for Greedy {
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        if batch.captions.order.len() > 5 {
            let _ = Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu));
        }
        self.0.losses(batch, train)
    }

    fn start(&self, features: &[Tensor]) -> State {
        self.0.start(features)
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        self.0.step(tokens, state)
    }
}

/// LibTorch's random numbers are the process's: one test at a time draws them.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Trains in `folder`; the validation scores are given epoch by epoch.
fn train(
    folder: &Path,
    config: &TrainConfig,
    (store, model): &(VarStore, impl Captioner),
    scores: &[f64],
    resume: bool,
) -> Result<(TrainState, Outcome)> {
    let epoch = Cell::new(0);
    let validate = || {
        let score = scores.get(epoch.replace(epoch.get() + 1)).or(scores.last()).copied().unwrap_or(0.0);
        Ok(Scores(vec![("METEOR".into(), score / 2.0), ("ROUGE_L".into(), score)]))
    };
    let (set, losses) = (Made::new(50), |batch: &Batch, _| model.losses(batch, true));
    Run {
        objective: &CaptionObjective { set: &set, losses: &losses, validate: &validate, separable: true },
        store,
        config,
        steps_before: 0,
        folder,
        companions: &[],
        interrupt: &Interrupt::never(),
        group: &ProcessGroup::solo(),
        on_step: &mut |_| {},
    }
    .train(resume)
}

fn losses(state: &TrainState) -> Vec<f64> {
    state.history.iter().map(|epoch| epoch.train_loss).collect()
}

fn config(epochs: usize) -> TrainConfig {
    let mut config = TrainConfig { epochs, batch_size: 16, ..TrainConfig::default() };
    config.optimizer.lr = 5e-3;
    config.early_stop.patience = 100;
    config
}

fn weights(store: &VarStore) -> Vec<(String, Vec<f32>)> {
    let mut weights: Vec<_> = store
        .variables()
        .into_iter()
        .map(|(name, value)| (name, Vec::try_from(value.detach().to_kind(Kind::Float).flatten(0, -1)).unwrap()))
        .collect();
    weights.sort_by(|a, b| a.0.cmp(&b.0));
    weights
}

#[test]
fn accumulated_batches_train_as_one_larger_batch() {
    let _alone = alone();
    let run = |batch_size: usize, accumulate: usize| {
        let folder = tempfile::tempdir().unwrap();
        let model = model(0.0);
        let config = TrainConfig { batch_size, accumulate, clip_norm: Some(1.0), ..config(4) };
        let (state, _) = train(folder.path(), &config, &model, &[0.1, 0.2, 0.3, 0.4], false).unwrap();
        (losses(&state), weights(&model.0))
    };
    let (whole, parts) = (run(24, 1), run(6, 4));
    assert!(whole.0[0] > whole.0[3], "it learns: {:?}", whole.0);
    for (whole, parts) in whole.0.iter().zip(&parts.0) {
        assert!((whole - parts).abs() < 1e-5, "{whole} is not {parts}");
    }
    for ((name, whole), (_, parts)) in whole.1.iter().zip(&parts.1) {
        for (whole, parts) in whole.iter().zip(parts) {
            assert!((whole - parts).abs() < 1e-4, "{name}: {whole} is not {parts}");
        }
    }
    let other = run(6, 1);
    assert!((other.0[3] - whole.0[3]).abs() > 1e-3, "smaller steps are another training");
}

#[test]
fn a_plateau_lowers_the_rate_also_of_a_continued_run() {
    let _alone = alone();
    let mut config = config(6);
    config.schedule = ScheduleConfig::Plateau(PlateauConfig {
        metric: Some("METEOR".into()),
        factor: 0.2,
        every: Some(2),
        patience: None,
    });
    let scores = [0.5, 0.4, 0.3, 0.2, 0.1, 0.05];
    let expected = [1.0, 1.0, 1.0, 0.2, 0.2, 0.04].map(|factor: f64| 5e-3 * factor);
    let rates = |state: &TrainState| state.history.iter().map(|epoch| epoch.lr).collect::<Vec<f64>>();
    let close = |found: &[f64]| found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-12);
    let folder = tempfile::tempdir().unwrap();
    let whole = model(0.3);
    let (state, _) = train(folder.path(), &config, &whole, &scores, false).unwrap();
    assert!(close(&rates(&state)), "{:?}", rates(&state));
    let cut = tempfile::tempdir().unwrap();
    let short = TrainConfig { epochs: 3, ..config.clone() };
    train(cut.path(), &short, &model(0.3), &scores, false).unwrap();
    let continued = model(0.3);
    let (state, _) = train(cut.path(), &config, &continued, &scores[3..], true).unwrap();
    assert!(close(&rates(&state)) && state.history.len() == 6, "{:?}", rates(&state));
    let last = |folder: &Path| std::fs::read(folder.join("checkpoints/last/model.safetensors")).unwrap();
    assert!(last(folder.path()) == last(cut.path()), "the same weights to the bit");
}

#[test]
fn frozen_parts_stay_and_the_rest_learns() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = model(0.0);
    let before = weights(&model.0);
    // All below the second GRU: the recurrence's own backward pass has nothing to do there.
    let frozen = ["embedding", "gru.0", "gru.1", "l1"];
    let part = |prefix: &&str| PartConfig {
        prefix: (*prefix).into(),
        lr_scale: 1.0,
        freeze: true,
        decay: true,
        clip_value: None,
    };
    let config = TrainConfig { parts: frozen.iter().map(part).collect(), ..config(1) };
    train(folder.path(), &config, &model, &[0.1], false).unwrap();
    for ((name, before), (_, after)) in before.iter().zip(&weights(&model.0)) {
        let still = frozen.iter().any(|prefix| name.starts_with(prefix));
        assert_eq!(before == after, still, "{name}");
    }
    let config = TrainConfig { parts: vec![part(&"gru.2")], ..config };
    let error = train(folder.path(), &config, &model, &[0.1], false).unwrap_err().to_string();
    assert!(error.contains("train.parts.0.prefix is 'gru.2'") && error.contains("did you mean 'gru."), "{error}");
}

#[test]
fn the_weights_of_a_stack_may_have_a_rate_of_their_own() {
    let _alone = alone();
    let spread = |lr_scale: f64| {
        let (folder, model) = (tempfile::tempdir().unwrap(), model(0.0));
        let theta = PartConfig { prefix: "theta".into(), lr_scale, freeze: false, decay: true, clip_value: None };
        train(folder.path(), &TrainConfig { parts: vec![theta], ..config(1) }, &model, &[0.1], false).unwrap();
        let (_, theta) = weights(&model.0).into_iter().find(|(name, _)| name == "theta").unwrap();
        theta.into_iter().map(f32::abs).fold(0.0, f32::max)
    };
    assert!(spread(100.0) > 20.0 * spread(1.0));
}

/// Names of a run's checkpoints, those kept aside while one is replaced left out.
fn checkpoints(run: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".previous"));
    names.sort();
    names
}

#[test]
fn the_best_by_each_named_score_and_the_last_epochs_are_kept() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { keep_best: vec!["METEOR".into()], keep_last: 2, ..config(4) };
    train(folder.path(), &config, &model(0.0), &[0.2, 0.5, 0.3, 0.1], false).unwrap();
    assert_eq!(checkpoints(folder.path()), ["best", "best-METEOR", "epoch-0003", "epoch-0004", "last"]);
    let epoch = |name: &str| {
        let state = std::fs::read_to_string(folder.path().join("checkpoints").join(name).join("state.json")).unwrap();
        serde_json::from_str::<TrainState>(&state).unwrap().epoch
    };
    assert_eq!((epoch("best"), epoch("best-METEOR"), epoch("epoch-0003"), epoch("last")), (2, 2, 3, 4));
}

#[test]
fn an_unknown_score_is_named_with_the_nearest() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { keep_best: vec!["METEO".into()], ..config(1) };
    let error = train(folder.path(), &config, &model(0.0), &[0.2], false).unwrap_err().to_string();
    assert!(error.contains("train.keep_best is 'METEO'") && error.contains("'METEOR'"), "{error}");
}

/// Scores where METEOR's resources are absent, and where they are there.
#[test]
fn a_lesser_form_of_the_watched_score_is_recorded_and_a_run_keeps_to_one_form() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(1);
    config.early_stop.metric = "METEOR".into();
    let (store, model) = model(0.0);
    let run = |name: &'static str, config: &TrainConfig, resume: bool| {
        let (set, losses) = (Made::new(50), |batch: &Batch, _| model.losses(batch, true));
        let validate = || Ok(Scores(vec![(name.into(), 0.5)]));
        Run {
            objective: &CaptionObjective { set: &set, losses: &losses, validate: &validate, separable: true },
            store: &store,
            config,
            steps_before: 0,
            folder: folder.path(),
            companions: &[],
            interrupt: &Interrupt::never(),
            group: &ProcessGroup::solo(),
            on_step: &mut |_| {},
        }
        .train(resume)
    };
    let (state, _) = run("METEOR (exact+stem)", &config, false).unwrap();
    assert_eq!(state.judged_by.as_deref(), Some("METEOR (exact+stem)"));
    config.epochs = 2;
    let error = run("METEOR", &config, true).unwrap_err().to_string();
    assert!(error.contains("'METEOR (exact+stem)' until now, and now by 'METEOR'"), "{error}");
    assert!(run("METEOR (exact+stem)", &config, true).is_ok());
}

#[test]
fn a_continued_run_logs_every_epoch_once() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let events = "tensorboard/events.out.tfevents.0.rsic";
    train(folder.path(), &config(2), &model(0.0), &[0.2, 0.5], false).unwrap();
    let (lines, before) = (read("metrics.jsonl"), read(events));
    train(folder.path(), &config(3), &model(0.0), &[0.3], true).unwrap();
    assert!(read("metrics.jsonl").starts_with(&lines) && read(events).starts_with(&before));
    assert!(read(events).len() > before.len());
    let text = String::from_utf8(read("metrics.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.iter().map(|record| record["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    for record in &records {
        let spent = record["spent"].as_object().unwrap();
        let sum: f64 = spent.values().map(|seconds| seconds.as_f64().unwrap()).sum();
        assert!((sum - record["seconds"].as_f64().unwrap()).abs() < 1e-6 && spent.len() == 5, "{record}");
        assert!(record["memory"]["process"].as_u64().unwrap() > 0);
    }
}

#[test]
fn the_loss_every_few_steps_is_that_of_an_undisturbed_run_after_a_continuation() {
    let _alone = alone();
    let steps = |folder: &Path| -> Vec<(u64, u64, f64)> {
        let text = std::fs::read_to_string(folder.join("steps.jsonl")).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        records
            .map(|r| (r["step"].as_u64().unwrap(), r["epoch"].as_u64().unwrap(), r["loss"].as_f64().unwrap()))
            .collect()
    };
    // Four steps an epoch: the second record spans two epochs.
    let config = TrainConfig { log_steps: Some(3), ..config(3) };
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, _) = train(whole.path(), &config, &model(0.3), &[0.1, 0.2, 0.3], false).unwrap();
    let short = TrainConfig { epochs: 1, ..config.clone() };
    train(cut.path(), &short, &model(0.3), &[0.1], false).unwrap();
    let events = |folder: &Path| std::fs::read(folder.join("tensorboard/events.out.tfevents.1.rsic")).unwrap();
    let before = events(cut.path());
    train(cut.path(), &config, &model(0.3), &[0.2, 0.3], true).unwrap();
    let found = steps(whole.path());
    assert_eq!(found.iter().map(|record| (record.0, record.1)).collect::<Vec<_>>(), [(3, 1), (6, 2), (9, 3), (12, 3)]);
    assert_eq!(found, steps(cut.path()));
    assert!(events(cut.path()).starts_with(&before) && events(cut.path()).len() > before.len());
    assert!(found[0].2 > state.history[0].train_loss, "the first steps have a greater loss than the first epoch");
    // A file that was torn is made whole.
    std::fs::write(cut.path().join("steps.jsonl"), "{").unwrap();
    train(cut.path(), &config, &model(0.3), &[0.3], true).unwrap();
    assert_eq!(found, steps(cut.path()));
    // One that cannot be written ends nothing.
    let blocked = tempfile::tempdir().unwrap();
    std::fs::create_dir(blocked.path().join("steps.jsonl")).unwrap();
    let (state, _) = train(blocked.path(), &config, &model(0.3), &[0.1, 0.2, 0.3], false).unwrap();
    assert_eq!((state.history.len(), state.curve.len()), (3, 4));
    let silent = tempfile::tempdir().unwrap();
    train(silent.path(), &TrainConfig { log_steps: None, ..short }, &model(0.3), &[0.1], false).unwrap();
    assert!(!silent.path().join("steps.jsonl").exists());
}

#[test]
fn memory_that_runs_out_is_a_sentence_that_names_what_fits() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (store, model) = model(0.0);
    let config = TrainConfig { batch_size: 32, ..config(1) };
    let error = train(folder.path(), &config, &(store, Greedy(model)), &[0.2], false).unwrap_err().to_string();
    let expected = "out of memory on cpu in epoch 1, step 1: a batch of 32 examples does not fit, but a batch of 5 \
                    does (just tested); set train.batch_size=4 and train.accumulate=8";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn buckets_change_the_order_and_a_continued_run_keeps_it() {
    let _alone = alone();
    let config = TrainConfig { bucket: Some(2), ..config(4) };
    let scores = [0.1, 0.2, 0.3, 0.4];
    let run = |config: &TrainConfig| {
        let folder = tempfile::tempdir().unwrap();
        losses(&train(folder.path(), config, &model(0.2), &scores, false).unwrap().0)
    };
    let whole = run(&config);
    assert_ne!(whole, run(&TrainConfig { bucket: None, ..config.clone() }));
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &TrainConfig { epochs: 2, ..config.clone() }, &model(0.2), &scores, false).unwrap();
    assert_eq!(losses(&train(folder.path(), &config, &model(0.2), &scores[2..], true).unwrap().0), whole);
}

#[test]
fn a_moving_average_is_what_is_kept_and_a_continued_run_equals_an_undisturbed_one() {
    let _alone = alone();
    let config = TrainConfig { ema: Some(0.9), ..config(4) };
    let scores = [0.1, 0.2, 0.3, 0.4];
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let averaged = model(0.2);
    let (state, _) = train(whole.path(), &config, &averaged, &scores, false).unwrap();
    let plain = model(0.2);
    let folder = tempfile::tempdir().unwrap();
    let (other, _) =
        train(folder.path(), &TrainConfig { ema: None, ..config.clone() }, &plain, &scores, false).unwrap();
    assert_eq!(losses(&state), losses(&other), "training itself is the same");
    assert_ne!(weights(&averaged.0), weights(&plain.0));
    train(cut.path(), &TrainConfig { epochs: 2, ..config.clone() }, &model(0.2), &scores, false).unwrap();
    let (continued, _) = train(cut.path(), &config, &model(0.2), &scores[2..], true).unwrap();
    assert_eq!(losses(&state), losses(&continued));
    for file in ["model.safetensors", "optimizer.safetensors"] {
        let last = |run: &Path| std::fs::read(run.join("checkpoints/last").join(file)).unwrap();
        assert!(last(whole.path()) == last(cut.path()), "{file}");
    }
}

#[test]
fn bf16_is_refused_on_a_cpu_before_training() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { precision: TrainPrecision::Bf16, ..config(1) };
    let error = train(folder.path(), &config, &model(0.0), &[0.2], false).unwrap_err().to_string();
    assert!(error.contains("train.precision=float32"), "{error}");
}
