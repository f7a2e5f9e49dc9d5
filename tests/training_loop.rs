//! The training loop as a library, over captions and features that are made up.
#![allow(clippy::unwrap_used)]

use anyhow::Result;
use rsic::config::schema::{PartConfig, PlateauConfig, ScheduleConfig, TrainConfig};
use rsic::data::batch::{Batch, PackedCaptions};
use rsic::eval::Scores;
use rsic::models::fe_lws::{Config, FeLws};
use rsic::models::{Captioner, Inputs};
use rsic::runtime::Interrupt;
use rsic::train::{Outcome, Run, TrainState, TrainingSet};
use rsic::util::rng::Rng;
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
        self.len()
    }

    fn batch(&self, chosen: &[usize], _epoch: usize) -> Result<Batch> {
        let ids: Vec<&[i64]> = chosen.iter().map(|&i| self.captions[i].as_slice()).collect();
        let captions = PackedCaptions::new(&ids, Device::Cpu);
        let rows: Vec<i64> = captions.order.iter().map(|&i| chosen[i] as i64).collect();
        let image_rows = Tensor::arange(rows.len() as i64, (Kind::Int64, Device::Cpu));
        Ok(Batch {
            features: vec![self.features.index_select(0, &Tensor::from_slice(&rows))],
            image_rows,
            captions,
            augmented: None,
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
    let model = FeLws::new(&store.root(), &config, &Inputs { features: vec![WIDTH], vocabulary: WORDS as i64 });
    (store, model)
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
    (store, model): &(VarStore, FeLws),
    scores: &[f64],
    resume: bool,
) -> Result<(TrainState, Outcome)> {
    let mut epoch = 0;
    let mut validate = || {
        epoch += 1;
        let score = scores.get(epoch - 1).or(scores.last()).copied().unwrap_or(0.0);
        Ok(Scores(vec![("METEOR".into(), score / 2.0), ("ROUGE_L".into(), score)]))
    };
    Run {
        model: model as &dyn Captioner,
        store,
        data: &Made::new(50),
        validate: &mut validate,
        config,
        folder,
        companions: &[],
        interrupt: &Interrupt::never(),
        on_step: &mut |_, _| {},
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
