//! The training loop: one for every model.

use super::average::MovingAverage;
use super::checkpoint::{self, Checkpoint, Companion};
use super::checkpoints::{BEST, Checkpoints, LAST};
use super::memory::Memory;
use super::objective::{Objective, Unit};
use super::optimizer::Optimizer;
use super::parallel::ProcessGroup;
use super::reading::Sums;
use super::sinks::{Sink, Sinks};
use super::state::{EpochRecord, TrainState};
use super::step::Spent;
use super::switches;
use super::{order, schedule};
use crate::eval::Scores;
use crate::runtime::Interrupt;
use crate::train::TrainConfig;
use crate::weights::not_finite;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tch::nn::VarStore;

/// Everything a run needs.
pub struct Run<'a> {
    pub objective: &'a dyn Objective,
    /// Its parameters.
    pub store: &'a VarStore,
    pub config: &'a TrainConfig,
    /// Steps of an earlier stage on which the schedule of a new run counts on; a continued run knows its own.
    pub steps_before: u64,
    pub folder: &'a Path,
    pub companions: &'a [Companion],
    pub interrupt: &'a Interrupt,
    /// The processes that train together, which all call [`Run::train`]; the first one validates, writes and logs.
    pub group: &'a ProcessGroup,
    /// Told after every step.
    pub on_step: &'a mut dyn FnMut(Done),
}

/// How far an epoch is, or the work before the first one.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Steps done, and in all.
    pub done: usize,
    pub of: usize,
    /// Mean loss of the epoch so far.
    pub loss: Option<f64>,
}

/// How training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Finished,
    /// Stopped by a signal, checkpoint written.
    Interrupted,
}

impl Run<'_> {
    /// Trains until early stopping or the last epoch, from the newest checkpoint where `resume` is set and there is
    /// one. At the end the store holds the weights of the best epoch.
    ///
    /// Order and dropout depend on (seed, epoch, step) alone, so a continued run equals an uninterrupted one bit for
    /// bit on a CPU.
    pub fn train(mut self, resume: bool) -> Result<(TrainState, Outcome)> {
        if self.objective.is_empty() {
            bail!("nothing to train on: the train split is empty");
        }
        if !self.group.is_solo() && !self.objective.separable() {
            bail!(
                "the loss compares the examples of a batch with each other and cannot be split over {} processes; \
                 run it with one process (where only the first stage does so: interrupt the second stage and resume \
                 it with several)",
                self.group.size()
            );
        }
        let _switched = switches::set(self.config, self.store.device())?;
        let checkpoints = Checkpoints::of_run(self.folder);
        let variables = self.store.variables().into_iter().collect();
        let mut optimizer = Optimizer::new(variables, &self.config.optimizer, &self.config.parts)?;
        let mut average = self.config.ema.map(|decay| MovingAverage::new(decay, self.store));
        let mut state = match resume {
            true => self.continued(&checkpoints, &mut optimizer, &mut average)?,
            false => self.beginning(),
        };
        state.processes = self.group.size();
        self.broadcast_weights()?;
        while state.epoch < self.config.epochs && !state.exhausted(&self.config.early_stop) {
            let (started, steps_before, mut spent) = (Instant::now(), state.step, Spent::default());
            if self.epoch(&mut state, &mut optimizer, &mut average, &checkpoints, &mut spent)? == Outcome::Interrupted {
                self.group.share(|| self.save(&checkpoints, &[LAST.to_owned()], (&optimizer, &average), &state))?;
                return Ok((state, Outcome::Interrupted));
            }
            let seconds = started.elapsed().as_secs_f64();
            spent.other = seconds - spent.told();
            let steps = self.steps_per_epoch();
            let seen = (self.objective.seen() * (steps - steps_before)) as f64 / steps as f64;
            let speed = |unit| if self.objective.unit() == unit { seen / seconds } else { 0.0 };
            let record = EpochRecord {
                epoch: state.epoch + 1,
                train_loss: state.mean_loss(),
                terms: state.mean_terms(),
                told: state.mean_told(),
                lr: optimizer.lr,
                captions_per_second: speed(Unit::Captions),
                images_per_second: speed(Unit::Images),
                seconds,
                spent,
                ..EpochRecord::default()
            };
            let group = self.group;
            state = group.share(|| {
                let mut state = state.clone();
                self.finish_epoch(&mut state, record, &optimizer, &mut average, &checkpoints)?;
                Ok(state)
            })?;
        }
        let best = checkpoints.path(BEST);
        self.group.share(|| match checkpoint::exists(&best) {
            true => load_weights(self.store, &checkpoint::read_weights(&checkpoint::resolve(&best)?)?),
            false => Ok(()),
        })?;
        self.broadcast_weights()?;
        Ok((state, Outcome::Finished))
    }

    fn beginning(&self) -> TrainState {
        TrainState { steps_before: self.steps_before, ..TrainState::default() }
    }

    /// Where the newest checkpoint stands, with its weights and optimiser; the beginning where there is none.
    fn continued(
        &self,
        checkpoints: &Checkpoints,
        optimizer: &mut Optimizer,
        average: &mut Option<MovingAverage>,
    ) -> Result<TrainState> {
        let state = self.group.share(|| {
            let Some(saved) = checkpoints.newest()? else { return Ok(None) };
            load_weights(self.store, &saved.weights)
                .and_then(|()| optimizer.restore(&saved.optimizer))
                .and_then(|()| average.as_mut().map_or(Ok(()), |average| average.restore(&saved.optimizer)))
                .with_context(|| format!("cannot continue '{}'", self.folder.display()))?;
            let (made_by, now) = (saved.state.processes.max(1), self.group.size());
            if saved.state.step > 0 && made_by != now {
                bail!(
                    "'{}' was interrupted within an epoch, with {made_by} processes to a step; continue it with as \
                    many (there are {now} now), at least to the end of that epoch",
                    self.folder.display()
                );
            }
            tracing::info!("continuing after epoch {} and {} steps", saved.state.epoch, saved.state.step);
            let mut sinks = Sinks::of_run(self.folder);
            sinks.epochs(&saved.state.history)?;
            sinks.steps(&saved.state.curve)?;
            Ok(Some(saved.state))
        })?;
        let Some(state) = state else { return Ok(self.beginning()) };
        if !self.group.is_solo() {
            let mut moments = optimizer.state();
            moments.iter_mut().try_for_each(|(_, tensor)| self.group.broadcast(tensor))?;
            optimizer.restore(&moments)?;
        }
        Ok(state)
    }

    /// Gives every process the weights of the first one.
    fn broadcast_weights(&self) -> Result<()> {
        if self.group.is_solo() {
            return Ok(());
        }
        let mut variables: Vec<_> = self.store.variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        variables.iter_mut().try_for_each(|(_, variable)| self.group.broadcast(variable))
    }

    /// The rest of the epoch that `state` stands in.
    fn epoch(
        &mut self,
        state: &mut TrainState,
        optimizer: &mut Optimizer,
        average: &mut Option<MovingAverage>,
        checkpoints: &Checkpoints,
        spent: &mut Spent,
    ) -> Result<Outcome> {
        let length = |example| self.objective.length(example);
        let drawn = (self.config.seed, self.objective.streams().order, state.epoch);
        let steps = order::steps(drawn, self.objective.len(), self.examples_per_step(), self.config.bucket, length);
        let scores = self.plateau_scores(state)?;
        let mut late = Sums::default();
        while let Some(examples) = steps.get(state.step) {
            let update = state.updates + 1;
            let of = (self.config.epochs * steps.len()) as u64;
            let counted = (state.steps_before + update, state.steps_before + of);
            optimizer.lr = schedule::of_step(self.config, counted, state.epoch, &scores);
            let next = steps.get(state.step + 1).map_or(&[][..], Vec::as_slice);
            let stop = self.step(examples, next, (state, &mut late), optimizer, spent)?;
            state.step += 1;
            state.updates = update;
            if let Some(average) = average {
                average.update(update);
            }
            let told = self.config.log_steps.is_some_and(|every| update.is_multiple_of(every as u64));
            let due = self.config.checkpoint_steps.is_some_and(|every| state.step.is_multiple_of(every));
            if stop || told || due || state.step == steps.len() {
                self.settle(&mut late, state)?;
            }
            if told {
                state.note_steps(optimizer.lr, now());
                self.tell_steps(state);
            }
            (self.on_step)(Done { done: state.step, of: steps.len(), loss: Some(state.mean_loss()) });
            if stop {
                return Ok(Outcome::Interrupted);
            }
            if due && state.step < steps.len() {
                self.group.share(|| self.save(checkpoints, &[LAST.to_owned()], (&*optimizer, &*average), state))?;
            }
        }
        Ok(Outcome::Finished)
    }

    /// Writes the curve. Where that fails (a full disk) training goes on: the next checkpoint holds the curve, too.
    fn tell_steps(&self, state: &TrainState) {
        if self.group.leads()
            && let Err(error) = Sinks::of_run(self.folder).steps(&state.curve)
        {
            tracing::warn!("{error:#}; training continues");
        }
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

    /// Validates, keeps the best, saves, logs. `record` lacks only what validation tells.
    fn finish_epoch(
        &mut self,
        state: &mut TrainState,
        mut record: EpochRecord,
        optimizer: &Optimizer,
        average: &mut Option<MovingAverage>,
        checkpoints: &Checkpoints,
    ) -> Result<()> {
        let started = Instant::now();
        average.iter_mut().for_each(MovingAverage::swap);
        record.validation = self.objective.scores()?;
        average.iter_mut().for_each(MovingAverage::swap);
        record.validation_seconds = started.elapsed().as_secs_f64();
        record.memory = Memory::now(self.store.device());
        record.time = now();
        // The best ones first: were the run killed before `last`, continuing from it makes the same ones again.
        let mut names = Vec::new();
        for metric in &self.config.keep_best {
            let here = score(&record.validation, metric, "train.keep_best")?;
            let before = state.history.iter().filter_map(|epoch| score(&epoch.validation, metric, "").ok());
            if before.fold(f64::NEG_INFINITY, f64::max) < here {
                names.push(Checkpoints::best_by(metric));
            }
        }
        let score = self.judge(state, &record.validation)?;
        if state.finish_epoch(record, score) {
            names.insert(0, BEST.to_owned());
        }
        if self.config.keep_last > 0 {
            names.push(Checkpoints::of_epoch(state.epoch));
        }
        names.push(LAST.to_owned());
        self.save(checkpoints, &names, (optimizer, &*average), state)?;
        checkpoints.prune(self.config.keep_last)?;
        let mut sinks = Sinks::of_run(self.folder);
        sinks.epochs(&state.history)?;
        sinks.announce(state, self.config);
        Ok(())
    }

    /// The score by which epochs are compared. Where it, or another one that a setting asks for, is a lesser form of
    /// what was asked, the first epoch says so; a run keeps to one form.
    fn judge(&self, state: &mut TrainState, scores: &Scores) -> Result<f64> {
        let asked = &self.config.early_stop.metric;
        let (name, score) = named(scores, asked, "train.early_stop.metric")?;
        match &state.judged_by {
            Some(before) if before != name => bail!(
                "epochs were compared by '{before}' until now, and now by '{name}': the metric's resources have been \
                added or removed; restore RSIC_CACHE or restart the run"
            ),
            Some(_) => return Ok(score),
            None => state.judged_by = Some(name.to_owned()),
        }
        let plateau = schedule::metric(&self.config.schedule, asked);
        let mut told = BTreeSet::new();
        for metric in
            [asked.as_str()].into_iter().chain(plateau).chain(self.config.keep_best.iter().map(String::as_str))
        {
            let (found, _) = named(scores, metric, "train")?;
            if found != metric && told.insert(metric) {
                tracing::warn!(
                    "training monitors '{found}' instead of {metric}, whose resources are missing (run 'make \
                    metrics-data')"
                );
            }
        }
        Ok(score)
    }

    fn save(
        &self,
        checkpoints: &Checkpoints,
        names: &[String],
        (optimizer, average): (&Optimizer, &Option<MovingAverage>),
        state: &TrainState,
    ) -> Result<()> {
        let mut weights: Vec<_> = self.store.variables().into_iter().collect();
        weights.sort_by(|a, b| a.0.cmp(&b.0));
        let mut moments = optimizer.state();
        if let Some(average) = average {
            moments.extend(average.saved(&mut weights));
        }
        let checkpoint = Checkpoint { weights, optimizer: moments, state: state.clone() };
        checkpoints.save(names, &checkpoint, self.companions)
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// A score by the name that a setting gives.
pub(super) fn score(scores: &Scores, metric: &str, setting: &str) -> Result<f64> {
    named(scores, metric, setting).map(|(_, score)| score)
}

/// A score by the name that a setting gives, with its own name: `METEOR` is also `METEOR (exact+stem)`, and `SPICE
/// (native)` also `SPICE (native, no synonyms)`, where that is all there is.
fn named<'a>(scores: &'a Scores, metric: &str, setting: &str) -> Result<(&'a str, f64)> {
    let base = |name: &str| name.split_once(" (").map_or_else(|| name.to_owned(), |(base, _)| base.to_owned());
    let find = |fits: &dyn Fn(&str) -> bool| {
        scores.names().find(|name| fits(name)).and_then(|name| Some((name, scores.get(name)?)))
    };
    find(&|name| name == metric).or_else(|| find(&|name| base(name) == base(metric))).with_context(|| {
        let names: Vec<&str> = scores.names().collect();
        format!("{setting} is '{metric}'{}", crate::util::suggest::hint(metric, names))
    })
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
            if let Some(fault) = not_finite(name, weight) {
                bail!("the weights are damaged, or of a training that diverged: tensor {fault}");
            }
            variable.copy_(weight);
        }
        Ok(())
    })
}
