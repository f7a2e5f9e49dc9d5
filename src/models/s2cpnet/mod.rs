//! S2CPNet: semantic and spatial enhancement of image and object masks, cross-view fusion, nouns beside words.
//!
//! Paper: S2CPNet (Tables I-III the full model, IV-VII its parts; Eqs. (1)-(7)). Program: github.com/CVer-Yang/SSCPNet
//! at ea07a9e; parameter names are its own, after the names of its modules in the training script, and parameters that
//! it never uses are left out.
//!
//! What the program does otherwise than the text is a switch of [`Config`]; [`Preset`] sets them all.
//!
//! Deviation: an image goes through encoder and fusion once for all captions of it in a batch, where the program does
//! so for each (`train.share_images`), and once for the searches of words and nouns.

mod config;
mod decoder;
mod enhance;
mod fusion;
mod init;
mod unit;
mod words;

pub use config::{Config, Decoder, Fusion, Preset, SpatialPool, Unit};
pub use fusion::{Encoder, Stages};

use super::layers::{ImageRows, KeyValues, PackedLayout, dropout};
use super::losses::{Losses, token_cross_entropy};
use super::{Captioner, Inputs, State};
use crate::data::START;
use crate::data::batch::{Batch, PackedCaptions};
use decoder::Layer;
use tch::Tensor;
use tch::nn::{self, Module};
use words::Places;

/// Predicts the words of a sequence one after the other, or its nouns.
#[derive(Debug)]
struct Branch {
    places: Places,
    layer: Layer,
    scores: nn::Linear,
    dropout: f64,
}

/// The S2CPNet captioner over grid features of an image and of its mask picture.
#[derive(Debug)]
pub struct S2cpNet {
    pub encoder: Encoder,
    embedding: nn::Embedding,
    words: Branch,
    nouns: Option<Branch>,
    heads: i64,
    width: i64,
    grid: i64,
}

impl S2cpNet {
    pub fn new(path: &nn::Path, config: &Config, inputs: &Inputs) -> Self {
        let channels = inputs.features.first().copied().unwrap_or(0);
        let (width, vocabulary) = (config.memory_width(), inputs.vocabulary);
        let decoder = path / "decoder";
        let nouns = config.nouns.then(|| Branch {
            places: Places::new(&decoder / "position_encoding1", config.noun_words.max + 2, width, config),
            layer: Layer::of_nouns(&(&decoder / "transformer" / "layers" / 0), config),
            scores: words::noun_scores(&decoder / "wdc1", width, vocabulary),
            dropout: config.dropout,
        });
        Self {
            encoder: Encoder::new(path, config, channels),
            embedding: words::embedding(&decoder / "vocab_embedding", vocabulary, width),
            words: Branch {
                places: Places::new(&decoder / "position_encoding", config.max_words + 2, width, config),
                layer: Layer::of_words(&(&decoder / "transformer1" / "layers" / 0), config),
                scores: words::word_scores(&decoder / "wdc", width, vocabulary),
                dropout: config.dropout,
            },
            nouns,
            heads: config.heads as i64,
            width,
            grid: config.grid as i64,
        }
    }

    /// Scores of the tokens of a packed batch, `[N, V]`: words, and nouns where both model and batch have them.
    pub fn logits(&self, batch: &Batch, train: bool) -> (Tensor, Option<Tensor>) {
        let memory = self.encoder.forward(&batch.features, train);
        let words = self.branch_logits(&self.words, &batch.captions, &batch.image_rows, &memory, train);
        let nouns = self
            .nouns
            .as_ref()
            .zip(batch.nouns.as_ref())
            .map(|(branch, nouns)| self.branch_logits(branch, &nouns.words, &nouns.image_rows, &memory, train));
        (words, nouns)
    }

    fn branch_logits(
        &self,
        branch: &Branch,
        sequences: &PackedCaptions,
        image_rows: &Tensor,
        memory: &Tensor,
        train: bool,
    ) -> Tensor {
        let layout = PackedLayout::new(&sequences.batch_sizes, memory.device());
        let images = ImageRows::new(&image_rows.index_select(0, &sequences.rows), memory.size()[0]);
        let xs = branch.places.add(&self.embedding.forward(&sequences.inputs), &layout.times, train);
        let xs = branch.layer.packed(&xs, &layout, &branch.layer.memory(memory), &images, train);
        branch.scores.forward(&dropout(&xs, branch.dropout, train))
    }

    /// The memory of some images, `[I, P, M]`, from their features, or as [`Captioner::prepare`] gave it.
    fn memory(&self, features: &[Tensor]) -> Tensor {
        match features {
            [memory] if memory.dim() == 3 => memory.shallow_clone(),
            _ => self.encoder.forward(features, false),
        }
    }

    /// The state of a search with a branch: `tensors` are the image of each row, then keys and values of the words so
    /// far; `shared` are keys and values of the memory.
    fn start_branch(&self, branch: &Branch, features: &[Tensor]) -> State {
        let memory = self.memory(features);
        let (images, device) = (memory.size()[0], memory.device());
        let KeyValues { keys, values } = branch.layer.memory(&memory);
        let none = || Tensor::zeros([images, self.heads, 0, self.width / self.heads], (memory.kind(), device));
        let mut state = State::new(vec![words::times(images, device), none(), none()]);
        state.shared = vec![keys.contiguous(), values.contiguous()];
        state
    }

    fn step_branch(&self, branch: &Branch, tokens: &Tensor, state: &mut State) -> Tensor {
        let memory = KeyValues { keys: state.shared[0].shallow_clone(), values: state.shared[1].shallow_clone() };
        let mut before = KeyValues { keys: state.tensors[1].shallow_clone(), values: state.tensors[2].shallow_clone() };
        let images = ImageRows::new(&state.tensors[0], memory.keys.size()[0]);
        let xs = branch.places.add_at(&self.embedding.forward(tokens), state.length);
        let xs = branch.layer.step(&xs, &mut before, &memory, &images);
        state.tensors[1] = before.keys;
        state.tensors[2] = before.values;
        state.length += 1;
        branch.scores.forward(&xs)
    }
}

impl Captioner for S2cpNet {
    /// Cross-entropy of words and of nouns, each the mean over its tokens, Eq. (7).
    ///
    /// Deviation: Eq. (7) sums over the words of a caption and says nothing of the batch; the mean is the program's.
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        let (words, nouns) = self.logits(batch, train);
        let mut terms = vec![("cross_entropy", token_cross_entropy(&words, &batch.captions))];
        if let (Some(logits), Some(nouns)) = (nouns, &batch.nouns) {
            terms.push(("nouns", token_cross_entropy(&logits, &nouns.words)));
        }
        Losses::new(terms)
    }

    fn prepare(&self, features: &[Tensor]) -> Vec<Tensor> {
        vec![self.memory(features)]
    }

    fn start(&self, features: &[Tensor]) -> State {
        self.start_branch(&self.words, features)
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        self.step_branch(&self.words, tokens, state)
    }

    fn attention(&self, features: &[Tensor], tokens: &[i64]) -> Option<Tensor> {
        tch::no_grad(|| {
            let memory = self.memory(features);
            let ids: Vec<i64> = std::iter::once(START).chain(tokens.iter().copied()).collect();
            let device = memory.device();
            let xs = self.embedding.forward(&Tensor::from_slice(&ids).to_device(device));
            let xs = self.words.places.add(&xs, &words::times(ids.len() as i64, device), false);
            let looks = self.words.layer.looks(&xs, &self.words.layer.memory(&memory));
            Some(looks.view([ids.len() as i64, self.grid, self.grid]))
        })
    }

    fn nouns(&self) -> Option<Box<dyn Captioner + '_>> {
        self.nouns.as_ref().map(|branch| Box::new(NounCaptioner { model: self, branch }) as _)
    }
}

/// The noun branch as a captioner, for searches: `<start>`, nouns, `<end>`.
struct NounCaptioner<'a> {
    model: &'a S2cpNet,
    branch: &'a Branch,
}

impl Captioner for NounCaptioner<'_> {
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        self.model.losses(batch, train)
    }

    fn start(&self, features: &[Tensor]) -> State {
        self.model.start_branch(self.branch, features)
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        self.model.step_branch(self.branch, tokens, state)
    }
}
