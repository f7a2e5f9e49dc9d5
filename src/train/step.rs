//! One step of training, and where its time goes.

use super::Prepared;
use super::optimizer::Optimizer;
use super::reading::{Reading, Sums, told};
use super::run::Run;
use super::state::TrainState;
use crate::runtime;
use crate::runtime::guard::{self, OutOfMemory, guarded};
use crate::runtime::libtorch::{autocast, release_memory};
use crate::train::TrainPrecision;
use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tch::Device;

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
    /// has been asked to stop. `next` are the examples of the step after it. Leaves in `late` what it does not know yet
    /// of the step, having counted what was there.
    pub(super) fn step(
        &self,
        examples: &[usize],
        next: &[usize],
        (state, late): (&mut TrainState, &mut Sums),
        optimizer: &mut Optimizer,
        spent: &mut Spent,
    ) -> Result<bool> {
        let (own, next) = (self.group.part(examples), self.group.part(next));
        let whole = self.group.is_solo() && own.len() <= self.config.batch_size;
        let attempt = self.own_gradients(&own, &next, whole, state, optimizer, spent);
        let Exchanged { sums, stop } = self.exchange(attempt, whole, optimizer, spent)?;
        let update = || {
            optimizer.clip_value(self.config.clip_value);
            if let Some(limit) = self.config.clip_norm {
                let _ = optimizer.clip_norm(limit);
            }
            optimizer.step();
        };
        if let Err(OutOfMemory) = timed(&mut spent.optimizer, || guarded(update)) {
            let device = runtime::device_name(self.store.device());
            bail!("out of memory on {device} in the optimiser's step; the model needs a device with more memory");
        }
        self.settle(late, state)?;
        *late = sums;
        // The first loss of an epoch is shown.
        if !self.reads_late() || state.step == 0 {
            self.settle(late, state)?;
        }
        Ok(stop || self.group.is_solo() && self.interrupt.requested())
    }

    /// Whether a loss is read once the device has the next step to do: the host then never waits for all that it sent.
    fn reads_late(&self) -> bool {
        matches!(self.store.device(), Device::Cuda(_)) && self.group.is_solo()
    }

    /// Counts a step, of which the losses are read now where they were not yet.
    ///
    /// Errors: a loss that is not a number.
    pub(super) fn settle(&self, late: &mut Sums, state: &mut TrainState) -> Result<()> {
        let mut sums = std::mem::take(late);
        for reading in std::mem::take(&mut sums.unread) {
            self.read(&reading, &mut sums)?;
        }
        if sums.weight > 0 {
            sums.count(state);
            tracing::trace!(loss = sums.loss / sums.weight as f64, "step");
        }
        Ok(())
    }

    fn read(&self, reading: &Reading, sums: &mut Sums) -> Result<()> {
        let loss = sums.take_in(reading)?;
        if loss.is_finite() { Ok(()) } else { Err(self.lost(loss, reading)) }
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
            sums.extend(of_batch);
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
            let Sums { terms, told, .. } = attempt?;
            if failed > 0.0 {
                bail!("{failed} of the {} processes failed; see their messages", self.group.size());
            }
            optimizer.sum_gradients(self.group, present, 1.0 / weight.max(1.0))?;
            let sums = Sums { weight: weight as i64, loss, terms, told, unread: Vec::new() };
            Ok(Exchanged { sums, stop: asked > 0.0 })
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
        let (losses, sums) = timed(&mut spent.forward, || -> Result<_> {
            let losses = autocast(self.config.precision == TrainPrecision::Bf16, losses)?;
            let reading = Reading::new(&losses, weight, examples, state);
            let mut sums = Sums { weight, told: told(&losses, weight), ..Sums::default() };
            if self.reads_late() {
                sums.unread.push(reading);
            } else {
                self.read(&reading, &mut sums)?;
            }
            Ok((losses, sums))
        })?;
        timed(&mut spent.backward, || losses.backward(if whole { 1.0 } else { weight as f64 }));
        Ok(sums)
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

    fn lost(&self, loss: f64, of: &Reading) -> anyhow::Error {
        let files: Vec<String> = of.examples.iter().map(|&example| self.objective.describe(example)).collect();
        anyhow!(
            "the loss became {loss} in epoch {}, step {}; lower train.optimizer.lr or set train.clip_norm (the last \
             checkpoint is kept); images of that step: {}",
            of.epoch + 1,
            of.step + 1,
            files.join(", ")
        )
    }
}

/// Adds the seconds that `work` takes.
fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *seconds += started.elapsed().as_secs_f64();
    result
}
