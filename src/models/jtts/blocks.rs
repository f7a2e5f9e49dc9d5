//! The parts of the encoder and decoder with their parameters.

use crate::models::layers::lstm::LstmCell;
use crate::models::layers::{dropout, linear};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// Attribute classifier: (FC-ReLU-dropout) twice, FC; its logits' sigmoid is `y_a`.
#[derive(Debug)]
pub(super) struct Classifier {
    layers: [nn::Linear; 3],
    dropout: f64,
}

impl Classifier {
    pub(super) fn new(path: &nn::Path, input: i64, hidden: [usize; 2], attributes: i64, dropout: f64) -> Self {
        let [first, second] = hidden.map(|width| width as i64);
        let layers = [
            linear(path / "fc1", input, first),
            linear(path / "fc2", first, second),
            linear(path / "fc3", second, attributes),
        ];
        Self { layers, dropout }
    }

    /// Image vectors `[I, D]` -> logits `[I, A]`. What `train.parts` freezes evaluates.
    pub(super) fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let train = train && self.layers.iter().any(|layer| layer.ws.requires_grad());
        let [first, second, last] = &self.layers;
        let xs = dropout(&first.forward(xs).relu(), self.dropout, train);
        let xs = dropout(&second.forward(&xs).relu(), self.dropout, train);
        last.forward(&xs)
    }
}

/// A semantic gate: `i = W_i h + W_is f + b_i`, `g = s(W_g h + W_gs f + b_g)`, `i * g`: a gated linear unit.
///
/// Deviation: the paper has `W_is` square in D; it acts on f, which has the attribute embedding's width.
#[derive(Debug)]
pub(super) struct Gate {
    /// `W_i` above `W_g`, `[2D, D]`.
    pub(super) hidden: Tensor,
    /// `W_is` above `W_gs`, `[2D, E]`, with `b_i`, `b_g`.
    semantic: nn::Linear,
}

impl Gate {
    pub(super) fn new(path: &nn::Path, hidden: i64, embedding: i64) -> Self {
        let bound = 1.0 / (hidden as f64).sqrt();
        let init = nn::Init::Uniform { lo: -bound, up: bound };
        Self {
            hidden: (path / "hidden").var("weight", &[2 * hidden, hidden], init),
            semantic: linear(path / "semantic", embedding, 2 * hidden),
        }
    }

    /// The attributes' part of the gate, once an image: `f_s` `[I, E]` -> `[I, 2D]`.
    pub(super) fn semantics(&self, fs: &Tensor) -> Tensor {
        self.semantic.forward(fs)
    }

    /// State `[R, D]` and the attributes' part `[R, 2D]` -> `[R, D]`.
    pub(super) fn forward(&self, hidden: &Tensor, semantics: &Tensor) -> Tensor {
        semantics.addmm(hidden, &self.hidden.tr()).glu(-1)
    }
}

/// Attention over regions, Eqs. (26) to (28): `a_j = w_a tanh(W_va V_j + W_ha h)`.
///
/// Deviation: Eq. (26) has the mean image feature in place of `V_j`, by which all regions would weigh the same.
#[derive(Debug)]
pub(super) struct Attention {
    pub(super) regions: nn::Linear,
    pub(super) state: nn::Linear,
    /// `w_a`; without a bias, which the softmax would not notice.
    pub(super) score: nn::Linear,
}

impl Attention {
    pub(super) fn new(path: &nn::Path, hidden: i64, attention: i64) -> Self {
        let bound = 1.0 / (attention as f64).sqrt();
        Self {
            regions: linear(path / "regions", hidden, attention),
            state: linear(path / "state", hidden, attention),
            score: nn::linear(
                path / "score",
                attention,
                1,
                nn::LinearConfig { bias: false, ws_init: nn::Init::Uniform { lo: -bound, up: bound }, bs_init: None },
            ),
        }
    }

    /// `keys` `[R, P, A]` (regions through `W_va`; changed), `values` `[R, P, D]`, state `[R, D]` -> the attended
    /// regions `[R, D]` and the weights `[R, P]`.
    pub(super) fn forward(&self, keys: &Tensor, values: &Tensor, hidden: &Tensor) -> (Tensor, Tensor) {
        let scores = (keys + self.state.forward(hidden).unsqueeze(1)).tanh();
        let weights = self.score.forward(&scores).squeeze_dim(-1).softmax(-1, Kind::Float);
        (weights.unsqueeze(1).bmm(values).squeeze_dim(1), weights)
    }
}

/// Both LSTMs with what stands between them.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Att-LSTM: input `[h2; v; e]`.
    pub(super) first: LstmCell,
    /// L-LSTM: input `[v_hat; h1]`, and `i2` behind them where there are gates.
    pub(super) second: LstmCell,
    pub(super) attention: Attention,
    /// On `h1` and `h2`, before the first and the second LSTM.
    pub(super) gates: Option<[Gate; 2]>,
    pub(super) hidden: i64,
}

/// The state of the decoder's rows, `[R, D]` each.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) h1: Tensor,
    pub(super) c1: Tensor,
    pub(super) h2: Tensor,
    pub(super) c2: Tensor,
}

impl Decoder {
    /// Columns of Att-LSTM's input weight that belong to the image vector and the word.
    pub(super) fn first_known(&self) -> Tensor {
        let width = self.first.weight_ih.size()[1];
        self.first.weight_ih.narrow(1, self.hidden, width - self.hidden)
    }

    /// One step: `known` `[R, 4D]` is the image's and the word's part of Att-LSTM with its biases; `semantics` the
    /// attributes' parts of the gates, `[R, 2D]` each, none without gates. Gives the new state and the attention's
    /// weights, `[R, P]`.
    ///
    /// Deviation: Eq. (25) lists `i1` beside `h1`'s place: the recurrent product acts on `i1` where `h1` was, by which
    /// the number of parameters is the published one.
    pub(super) fn step(
        &self,
        known: &Tensor,
        semantics: &[Tensor],
        keys: &Tensor,
        values: &Tensor,
        before: &Memory,
    ) -> (Memory, Tensor) {
        use crate::models::layers::lstm::Activations;
        let gated = |k: usize, state: &Tensor| match (&self.gates, semantics.get(k)) {
            (Some(gates), Some(semantics)) => Some(gates[k].forward(state, semantics)),
            _ => None,
        };
        let i1 = gated(0, &before.h1);
        let recurrent = i1.as_ref().unwrap_or(&before.h1);
        let on_h2 = self.first.weight_ih.narrow(1, 0, self.hidden);
        let gates = known.addmm(recurrent, &self.first.weight_hh.tr()).addmm(&before.h2, &on_h2.tr());
        let first = Activations::new(&gates, &before.c1);
        let (attended, weights) = self.attention.forward(keys, values, &first.hidden);
        let mut inputs = vec![attended, first.hidden.shallow_clone()];
        inputs.extend(gated(1, &before.h2));
        let gates = Tensor::cat(&inputs, 1)
            .linear(&self.second.weight_ih, Some(&self.second.bias()))
            .addmm(&before.h2, &self.second.weight_hh.tr());
        let second = Activations::new(&gates, &before.c2);
        let memory = Memory { h1: first.hidden, c1: first.cell, h2: second.hidden, c2: second.cell };
        (memory, weights)
    }
}
