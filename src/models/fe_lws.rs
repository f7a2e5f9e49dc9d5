//! FE-LWS: fused CNN encoders, stacked GRUs merged by local weights, the image injected after the recurrence.
//!
//! Paper: "FE-LWS: Refined Image-Text Representations via Decoder Stacking and Fused Encodings for Remote Sensing Image
//! Captioning", arXiv 2502.09282; decoders of Tables IV-VI, encoders of Tables I-III. No public code is known.
//!
//! Deviation: the captions are not expanded into one training pair per prefix; the GRUs are causal, so one pass over a
//! caption gives the same terms of the loss (merge models are usually trained on prefixes).
//!
//! Deviation: the paper names neither initialisers nor Adam's epsilon: both are PyTorch's here (uniform within
//! `1/sqrt(inputs)`, 1e-8), where Keras would have Glorot's uniform, orthogonal recurrent weights and 1e-7.

use super::layers::{Gru, dropout, linear};
use super::losses::{Backward, Losses, Splices, token_cross_entropy};
use super::{Captioner, Inputs, State};
use super::{FeatureKind, ModelSettings, Surroundings};
use crate::config::Checks;
use crate::data::batch::Batch;
use serde::{Deserialize, Serialize};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// Sizes and switches; the defaults are the paper's FE-LWS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How the outputs of the stacked GRUs become one.
    pub stack: Stack,
    /// Stacked GRUs (1 for `ns`).
    pub layers: usize,
    /// Width of the word embedding.
    pub embedding: usize,
    /// Units of each GRU.
    pub hidden: usize,
    /// Width of the projected image features, L1.
    pub image: usize,
    /// Width of the merge layer, L2.
    pub merge: usize,
    /// Dropout before L1, after the embedding, between GRUs and before L3.
    pub dropout: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { stack: Stack::Lws, layers: 3, embedding: 256, hidden: 256, image: 256, merge: 512, dropout: 0.5 }
    }
}

/// How the outputs `D_1 .. D_n` of the stacked GRUs become one output `O`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stack {
    /// No stack: one GRU.
    Ns,
    /// Simple stack: `O = D_n`.
    Ss,
    /// Concatenated: `O = [D_1; ..; D_n]`.
    Cs,
    /// Global weights: `O = sum_i a_i D_i`, one weight a GRU.
    Gws,
    /// Local weights: `O = sum_i W_i * D_i`, one weight a GRU and feature.
    Lws,
}

/// The parts that make the text side of [`FeLws`].
#[derive(Debug)]
struct StackedGrus {
    layers: Vec<Gru>,
    stack: Stack,
    /// `[n, 1]` (global) or `[n, H]` (local), zero at the start: equal weights.
    theta: Option<Tensor>,
}

impl StackedGrus {
    fn new(path: &nn::Path, config: &Config) -> Self {
        let (count, hidden) = (config.layers as i64, config.hidden as i64);
        let layers = (0..count)
            .map(|i| Gru::new(&(path / "gru" / i), if i == 0 { config.embedding as i64 } else { hidden }, hidden))
            .collect();
        // Deviation: the paper states 0 <= W <= 1 and sum_i W_i = 1 but not how that is kept; a softmax over the
        // GRUs of free parameters keeps it exactly. At the rate of all else they hardly leave equality: a part of its
        // own, `train.parts=[{prefix: theta, lr_scale: 100}]`, moves them.
        let theta = match config.stack {
            Stack::Gws => Some(path.var("theta", &[count, 1], nn::Init::Const(0.0))),
            Stack::Lws => Some(path.var("theta", &[count, hidden], nn::Init::Const(0.0))),
            Stack::Ns | Stack::Ss | Stack::Cs => None,
        };
        Self { layers, stack: config.stack, theta }
    }

    /// Width of the merged output.
    fn width(config: &Config) -> i64 {
        let layers = if config.stack == Stack::Cs { config.layers } else { 1 };
        (layers * config.hidden) as i64
    }

    /// `D_1 .. D_n`, each `[N, H]`, to `O`, `[N, H]` or `[N, nH]`.
    fn merge(&self, outputs: &[Tensor]) -> Tensor {
        match (self.stack, &self.theta) {
            (Stack::Cs, _) => Tensor::cat(outputs, -1),
            (_, Some(theta)) => {
                let weights = theta.softmax(0, None); // rows sum to one over the GRUs
                let mut merged = &outputs[0] * weights.get(0);
                for (i, output) in outputs.iter().enumerate().skip(1) {
                    merged = merged.addcmul(output, &weights.get(i as i64));
                }
                merged
            }
            (_, None) => outputs[outputs.len() - 1].shallow_clone(),
        }
    }
}

/// The FE-LWS captioner over pooled features of one or several encoders.
#[derive(Debug)]
pub struct FeLws {
    embedding: nn::Embedding,
    grus: StackedGrus,
    l1: nn::Linear,
    /// L2 acts on `[L1(v); O]`; its image half is applied once a caption, not once a token.
    l2: nn::Linear,
    l3: nn::Linear,
    image: i64,
    dropout: f64,
}

impl FeLws {
    pub fn new(path: &nn::Path, config: &Config, inputs: &Inputs) -> Self {
        let (features, vocabulary) = (inputs.features.iter().sum(), inputs.vocabulary);
        let (image, merge) = (config.image as i64, config.merge as i64);
        Self {
            embedding: nn::embedding(path / "embedding", vocabulary, config.embedding as i64, Default::default()),
            grus: StackedGrus::new(path, config),
            l1: linear(path / "l1", features, image),
            l2: linear(path / "l2", image + StackedGrus::width(config), merge),
            l3: linear(path / "l3", merge, vocabulary),
            image,
            dropout: config.dropout,
        }
    }

    /// Image features `[I, D]` per encoder -> the image's part of L2 before its activation, `[I, M]`.
    fn image_part(&self, features: &[Tensor], train: bool) -> Tensor {
        let fused = Tensor::cat(features, -1);
        let projected = self.l1.forward(&dropout(&fused, self.dropout, train)).gelu("none");
        projected.linear(&self.l2.ws.narrow(1, 0, self.image), self.l2.bs.as_ref())
    }

    /// Merged text `[N, W]` and the image's part of its caption `[N, M]` -> logits `[N, V]`.
    fn predict(&self, text: &Tensor, image: &Tensor, train: bool) -> Tensor {
        let text_weights = self.l2.ws.narrow(1, self.image, text.size()[1]);
        let merged = image.addmm(text, &text_weights.tr()).gelu("none");
        self.l3.forward(&dropout(&merged, self.dropout, train))
    }

    /// Logits of every token of a packed batch, `[N, V]`.
    fn logits(&self, batch: &Batch, train: bool, splices: &mut Splices) -> Tensor {
        let captions = &batch.captions;
        let mut xs = self.embedding.forward(&captions.inputs);
        let mut outputs = Vec::with_capacity(self.grus.layers.len());
        for gru in &self.grus.layers {
            xs = gru.packed(&dropout(&xs, self.dropout, train), &captions.batch_sizes, splices);
            outputs.push(xs.shallow_clone());
        }
        let image = self.image_part(&batch.caption_features(), train).index_select(0, &captions.rows);
        self.predict(&self.grus.merge(&outputs), &image, train)
    }

    /// [`Captioner::losses`] by either backward pass of the GRUs.
    pub fn losses_by(&self, backward: Backward, batch: &Batch, train: bool) -> Losses {
        Losses::spliced(backward, |splices| {
            let logits = self.logits(batch, train, splices);
            vec![("cross_entropy", token_cross_entropy(&logits, &batch.captions))]
        })
    }
}

impl Captioner for FeLws {
    /// Cross-entropy, mean over the tokens.
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        self.losses_by(Backward::Own, batch, train)
    }

    fn start(&self, features: &[Tensor]) -> State {
        let image = self.image_part(features, false);
        let rows = image.size()[0];
        let mut tensors = vec![image];
        tensors.extend(self.grus.layers.iter().map(|gru| gru.initial(rows)));
        State::new(tensors)
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        let mut xs = self.embedding.forward(tokens);
        let mut outputs = Vec::with_capacity(self.grus.layers.len());
        for (gru, hidden) in self.grus.layers.iter().zip(&mut state.tensors[1..]) {
            *hidden = gru.step(&xs, hidden);
            xs = hidden.shallow_clone();
            outputs.push(xs.shallow_clone());
        }
        state.length += 1;
        debug_assert_eq!(xs.kind(), Kind::Float);
        self.predict(&self.grus.merge(&outputs), &state.tensors[0], false)
    }
}

impl ModelSettings for Config {
    fn key() -> &'static str {
        "fe_lws"
    }

    fn variant(&self, _first_stage: bool) -> String {
        match self.stack {
            Stack::Ns => "ns".into(),
            Stack::Ss => format!("ss{}", self.layers),
            Stack::Cs => format!("cs{}", self.layers),
            Stack::Gws => format!("gws{}", self.layers),
            Stack::Lws => format!("lws{}", self.layers),
        }
    }

    fn features(&self) -> FeatureKind {
        FeatureKind::Pooled
    }

    fn check(&self, _around: &Surroundings, checks: &mut Checks) {
        let path = |field: &str| format!("model.fe_lws.{field}");
        checks.count(&path("layers"), self.layers);
        checks.require(self.stack != Stack::Ns || self.layers <= 1, &path("layers"), || {
            format!("stack 'ns' has one GRU (expected 1, found {})", self.layers)
        });
        for (field, width) in
            [("embedding", self.embedding), ("hidden", self.hidden), ("image", self.image), ("merge", self.merge)]
        {
            checks.width(&path(field), width);
        }
        checks.fraction(&path("dropout"), self.dropout);
    }

    fn build(&self, path: &nn::Path, inputs: &Inputs) -> Box<dyn Captioner> {
        Box::new(FeLws::new(path, self, inputs))
    }
}
