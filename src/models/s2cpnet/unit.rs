//! One unit of cross-view feature fusion (CVFF).

use super::config::Unit;
use super::init;
use crate::models::layers::dropout::add_dropout;
use crate::models::layers::{KeyValues, Mask, MultiHeadAttention, dense, dropout};
use tch::Tensor;
use tch::nn::{self, Module};

/// How much of each view the fused one holds.
#[derive(Debug)]
enum Gates {
    /// `sigmoid(W [x1; x2])`.
    Sigmoid(nn::Linear),
    /// `1 + softmax(W4 W3 relu [x1; x2])`.
    Softmax { linear3: nn::Linear, linear4: nn::Linear },
}

/// Attention to a view or within one, and a feed-forward network: one set of weights for every use in the unit.
///
/// Deviation: the paper draws attention, feed-forward network and norms for either view; their weights are tied here,
/// as in the program, also in the preset `paper`.
///
/// Views that go through it in the same way do so as one batch, and a view is projected once, however many others look
/// at it or it at them.
#[derive(Debug)]
pub(super) struct CrossUnit {
    gates: Gates,
    attention: MultiHeadAttention,
    norm1: nn::LayerNorm,
    norm2: nn::LayerNorm,
    linear1: nn::Linear,
    linear2: nn::Linear,
    dropout: f64,
}

impl CrossUnit {
    pub(super) fn new(path: &nn::Path, width: i64, heads: i64, p: f64, kind: Unit) -> Self {
        let norm = |name: &str| nn::layer_norm(path / name, vec![width], Default::default());
        let gates = match kind {
            Unit::Fused => Gates::Sigmoid(init::linear(path / "gates", 2 * width, 2)),
            Unit::Full => Gates::Softmax {
                linear3: init::linear(path / "linear3", 2 * width, width),
                linear4: init::linear(path / "linear4", width, 2),
            },
        };
        Self {
            gates,
            attention: MultiHeadAttention::new(&(path / "attention"), width, heads, p),
            norm1: norm("norm1"),
            norm2: norm("norm2"),
            linear1: init::linear(path / "linear1", width, 4 * width),
            linear2: init::linear(path / "linear2", 4 * width, width),
            dropout: p,
        }
    }

    /// Both views, `[I, P, D]` each -> both views after the unit.
    pub(super) fn forward(&self, x1: &Tensor, x2: &Tensor, train: bool) -> (Tensor, Tensor) {
        let images = x1.size()[0];
        let fused = self.fuse(x1, x2);
        if let Gates::Sigmoid(_) = self.gates {
            let views = Tensor::cat(&[x1, x2], 0);
            let queries = self.attention.queries(&views);
            let fused = self.attention.keys_values(&fused);
            let attended: Vec<Tensor> = queries
                .split(images, 0)
                .iter()
                .map(|queries| self.attention.attend(queries, &fused, Mask::None, train))
                .collect();
            return halves(&self.finish(&views, &Tensor::cat(&attended, 0), train));
        }
        let views = Tensor::cat(&[&fused, x1, x2], 0);
        let (queries, keys) = self.attention.queries_keys_values(&views);
        let views = self.finish(&views, &self.attention.attend(&queries, &keys, Mask::None, train), train);

        let own = views.narrow(0, images, 2 * images);
        let queries = self.attention.queries(&own).split(images, 0);
        let all = self.attention.keys_values(&views);
        let view = |index: i64| KeyValues {
            keys: all.keys.narrow(0, index * images, images),
            values: all.values.narrow(0, index * images, images),
        };
        // x1 and x2 to the fused view, then each to the other.
        let looks = [(0, 0), (1, 0), (0, 2), (1, 1)];
        let attend = |(query, key): (usize, i64)| self.attention.attend(&queries[query], &view(key), Mask::None, train);
        let attended = Tensor::cat(&looks.map(attend), 0);
        let outputs = self.finish(&Tensor::cat(&[&own, &own], 0), &attended, train);
        let (to_fused, to_other) = halves(&outputs);
        halves(&(to_fused + to_other))
    }

    /// The fused view, `[I, P, D]`.
    fn fuse(&self, x1: &Tensor, x2: &Tensor) -> Tensor {
        let both = Tensor::cat(&[x1, x2], -1);
        let gates = match &self.gates {
            Gates::Sigmoid(gates) => gates.forward(&both).sigmoid(),
            // Nothing lies between the two layers.
            Gates::Softmax { linear3, linear4 } => {
                linear4.forward(&linear3.forward(&both.relu())).softmax(-1, None) + 1.0
            }
        };
        x1 * gates.narrow(-1, 0, 1) + x2 * gates.narrow(-1, 1, 1)
    }

    /// What follows attention: `xs` asked and got `attended`, the heads side by side; `[R, P, D]` each.
    fn finish(&self, xs: &Tensor, attended: &Tensor, train: bool) -> Tensor {
        let added = self.attention.output(attended);
        let xs = self.norm1.forward(&add_dropout(xs, &added, self.dropout, train));
        let inner = dense(&xs, &self.linear1.ws, self.linear1.bs.as_ref()).relu();
        let inner = dropout(&inner, self.dropout, train);
        let added = dense(&inner, &self.linear2.ws, self.linear2.bs.as_ref());
        self.norm2.forward(&add_dropout(&xs, &added, self.dropout, train))
    }
}

/// Splits the first dimension in two.
fn halves(xs: &Tensor) -> (Tensor, Tensor) {
    let half = xs.size()[0] / 2;
    (xs.narrow(0, 0, half), xs.narrow(0, half, half))
}
