//! Words and nouns as vectors, and back.

use super::config::Config;
use crate::models::layers::{dropout, linear, sinusoidal};
use tch::nn::{self, Init, Module};
use tch::{Device, Tensor};

/// Places of one sequence: sines and cosines, and a learnt table.
#[derive(Debug)]
pub(super) struct Places {
    fixed: Tensor,
    learnt: nn::Embedding,
    dropout: f64,
}

impl Places {
    /// For sequences of `length` entries, `<start>` among them.
    pub(super) fn new(path: nn::Path, length: usize, width: i64, config: &Config) -> Self {
        let normal = Init::Randn { mean: 0.0, stdev: 1.0 };
        let table = nn::EmbeddingConfig { ws_init: normal, ..Default::default() };
        Self {
            fixed: sinusoidal(length as i64, width, path.device()),
            learnt: nn::embedding(path / "embedding_1D", length as i64, width, table),
            dropout: config.word_dropout,
        }
    }

    /// Adds its place to each of `[N, D]`, `times` being `[N]` Int64. Later entries than there are places have the
    /// last.
    pub(super) fn add(&self, xs: &Tensor, times: &Tensor, train: bool) -> Tensor {
        let times = times.clamp_max(self.fixed.size()[0] - 1);
        let places = self.fixed.index_select(0, &times) + self.learnt.forward(&times);
        dropout(&(xs + places), self.dropout, train)
    }

    /// [`Self::add`] at one time, for every row.
    pub(super) fn add_at(&self, xs: &Tensor, time: i64) -> Tensor {
        let time = time.min(self.fixed.size()[0] - 1);
        xs + self.fixed.get(time) + self.learnt.ws.get(time)
    }
}

/// The shared word vectors: uniform in ±0.1, no scaling.
pub(super) fn embedding(path: nn::Path, vocabulary: i64, width: i64) -> nn::Embedding {
    let uniform = Init::Uniform { lo: -0.1, up: 0.1 };
    nn::embedding(path, vocabulary, width, nn::EmbeddingConfig { ws_init: uniform, ..Default::default() })
}

/// The layer that scores words: uniform in ±0.1, bias 0.
pub(super) fn word_scores(path: nn::Path, width: i64, vocabulary: i64) -> nn::Linear {
    let (ws_init, bs_init) = (Init::Uniform { lo: -0.1, up: 0.1 }, Some(Init::Const(0.0)));
    nn::linear(path, width, vocabulary, nn::LinearConfig { ws_init, bs_init, bias: true })
}

/// The layer that scores nouns, with PyTorch's start.
pub(super) fn noun_scores(path: nn::Path, width: i64, vocabulary: i64) -> nn::Linear {
    linear(path, width, vocabulary)
}

/// `0..length` as Int64.
pub(super) fn times(length: i64, device: Device) -> Tensor {
    Tensor::arange(length, (tch::Kind::Int64, device))
}
