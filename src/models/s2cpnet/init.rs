//! Layers as the published program initialises them, which is PyTorch's way.

use tch::nn::{self, Init};

/// Uniform in `±sqrt(6 / (from + to))` (Glorot and Bengio 2010).
fn glorot(from: i64, to: i64) -> Init {
    let bound = (6.0 / (from + to) as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// Uniform in `±1 / sqrt(from)`: PyTorch's default for weights and biases.
fn default(from: i64) -> Init {
    let bound = 1.0 / (from as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// A linear layer with Glorot's weights and PyTorch's bias.
pub(super) fn linear(path: nn::Path, from: i64, to: i64) -> nn::Linear {
    let config = nn::LinearConfig { ws_init: glorot(from, to), bs_init: Some(default(from)), bias: true };
    nn::linear(path, from, to, config)
}

/// A convolution of odd `kernel` that keeps the size, with Glorot's weights and PyTorch's bias.
pub(super) fn conv(path: nn::Path, from: i64, to: i64, kernel: i64) -> nn::Conv2D {
    let area = kernel * kernel;
    let config = nn::ConvConfig {
        padding: kernel / 2,
        ws_init: glorot(from * area, to * area),
        bs_init: default(from * area),
        ..Default::default()
    };
    nn::conv2d(path, from, to, kernel, config)
}

/// A 1x1 convolution with PyTorch's weights and bias.
pub(super) fn pointwise(path: nn::Path, from: i64, to: i64) -> nn::Conv2D {
    let config = nn::ConvConfig { ws_init: default(from), bs_init: default(from), ..Default::default() };
    nn::conv2d(path, from, to, 1, config)
}

/// A table of `count` vectors with Glorot's values.
pub(super) fn table(path: nn::Path, count: i64, width: i64) -> nn::Embedding {
    nn::embedding(path, count, width, nn::EmbeddingConfig { ws_init: glorot(count, width), ..Default::default() })
}
