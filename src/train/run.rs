//! The training loop: one for every model.

use super::checkpoint::{self, Checkpoint, Companion};
use super::optimizer::Optimizer;
use super::schedule;
use super::state::{EpochRecord, TrainState};
use crate::config::schema::TrainConfig;
use crate::data::batch::Batch;
use crate::eval::Scores;
use crate::models::Captioner;
use crate::runtime::{self, Interrupt};
use crate::util::fs::write_atomic;
use crate::util::rng::Rng;
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::nn::VarStore;

/// Where the examples to train on come from: captions, or images with theirs.
pub trait TrainingSet {
    /// Examples in all.
    fn len(&self) -> usize;
    /// Captions that an epoch sees.
    fn captions(&self) -> usize;
    /// The batch of the given examples in an epoch, on the training device. Depends on nothing else.
    fn batch(&self, examples: &[usize], epoch: usize) -> Result<Batch>;
    /// How to name an example in a message: its image's file.
    fn describe(&self, example: usize) -> String;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Everything a run needs.
pub struct Run<'a> {
    pub model: &'a dyn Captioner,
    pub store: &'a VarStore,
    pub data: &'a dyn TrainingSet,
    /// Captions the validation split greedily and scores it.
    pub validate: &'a mut dyn FnMut() -> Result<Scores>,
    pub config: &'a TrainConfig,
    pub folder: &'a Path,
    pub companions: &'a [Companion],
    pub interrupt: &'a Interrupt,
    /// Told after every step: (steps done, steps in the epoch).
    pub on_step: &'a mut dyn FnMut(usize, usize),
}

/// How training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Finished,
    /// Stopped by a signal, checkpoint written.
    Interrupted,
}

/// Streams of random numbers that never meet: one per use.
const ORDER: u64 = 1;
const STEP: u64 = 2;

impl Run<'_> {
    /// Trains until early stopping or the last epoch, from the last checkpoint where `resume` is set and there is one.
    /// At the end the store holds the weights of the best epoch.
    ///
    /// Order and dropout depend on (seed, epoch, step) alone, so a continued run equals an uninterrupted one bit for
    /// bit on a CPU.
    pub fn train(mut self, resume: bool) -> Result<(TrainState, Outcome)> {
        if self.data.is_empty() {
            bail!("there is no caption to train on: the train split is empty");
        }
        let (last, best) = (self.folder.join("checkpoints/last"), self.folder.join("checkpoints/best"));
        let variables = self.store.variables().into_iter().collect();
        let mut optimizer = Optimizer::new(variables, &self.config.optimizer, &self.config.parts)?;
        let mut state = TrainState::default();
        if resume && checkpoint::exists(&last) {
            let saved = Checkpoint::load_or_previous(&last)?;
            load_weights(self.store, &saved.weights).with_context(|| format!("in '{}'", last.display()))?;
            optimizer.restore(&saved.optimizer)?;
            state = saved.state;
            tracing::info!("continuing after epoch {} and {} steps", state.epoch, state.step);
        }
        while state.epoch < self.config.epochs && !state.exhausted(&self.config.early_stop) {
            let started = Instant::now();
            let done_before = state.step;
            if self.epoch(&mut state, &mut optimizer, &last)? == Outcome::Interrupted {
                self.save(&last, &optimizer, &state)?;
                return Ok((state, Outcome::Interrupted));
            }
            let seconds = started.elapsed().as_secs_f64();
            let steps = self.data.len().div_ceil(self.examples_per_step());
            let captions = (self.data.captions() * (steps - done_before)) as f64 / steps as f64;
            self.finish_epoch(&mut state, &optimizer, (&last, &best), seconds, captions / seconds)?;
        }
        if checkpoint::exists(&best) {
            load_weights(self.store, &Checkpoint::load_or_previous(&best)?.weights)?;
        }
        Ok((state, Outcome::Finished))
    }

    /// The rest of the epoch that `state` stands in.
    fn epoch(&mut self, state: &mut TrainState, optimizer: &mut Optimizer, last: &Path) -> Result<Outcome> {
        let (seed, epoch) = (self.config.seed, state.epoch as u64);
        let mut order: Vec<usize> = (0..self.data.len()).collect();
        Rng::new(&[seed, ORDER, epoch]).shuffle(&mut order);
        let steps: Vec<&[usize]> = order.chunks(self.examples_per_step()).collect();
        let scores = self.plateau_scores(state)?;
        while let Some(examples) = steps.get(state.step) {
            let step = state.updates + 1;
            optimizer.lr = schedule::rate(&self.config.schedule, self.config.optimizer.lr, step, state.epoch, &scores);
            self.step(examples, state, optimizer)?;
            state.step += 1;
            state.updates = step;
            (self.on_step)(state.step, steps.len());
            if self.interrupt.requested() {
                return Ok(Outcome::Interrupted);
            }
            if self
                .config
                .checkpoint_steps
                .is_some_and(|every| state.step.is_multiple_of(every) && state.step < steps.len())
            {
                self.save(last, optimizer, state)?;
            }
        }
        Ok(Outcome::Finished)
    }

    fn examples_per_step(&self) -> usize {
        self.config.batch_size * self.config.accumulate
    }

    /// The scores so far by which the schedule tells a plateau; empty where it asks for none.
    fn plateau_scores(&self, state: &TrainState) -> Result<Vec<f64>> {
        match schedule::metric(&self.config.schedule, &self.config.early_stop.metric) {
            Some(metric) => {
                state.history.iter().map(|e| score(&e.validation, metric, "train.schedule.plateau.metric")).collect()
            }
            None => Ok(Vec::new()),
        }
    }

    /// One update from the given examples, in as many batches as it takes. Each batch's mean loss counts by its tokens,
    /// as if all were one batch.
    fn step(&self, examples: &[usize], state: &mut TrainState, optimizer: &mut Optimizer) -> Result<()> {
        optimizer.zero_grad();
        let (mut tokens, mut loss_sum) = (0, 0.0);
        let whole = examples.len() <= self.config.batch_size;
        for (index, examples) in examples.chunks(self.config.batch_size).enumerate() {
            let at = [self.config.seed, STEP, state.epoch as u64, state.step as u64, index as u64];
            runtime::seed(if whole { &at[..4] } else { &at });
            let batch = self.data.batch(examples, state.epoch)?;
            let of_batch = batch.captions.tokens();
            let losses = self.model.losses(&batch, true);
            let loss = losses.total().double_value(&[]);
            if !loss.is_finite() {
                return Err(self.lost(loss, examples, state));
            }
            losses.backward(if whole { 1.0 } else { of_batch as f64 });
            tokens += of_batch;
            loss_sum += loss * of_batch as f64;
        }
        if !whole {
            optimizer.scale_gradients(1.0 / tokens.max(1) as f64);
        }
        optimizer.clip_value(self.config.clip_value);
        if let Some(limit) = self.config.clip_norm {
            optimizer.clip_norm(limit);
        }
        optimizer.step();
        state.loss_sum += loss_sum;
        state.tokens += tokens;
        Ok(())
    }

    fn lost(&self, loss: f64, examples: &[usize], state: &TrainState) -> anyhow::Error {
        let files: Vec<String> = examples.iter().map(|&example| self.data.describe(example)).collect();
        anyhow!(
            "the loss became {loss} in epoch {}, step {}; lower train.optimizer.lr or set train.clip_norm (the last \
             checkpoint is kept); images of that step: {}",
            state.epoch + 1,
            state.step + 1,
            files.join(", ")
        )
    }

    /// Validates, keeps the best, saves, logs.
    fn finish_epoch(
        &mut self,
        state: &mut TrainState,
        optimizer: &Optimizer,
        (last, best): (&Path, &Path),
        seconds: f64,
        captions_per_second: f64,
    ) -> Result<()> {
        let started = Instant::now();
        let validation = (self.validate)()?;
        let metric = &self.config.early_stop.metric;
        let score = score(&validation, metric, "train.early_stop.metric")?;
        let record = EpochRecord {
            epoch: state.epoch + 1,
            train_loss: state.loss_sum / state.tokens.max(1) as f64,
            lr: optimizer.lr,
            validation,
            seconds,
            validation_seconds: started.elapsed().as_secs_f64(),
            captions_per_second,
        };
        let loss = record.train_loss;
        let better = state.finish_epoch(record, score);
        // The best first: were the run killed between the two, continuing from `last` makes the same best again.
        if better {
            self.save(best, optimizer, state)?;
        }
        self.save(last, optimizer, state)?;
        write_history(self.folder, state)?;
        if let Some(best) = &state.best {
            let left = (self.config.early_stop.patience - (state.epoch - best.epoch)) as f64 * seconds;
            tracing::info!(
                epoch = state.epoch,
                loss,
                score,
                "epoch {}/{}  loss {loss:.3}  {metric}(val) {score:.4} (best {:.4} @{})  {captions_per_second:.0} \
                 captions/s  at least {} left",
                state.epoch,
                self.config.epochs,
                best.score,
                best.epoch,
                duration(left)
            );
        }
        Ok(())
    }

    fn save(&self, folder: &Path, optimizer: &Optimizer, state: &TrainState) -> Result<()> {
        let mut weights: Vec<_> = self.store.variables().into_iter().collect();
        weights.sort_by(|a, b| a.0.cmp(&b.0));
        Checkpoint { weights, optimizer: optimizer.state(), state: state.clone() }.save(folder, self.companions)
    }
}

/// A score by the name that a setting gives.
fn score(scores: &Scores, metric: &str, setting: &str) -> Result<f64> {
    scores.get(metric).with_context(|| {
        let names: Vec<&str> = scores.names().collect();
        format!("{setting} is '{metric}'{}", crate::util::suggest::hint(metric, names))
    })
}

/// `metrics.jsonl`, a line an epoch. Written whole, so that a continued run never holds an epoch twice.
fn write_history(folder: &Path, state: &TrainState) -> Result<()> {
    let path: PathBuf = folder.join("metrics.jsonl");
    let mut lines = Vec::new();
    for record in &state.history {
        serde_json::to_writer(&mut lines, record)?;
        lines.push(b'\n');
    }
    write_atomic(&path, &lines)
}

/// Copies weights into a store by name; every one must be there with its shape, and no other.
pub fn load_weights(store: &VarStore, weights: &checkpoint::NamedTensors) -> Result<()> {
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some((name, _)) = weights.iter().find(|(name, _)| !variables.iter().any(|(known, _)| known == name)) {
        bail!("the weights hold '{name}', which this model does not have: they belong to another model or setting");
    }
    tch::no_grad(|| {
        for (name, variable) in &mut variables {
            let Some((_, weight)) = weights.iter().find(|(key, _)| key == name) else {
                bail!("the weights lack '{name}': they belong to another model or setting");
            };
            if weight.size() != variable.size() {
                let (found, expected) = (weight.size(), variable.size());
                bail!("'{name}' has shape {found:?} in the weights but {expected:?} in the model");
            }
            variable.copy_(weight);
        }
        Ok(())
    })
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}
