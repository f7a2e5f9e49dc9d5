//! A training stage before the captioning one.

use super::Losses;
use crate::data::augment::AugmentConfig;
use crate::data::batch::Batch;
use crate::eval::Scores;
use anyhow::Result;

/// What a model does in its first stage, which runs where the experiment has `first_stage`: by the same engine, in the
/// folder `first_stage` of the run, on batches of the kind that [`super::ModelSettings::first_stage`] names. Both
/// stages share one store of parameters; those that get no gradient in a stage stay as they are.
pub trait FirstStage {
    /// The training loss of a batch; `train` switches dropout on.
    fn losses(&self, batch: &Batch, train: bool) -> Losses;

    /// Whether the loss sets the examples of a batch against one another, so that it is not a mean over parts of the
    /// batch.
    fn compares_examples(&self) -> bool {
        false
    }

    /// Scores of held-out images, under the names that [`super::ModelSettings::first_stage`] gives. The batches hold
    /// each image with all its captions, nothing augmented.
    fn scores(&self, batches: &mut dyn Iterator<Item = Result<Batch>>) -> Result<Scores>;

    /// Whether a parameter keeps in the captioning stage what this stage made of it; the others begin that stage with
    /// the values that they were made with.
    fn transfers(&self, parameter: &str) -> bool {
        let _ = parameter;
        true
    }
}

/// What a first stage learns from, and what it is judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct StageNeeds<'a> {
    pub examples: StageExamples<'a>,
    /// Names of the scores, any of which `first_stage.early_stop.metric` may watch; the usual one first.
    pub metrics: &'static [&'static str],
}

/// The examples of a first stage.
#[derive(Debug, Clone, PartialEq)]
pub enum StageExamples<'a> {
    /// Those of the captioning stage, by `first_stage.examples`.
    Captions,
    /// An image and one of its captions, with an augmented form of each: [`Batch::augmented`]. By
    /// `first_stage.examples` an epoch sees all captions of an image, or one that is drawn anew.
    Pairs(&'a AugmentConfig),
}
