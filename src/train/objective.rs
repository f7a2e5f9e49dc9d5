//! What is trained: examples, their losses, and the scores that tell how good a model has become.

use crate::eval::Scores;
use crate::models::Losses;
use anyhow::Result;

/// What the training loop minimises, and on what. A captioner on its captions, its first stage, an encoder on scene
/// classes.
pub trait Objective {
    /// Examples in all.
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// What the speed counts.
    fn unit(&self) -> Unit;
    /// How many of [`Self::unit`] an epoch sees.
    fn seen(&self) -> usize {
        self.len()
    }
    /// Length of an example, for `train.bucket`; all alike where an objective does not tell.
    fn length(&self, _example: usize) -> usize {
        0
    }
    /// The batch of the given examples in an epoch, on the training device. Depends on nothing else.
    fn batch(&self, examples: &[usize], epoch: usize) -> Result<Prepared<'_>>;
    /// Tells which examples [`Self::batch`] will be asked for next, so that they may be read meanwhile.
    fn prefetch(&self, _examples: &[usize], _epoch: usize) {}
    /// How to name an example in a message: its image's file.
    fn describe(&self, example: usize) -> String;
    /// Scores of held-out examples.
    fn scores(&self) -> Result<Scores>;
    /// Whether the loss of a batch is a mean over its parts, so that several processes may share it.
    fn separable(&self) -> bool {
        true
    }
    /// From which random numbers order and steps are drawn.
    fn streams(&self) -> Streams {
        Streams { order: 1, step: 2 }
    }
}

/// A batch that is made, and not yet put through the model.
pub struct Prepared<'a> {
    /// What its loss is a mean over: tokens, images.
    pub weight: i64,
    /// The training loss, dropout on.
    pub losses: Box<dyn FnOnce() -> Result<Losses> + 'a>,
}

/// What training goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Captions,
    Images,
}

/// Streams of random numbers that never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    pub order: u64,
    pub step: u64,
}
