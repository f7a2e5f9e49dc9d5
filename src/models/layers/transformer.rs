//! Transformer layers with the norm after each residual sum (Vaswani et al. 2017), under PyTorch's parameter names.

use super::attention::{KeyValues, Mask, MultiHeadAttention, glorot};
use super::dropout::{add_dropout, dropout};
use super::{ImageRows, PackedLayout, dense, linear};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// Sizes that all layers of a network share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    pub width: i64,
    pub heads: i64,
    /// Inner width of the feed-forward network.
    pub inner: i64,
    /// On attention's probabilities, within the feed-forward network, and on what each block adds.
    pub dropout: f64,
}

/// `linear2(dropout(relu(linear1(x))))`, `[.., D]` -> `[.., D]`.
#[derive(Debug)]
struct FeedForward {
    linear1: nn::Linear,
    linear2: nn::Linear,
    dropout: f64,
}

impl FeedForward {
    fn new(path: &nn::Path, sizes: Sizes) -> Self {
        let mut linear1 = linear(path / "linear1", sizes.width, sizes.inner);
        let mut linear2 = linear(path / "linear2", sizes.inner, sizes.width);
        glorot(&mut linear1);
        glorot(&mut linear2);
        Self { linear1, linear2, dropout: sizes.dropout }
    }

    fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let inner = dense(xs, &self.linear1.ws, self.linear1.bs.as_ref()).relu();
        dense(&dropout(&inner, self.dropout, train), &self.linear2.ws, self.linear2.bs.as_ref())
    }
}

fn norm(path: nn::Path, width: i64) -> nn::LayerNorm {
    nn::layer_norm(path, vec![width], Default::default())
}

/// `norm(xs + dropout(added))`.
fn add_and_norm(norm: &nn::LayerNorm, xs: &Tensor, added: &Tensor, p: f64, train: bool) -> Tensor {
    norm.forward(&add_dropout(xs, added, p, train))
}

/// Self-attention and feed-forward network: PyTorch's `TransformerEncoderLayer`.
#[derive(Debug)]
pub struct EncoderLayer {
    self_attn: MultiHeadAttention,
    feed_forward: FeedForward,
    norm1: nn::LayerNorm,
    norm2: nn::LayerNorm,
    dropout: f64,
}

impl EncoderLayer {
    pub fn new(path: &nn::Path, sizes: Sizes) -> Self {
        Self {
            self_attn: MultiHeadAttention::new(&(path / "self_attn"), sizes.width, sizes.heads, sizes.dropout),
            feed_forward: FeedForward::new(path, sizes),
            norm1: norm(path / "norm1", sizes.width),
            norm2: norm(path / "norm2", sizes.width),
            dropout: sizes.dropout,
        }
    }

    /// `[B, T, D]` -> `[B, T, D]`.
    pub fn forward(&self, xs: &Tensor, mask: Mask, train: bool) -> Tensor {
        let attended = self.self_attn.forward(xs, mask, train);
        let xs = add_and_norm(&self.norm1, xs, &attended, self.dropout, train);
        add_and_norm(&self.norm2, &xs, &self.feed_forward.forward(&xs, train), self.dropout, train)
    }

    /// How much each place of one sequence, `[1, T, D]`, looks at each other, mean over the heads, `[T, T]`; and the
    /// layer's output. For display.
    pub fn looks(&self, xs: &Tensor, mask: Mask) -> (Tensor, Tensor) {
        let (queries, memory) = self.self_attn.queries_keys_values(xs);
        let looks = super::attention::probabilities(&queries, &memory.keys, mask);
        (looks.mean_dim([0i64, 1].as_slice(), false, Kind::Float), self.forward(xs, mask, false))
    }
}

/// Masked self-attention, attention to a memory, feed-forward network: PyTorch's `TransformerDecoderLayer`.
#[derive(Debug)]
pub struct DecoderLayer {
    self_attn: MultiHeadAttention,
    multihead_attn: MultiHeadAttention,
    feed_forward: FeedForward,
    norm1: nn::LayerNorm,
    norm2: nn::LayerNorm,
    norm3: nn::LayerNorm,
    dropout: f64,
}

impl DecoderLayer {
    pub fn new(path: &nn::Path, sizes: Sizes) -> Self {
        let attention = |name: &str| MultiHeadAttention::new(&(path / name), sizes.width, sizes.heads, sizes.dropout);
        Self {
            self_attn: attention("self_attn"),
            multihead_attn: attention("multihead_attn"),
            feed_forward: FeedForward::new(path, sizes),
            norm1: norm(path / "norm1", sizes.width),
            norm2: norm(path / "norm2", sizes.width),
            norm3: norm(path / "norm3", sizes.width),
            dropout: sizes.dropout,
        }
    }

    /// Keys and values of the memory, `[B, S, D]`, for [`Self::packed`] and [`Self::step`].
    pub fn memory(&self, memory: &Tensor) -> KeyValues {
        self.multihead_attn.keys_values(memory)
    }

    /// Every word of a packed batch, `[N, D]` -> `[N, D]`, each word seeing those before it and the memory of its row;
    /// without a memory, no attention to one and no `norm2`: a language model.
    pub fn packed(&self, xs: &Tensor, layout: &PackedLayout, memory: Option<&KeyValues>, train: bool) -> Tensor {
        let (queries, words) = self.self_attn.packed_queries_keys_values(xs, layout);
        let attended = layout.pack(&self.self_attn.attend(&queries, &words, Mask::Causal, train));
        let mut xs = add_and_norm(&self.norm1, xs, &self.self_attn.output(&attended), self.dropout, train);
        if let Some(memory) = memory {
            let queries = self.multihead_attn.packed_queries(&xs, layout);
            let attended = layout.pack(&self.multihead_attn.attend(&queries, memory, Mask::None, train));
            xs = add_and_norm(&self.norm2, &xs, &self.multihead_attn.output(&attended), self.dropout, train);
        }
        add_and_norm(&self.norm3, &xs, &self.feed_forward.forward(&xs, train), self.dropout, train)
    }

    /// One word of every row, `[R, D]` -> `[R, D]`, without dropout. `words` holds the words before it, `None` at the
    /// first, and gets this one; `memory` has one entry an image, and `images` tells the rows of each.
    pub fn step(&self, xs: &Tensor, words: &mut Option<KeyValues>, memory: &KeyValues, images: &ImageRows) -> Tensor {
        let (queries, new) = self.self_attn.queries_keys_values(&xs.unsqueeze(1));
        match words {
            Some(words) => words.append(&new),
            None => *words = Some(new),
        }
        let mut attended = xs.shallow_clone();
        if let Some(words) = words {
            attended = self.self_attn.attend(&queries, words, Mask::None, false).squeeze_dim(1);
        }
        let xs = self.norm1.forward(&(xs + self.self_attn.output(&attended)));
        let queries = self.multihead_attn.queries(&images.spread(&xs));
        let attended = images.gather(&self.multihead_attn.attend(&queries, memory, Mask::None, false));
        let xs = self.norm2.forward(&(&xs + self.multihead_attn.output(&attended)));
        self.norm3.forward(&(&xs + self.feed_forward.forward(&xs, false)))
    }

    /// How much each word of one sequence, `[1, T, D]`, looks at each place of the memory, mean over the heads, `[T,
    /// S]`; and the layer's output. For display.
    pub fn looks(&self, xs: &Tensor, memory: &KeyValues) -> (Tensor, Tensor) {
        let xs = self.norm1.forward(&(xs + self.self_attn.forward(xs, Mask::Causal, false)));
        let queries = self.multihead_attn.queries(&xs);
        let looks = super::attention::probabilities(&queries, &memory.keys, Mask::None);
        let attended = self.multihead_attn.attend(&queries, memory, Mask::None, false);
        let xs = self.norm2.forward(&(&xs + self.multihead_attn.output(&attended)));
        let xs = self.norm3.forward(&(&xs + self.feed_forward.forward(&xs, false)));
        (looks.mean_dim([0i64, 1].as_slice(), false, Kind::Float), xs)
    }
}
