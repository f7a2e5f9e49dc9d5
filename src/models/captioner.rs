//! The seam between models and everything that uses one: training, decoders, `caption` and reports.

use super::first_stage::FirstStage;
use super::losses::Losses;
use crate::data::batch::Batch;
use crate::eval::Scores;
use anyhow::Result;
use tch::{Kind, Tensor};

/// A captioning model over image features.
///
/// `I` images make `R` rows while decoding (one row per beam); tokens are vocabulary ids, kind Int64.
pub trait Captioner {
    /// The training loss of a batch; `train` switches dropout on.
    fn losses(&self, batch: &Batch, train: bool) -> Losses;

    /// What decoding needs of the features, for several searches over the same images: [`Self::start`] and
    /// [`Self::nouns`] take it in place of features.
    fn prepare(&self, features: &[Tensor]) -> Vec<Tensor> {
        features.iter().map(Tensor::shallow_clone).collect()
    }

    /// Starts decoding: `features` is one tensor per encoder, `[I, D]` (pooled) or `[I, C, H, W]` (grid).
    /// The state has one row per image.
    fn start(&self, features: &[Tensor]) -> State;

    /// Feeds the last token of every row, `[R]`, and gives the logits of the next one, `[R, V]`.
    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor;

    /// Where the model looks at each word of a caption, for display: `features` of one image, `tokens` the caption's
    /// words without start and end -> weights `[words + 1, H, W]`, the last row at the end of the caption. `None` for
    /// models that look at no grid.
    fn attention(&self, features: &[Tensor], tokens: &[i64]) -> Option<Tensor> {
        let _ = (features, tokens);
        None
    }

    /// Where each layer of the model's own image encoder looks, for display: `features` of one image -> weights
    /// `[layers, H, W]`, each layer's sum one. `None` for models that have no such encoder.
    fn encoder_attention(&self, features: &[Tensor]) -> Option<Tensor> {
        let _ = features;
        None
    }

    /// The probability of every attribute word in every image, `[I, A]`; `None` for models without attributes.
    fn attributes(&self, features: &[Tensor]) -> Option<Tensor> {
        let _ = features;
        None
    }

    /// The attributes that the decoder is given of every image, `[I, A]`, each one of a half or more; `None` for models
    /// without attributes.
    fn sampled_attributes(&self, features: &[Tensor]) -> Option<Tensor> {
        let _ = features;
        None
    }

    /// The model as a captioner of images whose attributes are known: `[I, A]` of 0 and 1, a further tensor behind the
    /// features. A diagnostic of what better attributes would be worth. `None` for models without attributes.
    fn told_attributes(&self) -> Option<Box<dyn Captioner + '_>> {
        None
    }

    /// How well a model's attributes agree with those of the captions, over batches that hold these; `None` for models
    /// without attributes.
    fn attribute_scores(&self, batches: &mut dyn Iterator<Item = Result<Batch>>) -> Result<Option<Scores>> {
        let _ = batches;
        Ok(None)
    }

    /// The model as a captioner of nouns, for models that predict those of an image.
    fn nouns(&self) -> Option<Box<dyn Captioner + '_>> {
        None
    }

    /// The training stage before the captioning one; `None` for models without.
    fn first_stage(&self) -> Option<&dyn FirstStage> {
        None
    }
}

/// What a model remembers between steps: tensors with one entry per row along their first dimension.
#[derive(Debug)]
pub struct State {
    pub tensors: Vec<Tensor>,
    /// What all rows share, which stays as it is when rows move: entries per image, say.
    pub shared: Vec<Tensor>,
    /// Tokens fed so far.
    pub length: i64,
    /// States of the members, where the model is made of several.
    pub parts: Vec<State>,
}

impl State {
    pub fn new(tensors: Vec<Tensor>) -> Self {
        Self { tensors, shared: Vec::new(), length: 0, parts: Vec::new() }
    }

    /// Keeps the given rows, `[R']` Int64, in that order, repeats allowed: how beams are spread, moved and dropped.
    pub fn reorder(&mut self, rows: &Tensor) {
        debug_assert_eq!(rows.kind(), Kind::Int64);
        for tensor in &mut self.tensors {
            *tensor = tensor.index_select(0, rows);
        }
        self.parts.iter_mut().for_each(|part| part.reorder(rows));
    }
}
