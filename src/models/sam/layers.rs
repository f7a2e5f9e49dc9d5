//! Small layers under the public names.

use crate::models::layers::dense;
use tch::Tensor;
use tch::nn::Path;

/// `weight [O, I]`, `bias [O]`.
#[derive(Debug)]
pub(super) struct Linear {
    pub weight: Tensor,
    pub bias: Tensor,
}

impl Linear {
    pub(super) fn new(path: &Path, from: i64, to: i64) -> Self {
        Self { weight: path.zeros("weight", &[to, from]), bias: path.zeros("bias", &[to]) }
    }

    /// `[.., I]` -> `[.., O]`.
    pub(super) fn forward(&self, xs: &Tensor) -> Tensor {
        dense(xs, &self.weight, Some(&self.bias))
    }
}

/// Normalisation over the last dimension. The two-dimensional one of the model, over channels, is the same on a map
/// whose channels come last.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
    width: i64,
    eps: f64,
}

impl Norm {
    pub(super) fn new(path: &Path, width: i64, eps: f64) -> Self {
        Self { weight: path.ones("weight", &[width]), bias: path.zeros("bias", &[width]), width, eps }
    }

    /// `[.., D]` -> `[.., D]`.
    pub(super) fn forward(&self, xs: &Tensor) -> Tensor {
        xs.layer_norm([self.width], Some(&self.weight), Some(&self.bias), self.eps, false)
    }
}

/// `lin2(act(lin1(x)))`.
#[derive(Debug)]
pub(super) struct Mlp {
    lin1: Linear,
    lin2: Linear,
}

impl Mlp {
    pub(super) fn new(path: &Path, width: i64, inner: i64) -> Self {
        Self { lin1: Linear::new(&(path / "lin1"), width, inner), lin2: Linear::new(&(path / "lin2"), inner, width) }
    }

    /// `[.., D]` -> `[.., D]`; `activation` may work in place.
    pub(super) fn forward(&self, xs: &Tensor, activation: impl FnOnce(Tensor) -> Tensor) -> Tensor {
        self.lin2.forward(&activation(self.lin1.forward(xs)))
    }
}
