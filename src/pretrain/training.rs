//! The training loop on scene classes.

use super::config::{Pretraining, ScheduleKind, TrainConfig};
use super::confusion::Confusion;
use super::data::Scenes;
use super::optimizer::Optimizer;
use crate::data::Split;
use crate::data::loader::{Loader, LoaderOptions};
use crate::eval::Scores;
use crate::models::encoders::Trainable;
use crate::runtime::{self, Interrupt};
use crate::train::Checkpoints;
use crate::train::checkpoint::{self, Checkpoint, Companion};
use crate::train::log::lines;
use crate::train::run::load_weights;
use crate::train::{EpochRecord, Outcome, TrainState};
use crate::util::fs::write_atomic;
use crate::util::rng::Rng;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::nn::VarStore;
use tch::{Kind, Reduction, Tensor};

/// Streams of random numbers that never meet: one per use.
const ORDER: u64 = 11;
const AUGMENT: u64 = 12;
const STEP: u64 = 13;
/// Images in a batch of an evaluation.
const EVALUATED: usize = 32;

/// How far a pass over images is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// `train`, or the split that is evaluated.
    pub pass: &'static str,
    pub done: usize,
    pub total: usize,
}

/// How training ended.
#[derive(Debug)]
pub struct Trained {
    pub state: TrainState,
    pub outcome: Outcome,
}

/// Everything that a run needs.
pub struct Training<'a> {
    /// With a head for the classes of `scenes`.
    pub encoder: &'a Trainable,
    /// Where the encoder's parameters live, at its root.
    pub store: &'a VarStore,
    pub scenes: &'a Scenes,
    pub config: &'a Pretraining,
    pub folder: &'a Path,
    pub companions: &'a [Companion],
    pub interrupt: &'a Interrupt,
    /// Told after every batch.
    pub progress: &'a mut dyn FnMut(Progress),
}

impl Training<'_> {
    /// Trains until the last epoch or until validation has not become better for `train.patience` epochs; from the last
    /// checkpoint where `resume` is set and there is one. At the end the store holds the weights of the best epoch.
    ///
    /// The order of images, crops and dropout depend on (seed, epoch, step, image) alone, so a continued run equals an
    /// uninterrupted one bit for bit on a CPU.
    pub fn train(&mut self, resume: bool) -> Result<Trained> {
        let (last, best) = (self.folder.join("checkpoints/last"), self.folder.join("checkpoints/best"));
        let mut optimizer = Optimizer::new(self.encoder.variables(), &self.config.train.optimizer)?;
        let mut state = TrainState::default();
        let checkpoints = Checkpoints::of_run(self.folder);
        if let Some(saved) = if resume { checkpoints.newest()? } else { None } {
            load_weights(self.store, &saved.weights).with_context(|| format!("in '{}'", last.display()))?;
            optimizer.restore(&saved.optimizer)?;
            state = saved.state;
            tracing::info!("continuing after epoch {} and {} steps", state.epoch, state.step);
        }
        while state.epoch < self.config.train.epochs && !self.exhausted(&state) {
            let started = Instant::now();
            let done_before = state.tokens;
            if self.epoch(&mut state, &mut optimizer, &last)? == Outcome::Interrupted {
                self.save(&last, &optimizer, &state)?;
                return Ok(Trained { state, outcome: Outcome::Interrupted });
            }
            let images = state.tokens - done_before;
            self.finish_epoch(&mut state, &optimizer, (&last, &best), started.elapsed().as_secs_f64(), images)?;
        }
        if checkpoint::exists(&best) {
            load_weights(self.store, &checkpoint::read_weights(&checkpoint::resolve(&best)?)?)?;
        }
        Ok(Trained { state, outcome: Outcome::Finished })
    }

    fn exhausted(&self, state: &TrainState) -> bool {
        let since = state.best.as_ref().map(|best| state.epoch - best.epoch);
        since.zip(self.config.train.patience).is_some_and(|(since, patience)| since >= patience)
    }

    /// The rest of the epoch that `state` stands in.
    fn epoch(&mut self, state: &mut TrainState, optimizer: &mut Optimizer, last: &Path) -> Result<Outcome> {
        let train = &self.config.train;
        let mut order = self.scenes.split(Split::Train);
        Rng::new(&[train.seed, ORDER, state.epoch as u64]).shuffle(&mut order);
        let steps = order.len().div_ceil(train.batch_size);
        let rest: Vec<usize> = order.iter().copied().skip(state.step * train.batch_size).collect();
        let mut pixels = self.augmented(&rest, state.epoch as u64);
        for images in rest.chunks(train.batch_size) {
            let update = state.epoch * steps + state.step;
            optimizer.lr = rate(train, update, train.epochs * steps);
            runtime::seed(&[train.seed, STEP, state.epoch as u64, state.step as u64]);
            let bytes = gather(&mut pixels, images.len())?;
            self.step(images, &bytes, state, optimizer)?;
            state.step += 1;
            (self.progress)(Progress { pass: "train", done: state.step, total: steps });
            if self.interrupt.requested() {
                return Ok(Outcome::Interrupted);
            }
            if train.checkpoint_steps.is_some_and(|every| state.step.is_multiple_of(every) && state.step < steps) {
                self.save(last, optimizer, state)?;
            }
        }
        Ok(Outcome::Finished)
    }

    /// The pixels of training images, varied, in this order, made ahead on other threads.
    fn augmented(&self, images: &[usize], epoch: u64) -> Loader {
        let (seed, size) = (self.config.train.seed, self.config.encoder.image_size);
        let jobs: Vec<(PathBuf, u64)> = images
            .iter()
            .filter_map(|&image| Some((self.scenes.images.get(image)?.path.clone(), image as u64)))
            .collect();
        let augment = self.config.augment.clone();
        let ahead = 2 * self.config.train.batch_size;
        let options = LoaderOptions { size, workers: self.config.train.workers, ahead };
        Loader::with(jobs.len(), options, move |at| {
            let (path, image) = jobs.get(at).context("no such image")?;
            augment.load(path, size, &mut Rng::new(&[seed, AUGMENT, epoch, *image]))
        })
    }

    fn step(&self, images: &[usize], pixels: &[u8], state: &mut TrainState, optimizer: &mut Optimizer) -> Result<()> {
        let input = batch(self.encoder, pixels, images.len(), self.config.encoder.image_size)?;
        let labels = self.labels(images)?.to_device(input.device());
        let grid = self.encoder.grid(&input, true);
        let logits = self.encoder.logits(&grid, true).context("the encoder has no classification head")?;
        let smoothing = self.config.train.label_smoothing;
        let loss = logits.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, smoothing);
        let value = loss.double_value(&[]);
        if !value.is_finite() {
            bail!(
                "the loss became {value} in epoch {}, step {}; lower train.optimizer.lr (the last checkpoint is kept)",
                state.epoch + 1,
                state.step + 1
            );
        }
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        state.count(value * images.len() as f64, images.len() as i64);
        Ok(())
    }

    fn labels(&self, images: &[usize]) -> Result<Tensor> {
        let class = |&image: &usize| self.scenes.images.get(image).map(|image| image.class as i64);
        let labels: Option<Vec<i64>> = images.iter().map(class).collect();
        Ok(Tensor::from_slice(&labels.context("no such image")?))
    }

    /// Validates, keeps the best, saves, logs.
    fn finish_epoch(
        &mut self,
        state: &mut TrainState,
        optimizer: &Optimizer,
        (last, best): (&Path, &Path),
        seconds: f64,
        images: i64,
    ) -> Result<()> {
        let started = Instant::now();
        let accuracy = self.evaluate(Split::Val)?.accuracy();
        let record = EpochRecord {
            epoch: state.epoch + 1,
            train_loss: state.mean_loss(),
            lr: optimizer.lr,
            validation: Scores(vec![("accuracy".into(), accuracy)]),
            seconds,
            validation_seconds: started.elapsed().as_secs_f64(),
            captions_per_second: images as f64 / seconds,
            ..EpochRecord::default()
        };
        let (epoch, loss, speed) = (record.epoch, record.train_loss, record.captions_per_second);
        // The best first: were the run killed between the two, continuing from `last` makes the same best again.
        if state.finish_epoch(record, accuracy) {
            self.save(best, optimizer, state)?;
        }
        self.save(last, optimizer, state)?;
        let of_images = |record: &EpochRecord| -> Result<Value> {
            let mut line = serde_json::to_value(record)?;
            if let Some(map) = line.as_object_mut()
                && let Some(speed) = map.remove("captions_per_second")
            {
                map.insert("images_per_second".into(), speed);
            }
            Ok(line)
        };
        let records: Vec<Value> = state.history.iter().map(of_images).collect::<Result<_>>()?;
        write_atomic(&self.folder.join("metrics.jsonl"), &lines(&records)?)?;
        let of = self.config.train.epochs;
        let best = state.best.as_ref().map_or(0.0, |best| best.score);
        tracing::info!(
            epoch,
            loss,
            accuracy,
            "epoch {epoch}/{of}  loss {loss:.3}  accuracy(val) {accuracy:.4} (best {best:.4})  {speed:.1} images/s"
        );
        Ok(())
    }

    fn save(&self, folder: &Path, optimizer: &Optimizer, state: &TrainState) -> Result<()> {
        let weights = self.encoder.variables().iter().map(|(name, value)| (name.clone(), value.shallow_clone()));
        let checkpoint = Checkpoint { weights: weights.collect(), optimizer: optimizer.state(), state: state.clone() };
        checkpoint.save(folder, self.companions)
    }

    /// The classes that the network, in evaluation mode, gives the images of a split, each resized whole.
    pub fn evaluate(&mut self, split: Split) -> Result<Confusion> {
        let images = self.scenes.split(split);
        let size = self.config.encoder.image_size;
        let jobs: Vec<PathBuf> =
            images.iter().filter_map(|&image| Some(self.scenes.images.get(image)?.path.clone())).collect();
        let mut pixels = Loader::new(jobs, LoaderOptions::new(size, EVALUATED));
        let mut confusion = Confusion::new(self.scenes.classes.clone());
        let mut done = 0;
        for places in images.chunks(EVALUATED) {
            let bytes = gather(&mut pixels, places.len())?;
            let predicted = tch::no_grad(|| -> Result<Vec<i64>> {
                let grid = self.encoder.evaluate(&batch(self.encoder, &bytes, places.len(), size)?);
                let logits = self.encoder.logits(&grid, false).context("the encoder has no classification head")?;
                Ok(Vec::try_from(logits.argmax(-1, false).to_device(tch::Device::Cpu))?)
            })?;
            for (&place, predicted) in places.iter().zip(predicted) {
                let image = self.scenes.images.get(place).context("no such image")?;
                confusion.add(image.class, usize::try_from(predicted)?)?;
            }
            done += places.len();
            (self.progress)(Progress { pass: split.name(), done, total: images.len() });
        }
        Ok(confusion)
    }
}

/// The pixels of the next `count` images, one after the other.
fn gather(loader: &mut Loader, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.extend(loader.next().ok_or_else(|| anyhow!("an image is missing from the list"))??);
    }
    Ok(bytes)
}

/// `count` images as the encoder wants them, `[count, 3, size, size]`.
fn batch(encoder: &Trainable, pixels: &[u8], count: usize, size: u32) -> Result<Tensor> {
    let (count, side) = (count as i64, i64::from(size));
    let pixels = Tensor::f_from_data_size(pixels, &[count, side, side, 3], Kind::Uint8)?;
    Ok(encoder.spec().preprocessing.apply(&pixels.to_device(encoder.device())))
}

/// The learning rate of update number `update` of `total`.
fn rate(train: &TrainConfig, update: usize, total: usize) -> f64 {
    let base = train.optimizer.lr;
    if update < train.warmup_steps {
        return base * (update + 1) as f64 / train.warmup_steps as f64;
    }
    match train.schedule {
        ScheduleKind::Constant => base,
        ScheduleKind::Cosine => {
            let span = total.saturating_sub(train.warmup_steps).max(1) as f64;
            let part = ((update - train.warmup_steps) as f64 / span).min(1.0);
            base * 0.5 * (1.0 + (std::f64::consts::PI * part).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls_along_a_cosine() {
        let mut train = TrainConfig { warmup_steps: 4, ..TrainConfig::default() };
        let rates: Vec<f64> = [0, 3, 4, 12, 20].iter().map(|&update| rate(&train, update, 20)).collect();
        let expected = [0.0025, 0.01, 0.01, 0.005, 0.0];
        assert!(rates.iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 1e-12), "{rates:?}");
        train.schedule = ScheduleKind::Constant;
        assert_eq!(rate(&train, 19, 20), 0.01);
    }
}
