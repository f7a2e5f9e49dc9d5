//! Transformer blocks with the norm before each part (Radford et al. 2021), under the names of OpenAI's CLIP.

use super::attention::{Mask, MultiHeadAttention, glorot};
use super::{dense, linear};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// The non-linearity of the feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x sigmoid(1.702 x)`: of the weights that OpenAI published, and of those trained from its code.
    QuickGelu,
    /// `x Phi(x)`: of most weights that OpenCLIP trained.
    Gelu,
}

impl Activation {
    /// As files of settings call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::QuickGelu => "quick_gelu",
            Self::Gelu => "gelu",
        }
    }

    fn apply(self, xs: &Tensor) -> Tensor {
        match self {
            Self::QuickGelu => xs * (xs * 1.702).sigmoid(),
            Self::Gelu => xs.gelu("none"),
        }
    }
}

/// `xs + attention(norm(xs))`, then `xs + feed_forward(norm(xs))`.
#[derive(Debug)]
pub struct PreNormBlock {
    ln_1: nn::LayerNorm,
    attn: MultiHeadAttention,
    ln_2: nn::LayerNorm,
    c_fc: nn::Linear,
    c_proj: nn::Linear,
    activation: Activation,
}

impl PreNormBlock {
    /// Channels of a head, in every CLIP up to ViT-L.
    const HEAD: i64 = 64;

    /// `width` is a multiple of 64; the inner width is four times as much.
    pub fn new(path: &nn::Path, width: i64, activation: Activation) -> Self {
        let mlp = path / "mlp";
        let layer = |name: &str, from: i64, to: i64| {
            let mut layer = linear(&mlp / name, from, to);
            glorot(&mut layer);
            layer
        };
        Self {
            ln_1: norm(path / "ln_1", width),
            attn: MultiHeadAttention::new(&(path / "attn"), width, width / Self::HEAD, 0.0),
            ln_2: norm(path / "ln_2", width),
            c_fc: layer("c_fc", width, 4 * width),
            c_proj: layer("c_proj", 4 * width, width),
            activation,
        }
    }

    /// `layers` blocks below `resblocks` of the path.
    pub fn stack(path: &nn::Path, layers: i64, width: i64, activation: Activation) -> Vec<Self> {
        let path = path / "resblocks";
        (0..layers).map(|layer| Self::new(&(&path / layer), width, activation)).collect()
    }

    /// `[B, T, D]` -> `[B, T, D]`.
    pub fn forward(&self, xs: &Tensor, mask: Mask) -> Tensor {
        let xs = xs + self.attn.forward(&self.ln_1.forward(xs), mask, false);
        let inner = dense(&self.ln_2.forward(&xs), &self.c_fc.ws, self.c_fc.bs.as_ref());
        &xs + dense(&self.activation.apply(&inner), &self.c_proj.ws, self.c_proj.bs.as_ref())
    }

    /// Detaches the parameters from their store, for input of type `kind`.
    pub fn freeze(&mut self, kind: Kind) {
        self.attn.freeze(kind);
        for norm in [&mut self.ln_1, &mut self.ln_2] {
            freeze_norm(norm, kind);
        }
        for layer in [&mut self.c_fc, &mut self.c_proj] {
            layer.ws = frozen(&layer.ws, kind);
            layer.bs = layer.bs.as_ref().map(|bias| frozen(bias, kind));
        }
    }
}

/// Layer normalisation over the last dimension, with PyTorch's `eps`, 1e-5.
pub fn norm(path: nn::Path, width: i64) -> nn::LayerNorm {
    nn::layer_norm(path, vec![width], Default::default())
}

/// Detaches weight and bias from their store, for input of type `kind`.
pub fn freeze_norm(norm: &mut nn::LayerNorm, kind: Kind) {
    for tensor in [&mut norm.ws, &mut norm.bs].into_iter().flatten() {
        *tensor = frozen(tensor, kind);
    }
}

/// A copy without gradient.
pub fn frozen(tensor: &Tensor, kind: Kind) -> Tensor {
    tensor.detach().to_kind(kind).copy()
}
