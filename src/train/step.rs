//! One step of training, and where its time goes.

use super::guard::{self, OutOfMemory, guarded};
use super::libtorch::{autocast, release_memory};
use super::optimizer::Optimizer;
use super::run::Run;
use super::state::TrainState;
use crate::runtime;
use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Stream of the random numbers that steps draw.
const STEP: u64 = 2;

/// Seconds of an epoch's training by what they went for. On a GPU work is waited for where its result is first needed,
/// so that part of `backward` counts as `optimizer` or as the next step's `forward`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Making batches.
    pub data: f64,
    pub forward: f64,
    pub backward: f64,
    /// Clipping and the step itself.
    pub optimizer: f64,
    /// The rest: checkpoints within the epoch, progress, bookkeeping.
    pub other: f64,
}

/// What a step learned of its examples.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    tokens: i64,
    /// Of loss x tokens.
    loss: f64,
}

impl Run<'_> {
    /// Examples of a step.
    pub(super) fn examples_per_step(&self) -> usize {
        self.config.batch_size * self.config.accumulate
    }

    /// One update from the given examples, in as many batches as it takes. Each batch's loss counts by its tokens, so
    /// that losses which are means over tokens come out as if all were one batch.
    pub(super) fn step(
        &self,
        examples: &[usize],
        state: &mut TrainState,
        optimizer: &mut Optimizer,
        spent: &mut Spent,
    ) -> Result<()> {
        timed(&mut spent.optimizer, || optimizer.zero_grad());
        let mut sums = Sums::default();
        let whole = examples.len() <= self.config.batch_size;
        for (index, examples) in examples.chunks(self.config.batch_size).enumerate() {
            let at = [self.config.seed, STEP, state.epoch as u64, state.step as u64, index as u64];
            runtime::seed(if whole { &at[..4] } else { &at });
            let of_batch = match guarded(|| self.gradients(examples, state, whole, spent)) {
                Ok(of_batch) => of_batch?,
                Err(OutOfMemory) => return Err(self.too_large(examples, state, optimizer)),
            };
            sums.tokens += of_batch.tokens;
            sums.loss += of_batch.loss;
        }
        timed(&mut spent.optimizer, || {
            if !whole {
                optimizer.scale_gradients(1.0 / sums.tokens.max(1) as f64);
            }
            optimizer.clip_value(self.config.clip_value);
            if let Some(limit) = self.config.clip_norm {
                optimizer.clip_norm(limit);
            }
            optimizer.step();
        });
        state.loss_sum += sums.loss;
        state.tokens += sums.tokens;
        Ok(())
    }

    /// Adds the gradients of a batch: those of its mean loss, or where it is not the `whole` step, of the sum.
    fn gradients(&self, examples: &[usize], state: &TrainState, whole: bool, spent: &mut Spent) -> Result<Sums> {
        let batch = timed(&mut spent.data, || self.data.batch(examples, state.epoch))?;
        let tokens = batch.captions.tokens();
        let (losses, loss) = timed(&mut spent.forward, || {
            let losses = autocast(self.config.precision, || self.model.losses(&batch, true));
            let loss = losses.total().double_value(&[]);
            (losses, loss)
        });
        if !loss.is_finite() {
            return Err(self.lost(loss, examples, state));
        }
        timed(&mut spent.backward, || losses.backward(if whole { 1.0 } else { tokens as f64 }));
        Ok(Sums { tokens, loss: loss * tokens as f64 })
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
            release_memory(device);
            let few = examples.get(..count).unwrap_or(examples);
            matches!(guarded(|| self.gradients(few, state, true, &mut Spent::default())), Ok(Ok(_)))
        });
        let Some(fits) = fits else {
            return anyhow!("{at}, nor does a smaller one; the model or its features need a device with more memory");
        };
        let (batch_size, accumulate) = guard::split(self.examples_per_step(), fits);
        anyhow!(
            "{at}, one of {fits} does (as tried just now); set train.batch_size={batch_size} and \
             train.accumulate={accumulate}, which makes steps of the same size (the last checkpoint is kept)"
        )
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
}

/// Adds the seconds that `work` takes.
fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *seconds += started.elapsed().as_secs_f64();
    result
}
