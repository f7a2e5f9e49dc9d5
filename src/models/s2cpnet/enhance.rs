//! Semantic enhancement of image features, Eqs. (1)-(2), and spatial enhancement of mask features, Eqs. (3)-(5).
//!
//! Both work on `[I, P, C]`: images, places of the grid, channels; 1x1 convolutions are matrix products there.

use super::init::pointwise;
use crate::models::layers::dense;
use tch::nn;
use tch::{Kind, Tensor};

/// A 1x1 convolution on places: `[.., C]` -> `[.., C']`.
pub(super) fn on_places(conv: &nn::Conv2D, xs: &Tensor) -> Tensor {
    dense(xs, &conv.ws.flatten(1, -1), conv.bs.as_ref())
}

fn freeze(conv: &nn::Conv2D) {
    for tensor in std::iter::once(&conv.ws).chain(&conv.bs) {
        let _ = tensor.set_requires_grad(false);
    }
}

/// Channels weighted by what the whole image shows, Eqs. (1)-(2), and mixed by a 1x1 convolution.
///
/// Deviation: Eq. (2) has no convolution; the published program does, and nothing else of it learns from single places.
#[derive(Debug)]
pub(super) struct Semantic {
    squeeze: nn::Conv2D,
    excite: nn::Conv2D,
    conv: nn::Conv2D,
}

impl Semantic {
    /// Channels of the gate's bottleneck are a sixteenth.
    const REDUCTION: i64 = 16;

    pub(super) fn new(path: &nn::Path, channels: i64) -> Self {
        let (weights, inner) = (path / "sem_weight", (channels / Self::REDUCTION).max(1));
        Self {
            squeeze: pointwise(&weights / 0, channels, inner),
            excite: pointwise(&weights / 2, inner, channels),
            conv: pointwise(path / "conv", channels, channels),
        }
    }

    /// The parameters stay as they are; gradients still pass through.
    pub(super) fn freeze(&self) {
        [&self.squeeze, &self.excite, &self.conv].into_iter().for_each(freeze);
    }

    /// `[I, P, C]` -> `[I, P, C]`.
    pub(super) fn forward(&self, xs: &Tensor) -> Tensor {
        let pooled = xs.mean_dim([1i64].as_slice(), true, None::<Kind>);
        let weights = on_places(&self.excite, &on_places(&self.squeeze, &pooled).relu()).sigmoid();
        on_places(&self.conv, &(xs * weights))
    }
}

/// Places weighted by how far their strongest and weakest channels stand off the surroundings, Eqs. (3)-(5).
///
/// Deviation: `alpha` weighs the strongest channel, as in the published program, where Eq. (5) has the weakest; it is
/// learnt, so both are the same but for its start.
#[derive(Debug)]
pub(super) struct Spatial {
    conv: nn::Conv2D,
    alpha: Tensor,
}

impl Spatial {
    pub(super) fn new(path: &nn::Path, channels: i64, alpha: f64) -> Self {
        Self {
            conv: pointwise(path / "conv", channels, channels),
            alpha: path.var("alpha", &[1], nn::Init::Const(alpha)),
        }
    }

    /// The parameters stay as they are; gradients still pass through.
    pub(super) fn freeze(&self) {
        freeze(&self.conv);
        let _ = self.alpha.set_requires_grad(false);
    }

    /// `[I, P, C]` and its surroundings, broadcast to that -> `[I, P, C]`. No surroundings: those that equal the
    /// features.
    pub(super) fn forward(&self, xs: &Tensor, surroundings: Option<&Tensor>) -> Tensor {
        let (foreground, background) = match surroundings {
            Some(low) => {
                let high = xs - low;
                (high.amax([-1].as_slice(), true).sigmoid(), high.amin([-1].as_slice(), true).sigmoid())
            }
            None => {
                let half = Tensor::full([1, 1, 1], 0.5, (xs.kind(), xs.device()));
                (half.shallow_clone(), half)
            }
        };
        // Both weigh the same features: one product.
        let weight = &foreground * &self.alpha + background * (1.0 - &self.alpha);
        on_places(&self.conv, &(xs * weight))
    }
}
