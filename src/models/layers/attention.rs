//! Multi-head attention (Vaswani et al. 2017, section 3.2).

use super::pre_norm::frozen;
use super::{PackedLayout, dense, dropout, linear};
use tch::nn;
use tch::{Device, Kind, Tensor};

/// What is added to the logits before their softmax.
#[derive(Debug, Clone, Copy)]
pub enum Mask<'a> {
    None,
    /// A query sees the keys up to its own place.
    Causal,
    /// Broadcast to `[B, H, T, S]`: a geometry bias, or `-inf` where a key must not be seen.
    Bias(&'a Tensor),
}

/// Keys and values of a sequence, `[B, H, S, D/H]` each: of a memory, or of the words so far.
#[derive(Debug)]
pub struct KeyValues {
    pub keys: Tensor,
    pub values: Tensor,
}

impl KeyValues {
    /// Further places of the same sequences, behind those that are here.
    pub fn append(&mut self, new: &Self) {
        self.keys = Tensor::cat(&[&self.keys, &new.keys], 2);
        self.values = Tensor::cat(&[&self.values, &new.values], 2);
    }

    /// The sequences `rows`, `[B']` Int64, repeats allowed.
    pub fn select(&self, rows: &Tensor) -> Self {
        Self { keys: self.keys.index_select(0, rows), values: self.values.index_select(0, rows) }
    }
}

/// Attention of `H` heads with PyTorch's parameters: `in_proj_weight` `[3D, D]` (queries, keys, values, one product for
/// all three), `in_proj_bias` `[3D]`, `out_proj`.
#[derive(Debug)]
pub struct MultiHeadAttention {
    in_proj_weight: Tensor,
    in_proj_bias: Tensor,
    out_proj: nn::Linear,
    heads: i64,
    width: i64,
    /// Dropout on the probabilities.
    dropout: f64,
}

impl MultiHeadAttention {
    /// `width` must be a multiple of `heads`. Weights start uniform as Glorot and Bengio (2010) have them, biases at 0,
    /// as PyTorch's `Transformer` does.
    pub fn new(path: &nn::Path, width: i64, heads: i64, dropout: f64) -> Self {
        let bound = (6.0 / (4 * width) as f64).sqrt();
        let mut out_proj = linear(path / "out_proj", width, width);
        glorot(&mut out_proj);
        Self {
            in_proj_weight: path.var(
                "in_proj_weight",
                &[3 * width, width],
                nn::Init::Uniform { lo: -bound, up: bound },
            ),
            in_proj_bias: path.var("in_proj_bias", &[3 * width], nn::Init::Const(0.0)),
            out_proj,
            heads,
            width,
            dropout,
        }
    }

    /// Detaches the parameters from their store, for input of type `kind`.
    pub fn freeze(&mut self, kind: Kind) {
        self.in_proj_weight = frozen(&self.in_proj_weight, kind);
        self.in_proj_bias = frozen(&self.in_proj_bias, kind);
        self.out_proj.ws = frozen(&self.out_proj.ws, kind);
        self.out_proj.bs = self.out_proj.bs.as_ref().map(|bias| frozen(bias, kind));
    }

    /// `count` of the three projections from the `first` on, by one product: `[B, T, D]` -> `[count, B, H, T, D/H]`.
    fn project(&self, xs: &Tensor, first: i64, count: i64) -> Tensor {
        let (start, length) = (first * self.width, count * self.width);
        let bias = self.in_proj_bias.narrow(0, start, length);
        self.split(&dense(xs, &self.in_proj_weight.narrow(0, start, length), Some(&bias)))
    }

    /// `[B, T, n * D]` -> `[n, B, H, T, D/H]`, a view.
    fn split(&self, projected: &Tensor) -> Tensor {
        let size = projected.size();
        let shape = [size[0], size[1], size[2] / self.width, self.heads, self.width / self.heads];
        projected.view(shape).permute([2, 0, 3, 1, 4])
    }

    /// Queries of `[B, T, D]`: `[B, H, T, D/H]`.
    pub fn queries(&self, xs: &Tensor) -> Tensor {
        self.project(xs, 0, 1).get(0)
    }

    /// Keys and values of a memory, `[B, S, D]`.
    pub fn keys_values(&self, memory: &Tensor) -> KeyValues {
        let parts = self.project(memory, 1, 2);
        KeyValues { keys: parts.get(0), values: parts.get(1) }
    }

    /// Queries, and keys and values, of one sequence, `[B, T, D]`.
    pub fn queries_keys_values(&self, xs: &Tensor) -> (Tensor, KeyValues) {
        let parts = self.project(xs, 0, 3);
        (parts.get(0), KeyValues { keys: parts.get(1), values: parts.get(2) })
    }

    /// [`Self::queries_keys_values`] of a packed batch, `[N, D]`: no product is spent on padding.
    pub fn packed_queries_keys_values(&self, xs: &Tensor, layout: &PackedLayout) -> (Tensor, KeyValues) {
        let parts = self.split(&layout.pad(&dense(xs, &self.in_proj_weight, Some(&self.in_proj_bias))));
        (parts.get(0), KeyValues { keys: parts.get(1), values: parts.get(2) })
    }

    /// [`Self::queries`] of a packed batch, `[N, D]`.
    pub fn packed_queries(&self, xs: &Tensor, layout: &PackedLayout) -> Tensor {
        let (weight, bias) = (self.in_proj_weight.narrow(0, 0, self.width), self.in_proj_bias.narrow(0, 0, self.width));
        self.split(&layout.pad(&dense(xs, &weight, Some(&bias)))).get(0)
    }

    /// Queries `[B, H, T, D/H]` on `memory` -> `[B, T, D]`, the heads side by side, before [`Self::output`].
    pub fn attend(&self, queries: &Tensor, memory: &KeyValues, mask: Mask, train: bool) -> Tensor {
        let p = if train { self.dropout } else { 0.0 };
        attention(queries, &memory.keys, &memory.values, mask, p).transpose(1, 2).flatten(2, 3)
    }

    /// The last projection, `[.., D]` -> `[.., D]`.
    pub fn output(&self, heads: &Tensor) -> Tensor {
        dense(heads, &self.out_proj.ws, self.out_proj.bs.as_ref())
    }

    /// Self-attention, `[B, T, D]` -> `[B, T, D]`.
    pub fn forward(&self, xs: &Tensor, mask: Mask, train: bool) -> Tensor {
        let (queries, memory) = self.queries_keys_values(xs);
        self.output(&self.attend(&queries, &memory, mask, train))
    }
}

/// `softmax(q k^T / sqrt(d) + mask) v` with dropout on the probabilities: `[B, H, T, d]` on `[B, H, S, d]` -> `[B, H,
/// T, d]`.
///
/// LibTorch's fused kernel where it computes the same: on a CPU it knows neither dropout nor a bias that learns.
pub fn attention(queries: &Tensor, keys: &Tensor, values: &Tensor, mask: Mask, p: f64) -> Tensor {
    let learns = matches!(mask, Mask::Bias(bias) if bias.requires_grad());
    if queries.device() == Device::Cpu && (p > 0.0 || learns) {
        return dropout(&probabilities(queries, keys, mask), p, true).matmul(values);
    }
    let (bias, causal) = match mask {
        Mask::None => (None, false),
        Mask::Causal => (None, true),
        Mask::Bias(bias) => (Some(bias), false),
    };
    Tensor::scaled_dot_product_attention(queries, keys, values, bias, p, causal, None, false)
}

/// `softmax(q k^T / sqrt(d) + mask)`, `[B, H, T, S]`.
pub fn probabilities(queries: &Tensor, keys: &Tensor, mask: Mask) -> Tensor {
    let size = queries.size();
    let width = size.last().copied().unwrap_or(1);
    let logits = (queries * (1.0 / (width as f64).sqrt())).matmul(&keys.transpose(-2, -1));
    let logits = match mask {
        Mask::None => logits,
        Mask::Bias(bias) => logits + bias,
        Mask::Causal => logits + causal_mask(queries.size()[2], queries),
    };
    logits.softmax(-1, None)
}

/// `[T, T]`: 0 up to the diagonal, `-inf` above it.
fn causal_mask(length: i64, like: &Tensor) -> Tensor {
    Tensor::full([length, length], f64::NEG_INFINITY, (like.kind(), like.device())).triu(1)
}

/// Uniform in `±sqrt(6 / (from + to))` (Glorot and Bengio 2010), bias 0.
pub(super) fn glorot(layer: &mut nn::Linear) {
    let size = layer.ws.size();
    let bound = (6.0 / (size[0] + size[1]) as f64).sqrt();
    tch::no_grad(|| {
        let _ = layer.ws.uniform_(-bound, bound);
        if let Some(bias) = &mut layer.bs {
            let _ = bias.zero_();
        }
    });
}
