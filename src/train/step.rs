//! One step of training, and where its time goes.

use super::Prepared;
use super::optimizer::Optimizer;
use super::run::Run;
use super::state::{Recent, TrainState};
use crate::models::Losses;
use crate::runtime;
use crate::runtime::guard::{self, OutOfMemory, guarded};
use crate::runtime::libtorch::{autocast, release_memory};
use crate::train::TrainPrecision;
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tch::{Kind, Tensor};

/// Seconds of an epoch's training by what they went for. On a GPU work is waited for where its result is first needed,
/// so that part of `backward` counts as `optimizer` or as the next step's `forward`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Making batches.
    pub data: f64,
    pub forward: f64,
    pub backward: f64,
    /// Summing the gradients of several processes, which includes waiting for the slowest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exchange: f64,
    /// Clipping and the step itself.
    pub optimizer: f64,
    /// The rest: checkpoints within the epoch, progress, bookkeeping.
    pub other: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

impl Spent {
    /// All but `other`.
    pub(super) fn told(&self) -> f64 {
        self.data + self.forward + self.backward + self.exchange + self.optimizer
    }
}

/// What a step learned of its examples.
#[derive(Debug, Clone, Default)]
struct Sums {
    /// Tokens, or images.
    weight: i64,
    /// Of loss x weight.
    loss: f64,
    /// Of the loss's terms in each batch, where it has several.
    terms: Vec<(&'static str, Recent)>,
}

/// What all processes know after a step.
struct Exchanged {
    sums: Sums,
    /// One of several was asked to stop.
    stop: bool,
}

impl Run<'_> {
    /// Examples of a step in each process.
    fn own_examples_per_step(&self) -> usize {
        self.config.batch_size * self.config.accumulate
    }

    /// Examples of a step in all.
    pub(super) fn examples_per_step(&self) -> usize {
        self.own_examples_per_step() * self.group.size()
    }

    pub(super) fn steps_per_epoch(&self) -> usize {
        self.objective.len().div_ceil(self.examples_per_step())
    }

    /// One update from the given examples, in as many batches as it takes. Each batch's loss counts by its tokens or
    /// images, so that losses which are means over them come out as if all were one batch. Tells whether any process
    /// has been asked to stop. `next` are the examples of the step after it.
    pub(super) fn step(
        &self,
        examples: &[usize],
        next: &[usize],
        state: &mut TrainState,
        optimizer: &mut Optimizer,
        spent: &mut Spent,
    ) -> Result<bool> {
        let (own, next) = (self.group.part(examples), self.group.part(next));
        let whole = self.group.is_solo() && own.len() <= self.config.batch_size;
        let attempt = self.own_gradients(&own, &next, whole, state, optimizer, spent);
        let Exchanged { sums, stop } = self.exchange(attempt, whole, optimizer, spent)?;
        timed(&mut spent.optimizer, || {
            optimizer.clip_value(self.config.clip_value);
            if let Some(limit) = self.config.clip_norm {
                optimizer.clip_norm(limit);
            }
            optimizer.step();
        });
        state.count(sums.loss, sums.weight);
        sums.terms.iter().for_each(|(name, of_batch)| state.count_term(name, *of_batch));
        tracing::trace!(update = state.updates + 1, loss = sums.loss / sums.weight.max(1) as f64, "step");
        Ok(stop || self.group.is_solo() && self.interrupt.requested())
    }

    /// The gradients of this process's examples: of their mean loss where they are the `whole` step in one batch, else
    /// of the sum.
    fn own_gradients(
        &self,
        examples: &[usize],
        next: &[usize],
        whole: bool,
        state: &TrainState,
        optimizer: &mut Optimizer,
        spent: &mut Spent,
    ) -> Result<Sums> {
        timed(&mut spent.optimizer, || optimizer.zero_grad());
        let mut sums = Sums::default();
        let batches: Vec<&[usize]> = examples.chunks(self.config.batch_size).collect();
        for (index, &examples) in batches.iter().enumerate() {
            let next =
                batches.get(index + 1).copied().or(next.chunks(self.config.batch_size).next()).unwrap_or_default();
            let at =
                [self.config.seed, self.objective.streams().step, state.epoch as u64, state.step as u64, index as u64];
            match self.group.rank() {
                0 => runtime::seed(if whole { &at[..4] } else { &at }),
                rank => runtime::seed(&[at.as_slice(), &[rank as u64]].concat()),
            }
            let of_batch = match guarded(|| self.gradients(examples, next, state, whole, spent)) {
                Ok(of_batch) => of_batch?,
                Err(OutOfMemory) => return Err(self.too_large(examples, state, optimizer)),
            };
            sums.weight += of_batch.weight;
            sums.loss += of_batch.loss;
            sums.terms.extend(of_batch.terms);
        }
        Ok(sums)
    }

    /// Makes the gradients those of the mean over all processes. A failure of one is a failure of all, so that
    /// none waits for it.
    fn exchange(
        &self,
        attempt: Result<Sums>,
        whole: bool,
        optimizer: &mut Optimizer,
        spent: &mut Spent,
    ) -> Result<Exchanged> {
        if self.group.is_solo() {
            let sums = attempt?;
            if !whole {
                timed(&mut spent.optimizer, || optimizer.scale_gradients(1.0 / sums.weight.max(1) as f64));
            }
            return Ok(Exchanged { sums, stop: false });
        }
        timed(&mut spent.exchange, || {
            let (weight, loss) = attempt.as_ref().map_or((0, 0.0), |own| (own.weight, own.loss));
            let flag = |set: bool| f64::from(u8::from(set));
            let mut values = vec![weight as f64, loss, flag(attempt.is_err()), flag(self.interrupt.requested())];
            values.extend(optimizer.with_gradient());
            self.group.sum_values(&mut values)?;
            let &[weight, loss, failed, asked, ref present @ ..] = values.as_slice() else {
                unreachable!("it holds four numbers at least")
            };
            let terms = attempt?.terms;
            if failed > 0.0 {
                bail!("{failed} of the {} processes failed; see their messages", self.group.size());
            }
            optimizer.sum_gradients(self.group, present, 1.0 / weight.max(1.0))?;
            Ok(Exchanged { sums: Sums { weight: weight as i64, loss, terms }, stop: asked > 0.0 })
        })
    }

    /// Adds the gradients of a batch: those of its mean loss, or where it is not the `whole` step, of the sum.
    /// `next` are the examples that come after these.
    fn gradients(
        &self,
        examples: &[usize],
        next: &[usize],
        state: &TrainState,
        whole: bool,
        spent: &mut Spent,
    ) -> Result<Sums> {
        let Prepared { weight, losses } = timed(&mut spent.data, || self.objective.batch(examples, state.epoch))?;
        if !next.is_empty() {
            self.objective.prefetch(next, state.epoch);
        }
        let (losses, loss, terms) = timed(&mut spent.forward, || -> Result<_> {
            let losses = autocast(self.config.precision == TrainPrecision::Bf16, losses)?;
            let (loss, terms) = read(&losses, weight)?;
            Ok((losses, loss, terms))
        })?;
        if !loss.is_finite() {
            return Err(self.lost(loss, examples, state));
        }
        timed(&mut spent.backward, || losses.backward(if whole { 1.0 } else { weight as f64 }));
        Ok(Sums { weight, loss: loss * weight as f64, terms })
    }

    /// Tries smaller batches of the same examples, to say which one fits.
    fn too_large(&self, examples: &[usize], state: &TrainState, optimizer: &mut Optimizer) -> anyhow::Error {
        let device = self.store.device();
        let at = format!(
            "out of memory on {} in epoch {}, step {}: a batch of {} examples does not fit",
            runtime::device_name(device),
            state.epoch + 1,
            state.step + 1,
            examples.len()
        );
        let fits = guard::largest(examples.len(), |count| {
            optimizer.zero_grad();
            release_memory();
            let few = examples.get(..count).unwrap_or(examples);
            matches!(guarded(|| self.gradients(few, &[], state, true, &mut Spent::default())), Ok(Ok(_)))
        });
        let Some(fits) = fits else {
            return anyhow!("{at}, nor does a smaller one; the model or its features need a device with more memory");
        };
        let (batch_size, accumulate) = guard::split(self.own_examples_per_step(), fits);
        anyhow!(
            "{at}, but a batch of {fits} does (just tested); set train.batch_size={batch_size} and \
             train.accumulate={accumulate}, which makes steps of the same size (the last checkpoint is kept)"
        )
    }

    fn lost(&self, loss: f64, examples: &[usize], state: &TrainState) -> anyhow::Error {
        let files: Vec<String> = examples.iter().map(|&example| self.objective.describe(example)).collect();
        anyhow!(
            "the loss became {loss} in epoch {}, step {}; lower train.optimizer.lr or set train.clip_norm (the last \
             checkpoint is kept); images of that step: {}",
            state.epoch + 1,
            state.step + 1,
            files.join(", ")
        )
    }
}

/// The loss and, where it has several, its terms over that many tokens, in one copy from the device.
fn read(losses: &Losses, weight: i64) -> Result<(f64, Vec<(&'static str, Recent)>)> {
    let total = losses.total().detach();
    let terms = Some(losses.terms()).filter(|terms| terms.len() > 1).unwrap_or_default();
    let (names, mut values): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
    values.insert(0, total);
    let values: Vec<Tensor> = values.iter().map(|value| value.to_kind(Kind::Double)).collect();
    let values = Vec::<f64>::try_from(Tensor::stack(&values, 0))?;
    let (loss, values) = values.split_first().context("a loss without a value")?;
    let recent = |value: &f64| Recent { loss_sum: value * weight as f64, tokens: weight };
    Ok((*loss, names.into_iter().zip(values.iter().map(recent)).collect()))
}

/// Adds the seconds that `work` takes.
fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *seconds += started.elapsed().as_secs_f64();
    result
}
