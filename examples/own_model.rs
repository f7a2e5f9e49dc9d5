//! The whole program with one more model, from outside its crate: `docs/guide.md`, "Add a model", walks through it.
//!
//! ```text
//! cargo run --example own_model -- train mine.yaml
//! ```
//!
//! The model is Show and Tell (Vinyals et al., CVPR 2015) with a GRU in place of the LSTM: the image is where the
//! recurrence starts, each word moves it on.

use rsic::commands;
use rsic::config::Checks;
use rsic::data::batch::Batch;
use rsic::models::losses::token_cross_entropy;
use rsic::models::{Captioner, FeatureKind, Inputs, Losses, ModelKind, ModelSettings, State, Surroundings, register};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;
use tch::Tensor;
use tch::nn::{self, Module};

/// What stands below `model: {show_tell: ..}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Width of the word embedding.
    embedding: usize,
    /// Units of the GRU.
    hidden: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { embedding: 128, hidden: 256 }
    }
}

impl ModelSettings for Config {
    fn key() -> &'static str {
        "show_tell"
    }

    fn variant(&self, _first_stage: bool) -> String {
        "show_tell".into()
    }

    fn features(&self) -> FeatureKind {
        FeatureKind::Pooled
    }

    fn check(&self, around: &Surroundings, checks: &mut Checks) {
        checks.at_least("model.show_tell.embedding", self.embedding, 1);
        checks.at_least("model.show_tell.hidden", self.hidden, 1);
        let found = around.encoders;
        checks.require(found == 1, "encoders", || format!("this model has one encoder (expected 1, found {found})"));
    }

    fn build(&self, path: &nn::Path, inputs: &Inputs) -> Box<dyn Captioner> {
        Box::new(ShowTell::new(path, self, inputs))
    }
}

struct ShowTell {
    /// Image features to the first hidden state.
    image: nn::Linear,
    norm: nn::LayerNorm,
    embedding: nn::Embedding,
    /// Input and hidden state to the three gates.
    gates: [nn::Linear; 2],
    words: nn::Linear,
}

impl ShowTell {
    fn new(path: &nn::Path, config: &Config, inputs: &Inputs) -> Self {
        let (embedding, hidden) = (config.embedding as i64, config.hidden as i64);
        let features = inputs.features.iter().sum();
        let linear = |name: &str, input, output| nn::linear(path / name, input, output, nn::LinearConfig::default());
        Self {
            image: linear("image", features, hidden),
            norm: nn::layer_norm(path / "norm", vec![hidden], nn::LayerNormConfig::default()),
            embedding: nn::embedding(path / "embedding", inputs.vocabulary, embedding, nn::EmbeddingConfig::default()),
            gates: [linear("input", embedding, 3 * hidden), linear("hidden", hidden, 3 * hidden)],
            words: linear("words", hidden, inputs.vocabulary),
        }
    }

    /// Pooled features `[I, D]` -> hidden states `[I, H]`.
    fn begin(&self, features: &[Tensor]) -> Tensor {
        self.norm.forward(&self.image.forward(&Tensor::cat(features, 1)))
    }

    /// Embedded words `[R, E]` and hidden states `[R, H]` -> the next hidden states `[R, H]`.
    fn cell(&self, words: &Tensor, hidden: &Tensor) -> Tensor {
        let [input, recurrent] = &self.gates;
        words.gru_cell(hidden, &input.ws, &recurrent.ws, input.bs.as_ref(), recurrent.bs.as_ref())
    }
}

impl Captioner for ShowTell {
    fn losses(&self, batch: &Batch, _train: bool) -> Losses {
        let captions = &batch.captions;
        let words = self.embedding.forward(&captions.inputs); // [N, E]: every word of every caption, first words first
        // [B, H]: a row for each caption, of its image.
        let mut hidden = self.begin(&batch.features).index_select(0, &batch.image_rows);
        let mut outputs = Vec::new();
        let mut first = 0;
        // Captions are sorted by length, so that those still running are always the first rows.
        for &running in &captions.batch_sizes {
            hidden = self.cell(&words.narrow(0, first, running), &hidden.narrow(0, 0, running));
            outputs.push(hidden.shallow_clone());
            first += running;
        }
        let logits = self.words.forward(&Tensor::cat(&outputs, 0)); // [N, V]
        Losses::new(vec![("cross_entropy", token_cross_entropy(&logits, captions))])
    }

    fn start(&self, features: &[Tensor]) -> State {
        State::new(vec![self.begin(features)])
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        let hidden = self.cell(&self.embedding.forward(tokens), &state.tensors[0]);
        state.tensors[0] = hidden.shallow_clone();
        state.length += 1;
        self.words.forward(&hidden)
    }
}

fn main() -> ExitCode {
    register(ModelKind::of::<Config>());
    commands::main()
}
