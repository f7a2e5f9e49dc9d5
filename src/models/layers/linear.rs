//! A fully connected layer as PyTorch initialises it.

use std::borrow::Borrow;
use tch::nn::{self, Init};

/// Weight `[to, from]` and bias `[to]`, both uniform in `±1/sqrt(from)`: PyTorch's default, which tch's is not.
pub fn linear<'a>(path: impl Borrow<nn::Path<'a>>, from: i64, to: i64) -> nn::Linear {
    let bound = 1.0 / (from as f64).sqrt();
    let uniform = Init::Uniform { lo: -bound, up: bound };
    nn::linear(path, from, to, nn::LinearConfig { ws_init: uniform, bs_init: Some(uniform), bias: true })
}
