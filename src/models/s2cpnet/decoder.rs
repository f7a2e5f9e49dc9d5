//! The decoder layers of words, Eq. (6), and of nouns.

use super::config::{Config, Decoder};
use crate::models::layers::{ImageRows, KeyValues, Mask, MultiHeadAttention, PackedLayout, dense, dropout, linear};
use tch::Tensor;
use tch::nn::{self, Init, Module};

/// One decoder layer: words look back at words (not where `look_back` is off), then at the memory, and go through a
/// feed-forward network. Norms come after the sums.
#[derive(Debug)]
pub(super) struct Layer {
    self_attn: Option<(MultiHeadAttention, nn::LayerNorm)>,
    cross_attn: MultiHeadAttention,
    norm2: nn::LayerNorm,
    norm3: nn::LayerNorm,
    linear1: nn::Linear,
    linear2: nn::Linear,
    join: Join,
    dropout: f64,
}

/// How words and what they saw become one.
#[derive(Debug, Clone, Copy)]
enum Join {
    /// `LN2(s + v)`.
    Sum,
    /// Eq. (6): `LN2(s + LN1(sigmoid(v) v) + LN2(sigmoid(s) s))`; with `residual`, `+ v` and `+ s` inside the inner
    /// norms.
    ///
    /// Deviation: the paper draws a linear layer where the published program has the feed-forward network, which is
    /// here; the inner norms are those of the outer sums, as in the program; and F_word, which the paper does not
    /// explain, is `s`, the words after they looked back.
    Gated { residual: bool },
}

impl Layer {
    /// The layer that predicts words.
    pub(super) fn of_words(path: &nn::Path, config: &Config) -> Self {
        let join = match config.decoder {
            Decoder::Gated => Join::Gated { residual: config.gate_residual() },
            Decoder::Plain => Join::Sum,
        };
        Self::new(path, "multihead_attn", config, true, join)
    }

    /// The layer that predicts nouns. The published program computes their attention to each other and drops the
    /// result.
    pub(super) fn of_nouns(path: &nn::Path, config: &Config) -> Self {
        Self::new(path, "multihead_attn2", config, config.noun_self_attention(), Join::Sum)
    }

    fn new(path: &nn::Path, cross: &str, config: &Config, look_back: bool, join: Join) -> Self {
        let width = config.memory_width();
        let norm = |name: &str| nn::layer_norm(path / name, vec![width], Default::default());
        let attention = |name: &str| attention(&(path / name), width, config);
        Self {
            self_attn: look_back.then(|| (attention("self_attn"), norm("norm1"))),
            cross_attn: attention(cross),
            norm2: norm("norm2"),
            norm3: norm("norm3"),
            linear1: linear(path / "linear1", width, 4 * width),
            linear2: linear(path / "linear2", 4 * width, width),
            join,
            dropout: config.dropout,
        }
    }

    /// Keys and values of the memory, `[I, P, D]`.
    pub(super) fn memory(&self, memory: &Tensor) -> KeyValues {
        self.cross_attn.keys_values(memory)
    }

    /// Every word of a packed batch, `[N, D]` -> `[N, D]`; `images` tells at which memory each looks.
    pub(super) fn packed(
        &self,
        xs: &Tensor,
        words: &PackedLayout,
        memory: &KeyValues,
        images: &ImageRows,
        train: bool,
    ) -> Tensor {
        let looked_back = match &self.self_attn {
            Some((attention, norm)) => {
                let (queries, keys) = attention.packed_queries_keys_values(xs, words);
                let attended = words.pack(&attention.attend(&queries, &keys, Mask::Causal, train));
                let added = dropout(&attention.output(&attended), self.dropout, train);
                norm.forward(&(xs + added))
            }
            None => xs.shallow_clone(),
        };
        self.finish(&looked_back, memory, images, train)
    }

    /// The next word of every row, `[R, D]` -> `[R, D]`. `words` are the keys and values of the words before it, to
    /// which it is added.
    pub(super) fn step(&self, xs: &Tensor, words: &mut KeyValues, memory: &KeyValues, images: &ImageRows) -> Tensor {
        let looked_back = match &self.self_attn {
            Some((attention, norm)) => {
                let (queries, new) = attention.queries_keys_values(&xs.unsqueeze(1));
                words.append(&new);
                let attended = attention.attend(&queries, words, Mask::None, false).squeeze_dim(1);
                norm.forward(&(xs + attention.output(&attended)))
            }
            None => xs.shallow_clone(),
        };
        self.finish(&looked_back, memory, images, false)
    }

    /// `xs` are words that looked back, `[R, D]`.
    fn finish(&self, xs: &Tensor, memory: &KeyValues, images: &ImageRows, train: bool) -> Tensor {
        let queries = self.cross_attn.queries(&images.spread(xs));
        let attended = images.gather(&self.cross_attn.attend(&queries, memory, Mask::None, train));
        let seen = dropout(&self.cross_attn.output(&attended), self.dropout, train);
        let joined = match (&self.join, &self.self_attn) {
            (Join::Gated { residual }, Some((_, norm1))) => {
                let gate = |xs: &Tensor| {
                    let weight = xs.sigmoid();
                    xs * (if *residual { weight + 1.0 } else { weight })
                };
                xs + norm1.forward(&gate(&seen)) + self.norm2.forward(&gate(xs))
            }
            _ => xs + seen,
        };
        let xs = self.norm2.forward(&joined);
        let inner = dense(&xs, &self.linear1.ws, self.linear1.bs.as_ref()).relu();
        let inner = dropout(&inner, self.dropout, train);
        let added = dropout(&dense(&inner, &self.linear2.ws, self.linear2.bs.as_ref()), self.dropout, train);
        self.norm3.forward(&(xs + added))
    }

    /// How much each word of one sequence, `[T, D]`, looks at each place of the memory, mean over the heads, `[T, P]`.
    pub(super) fn looks(&self, xs: &Tensor, memory: &KeyValues) -> Tensor {
        let xs = xs.unsqueeze(0);
        let looked_back = match &self.self_attn {
            Some((attention, norm)) => norm.forward(&(&xs + attention.forward(&xs, Mask::Causal, false))),
            None => xs,
        };
        let queries = self.cross_attn.queries(&looked_back);
        let looks = crate::models::layers::attention::probabilities(&queries, &memory.keys, Mask::None);
        looks.mean_dim([0i64, 1].as_slice(), false, tch::Kind::Float)
    }
}

/// Attention whose last projection starts as PyTorch's does; the other ones do already.
fn attention(path: &nn::Path, width: i64, config: &Config) -> MultiHeadAttention {
    let attention = MultiHeadAttention::new(path, width, config.heads as i64, config.dropout);
    let bound = 1.0 / (width as f64).sqrt();
    if let Some(mut weight) = (path / "out_proj").get("weight") {
        tch::no_grad(|| weight.init(Init::Uniform { lo: -bound, up: bound }));
    }
    attention
}
