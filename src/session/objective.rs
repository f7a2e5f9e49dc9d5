//! Captions to train on, as the training loop takes them.

use crate::data::batch::Batch;
use crate::eval::Scores;
use crate::models::Losses;
use crate::train::{Objective, Prepared, Unit};
use anyhow::Result;

/// Where the examples to train on come from: captions, or images with theirs.
pub trait TrainingSet {
    /// Examples in all.
    fn len(&self) -> usize;
    /// Captions that an epoch sees.
    fn captions(&self) -> usize;
    /// Tokens of an example's longest caption, for `train.bucket`; all alike where a set does not tell.
    fn length(&self, _example: usize) -> usize {
        0
    }
    /// The batch of the given examples in an epoch, on the training device. Depends on nothing else.
    fn batch(&self, examples: &[usize], epoch: usize) -> Result<Batch>;
    /// Tells which examples [`Self::batch`] will be asked for next, so that a set may read them meanwhile.
    fn prefetch(&self, _examples: &[usize]) {}
    /// How to name an example in a message: its image's file.
    fn describe(&self, example: usize) -> String;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a model learns from captions: to say them, or what its first stage is for.
pub struct CaptionObjective<'a> {
    pub set: &'a dyn TrainingSet,
    /// The training loss of a batch in an epoch, from 1, dropout on.
    pub losses: &'a dyn Fn(&Batch, usize) -> Losses,
    /// Scores of the validation split.
    pub validate: &'a dyn Fn() -> Result<Scores>,
    /// Whether the loss of a batch is a mean over its parts.
    pub separable: bool,
}

impl Objective for CaptionObjective<'_> {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn unit(&self) -> Unit {
        Unit::Captions
    }

    fn seen(&self) -> usize {
        self.set.captions()
    }

    fn length(&self, example: usize) -> usize {
        self.set.length(example)
    }

    fn batch(&self, examples: &[usize], epoch: usize) -> Result<Prepared<'_>> {
        let batch = self.set.batch(examples, epoch)?;
        let weight = batch.captions.tokens();
        Ok(Prepared { weight, losses: Box::new(move || Ok((self.losses)(&batch, epoch + 1))) })
    }

    fn prefetch(&self, examples: &[usize], _epoch: usize) {
        self.set.prefetch(examples);
    }

    fn describe(&self, example: usize) -> String {
        self.set.describe(example)
    }

    fn scores(&self) -> Result<Scores> {
        (self.validate)()
    }

    fn separable(&self) -> bool {
        self.separable
    }
}
