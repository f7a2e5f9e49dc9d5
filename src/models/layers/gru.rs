//! A one-layer GRU over packed sequences.

use crate::models::losses::Splices;
use crate::runtime::libtorch::{float, without_autocast};
use tch::{Device, Kind, Tensor, nn};

/// Gated recurrent unit with PyTorch's parameters and gates (Keras' `reset_after`):
/// `r = s(W_ir x + b_ir + W_hr h + b_hr)`, `z` likewise, `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`,
/// `h' = (1 - z) n + z h`.
#[derive(Debug)]
pub struct Gru {
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
    hidden: i64,
}

impl Gru {
    /// Parameters `weight_ih_l0` `[3H, D]`, `weight_hh_l0` `[3H, H]`, `bias_ih_l0`, `bias_hh_l0` `[3H]`, uniform in
    /// `±1/sqrt(H)` as PyTorch initialises them.
    pub fn new(path: &nn::Path, input: i64, hidden: i64) -> Self {
        let bound = 1.0 / (hidden as f64).sqrt();
        let uniform = |name: &str, shape: &[i64]| path.var(name, shape, nn::Init::Uniform { lo: -bound, up: bound });
        let gru = Self {
            weight_ih: uniform("weight_ih_l0", &[3 * hidden, input]),
            weight_hh: uniform("weight_hh_l0", &[3 * hidden, hidden]),
            bias_ih: uniform("bias_ih_l0", &[3 * hidden]),
            bias_hh: uniform("bias_hh_l0", &[3 * hidden]),
            hidden,
        };
        gru.flatten(input);
        gru
    }

    fn weights(&self) -> [&Tensor; 4] {
        [&self.weight_ih, &self.weight_hh, &self.bias_ih, &self.bias_hh]
    }

    /// On a GPU makes the parameters views of one block, as cuDNN wants them: else it copies them at every call. A
    /// LibTorch without cuDNN needs no such block.
    fn flatten(&self, input: i64) {
        /// cuDNN's number of the GRU in LibTorch.
        const GRU: i64 = 3;
        if self.weight_ih.device().is_cuda() {
            let weights = self.weights();
            let flatten =
                || Tensor::f_internal_cudnn_rnn_flatten_weight(&weights, 4, input, GRU, self.hidden, 0, 1, true, false);
            if let Err(error) = tch::no_grad(flatten) {
                tracing::debug!("the GRU's weights stay apart: {error}");
            }
        }
    }

    /// Every output of a packed batch from a zero state: `xs` `[N, D]` with `batch_sizes` per time -> `[N, H]`.
    ///
    /// On a CPU the recurrence runs outside LibTorch's graph with a backward pass of its own (pushed to `splices`):
    /// LibTorch records some thirty small operations a step; this one needs six forward and three back, and a single
    /// product for the gradient of `weight_hh`. With LibTorch's a training step of FE-LWS, which has three GRUs, takes
    /// 1.15 times as long (quartiles 1.10 to 1.18 over 100 pairs, two cores of an AMD EPYC): `cargo bench --bench
    /// backward -- fe_lws 100`.
    pub fn packed(&self, xs: &Tensor, batch_sizes: &[i64], splices: &mut Splices) -> Tensor {
        if xs.device() != Device::Cpu || splices.libtorch() {
            return self.packed_fused(xs, batch_sizes);
        }
        // The recurrent bias of r and z is only ever added to the input's: one sum. That of n stays within r * (..).
        let hidden = self.hidden;
        let unused = Tensor::zeros([hidden], (xs.kind(), xs.device()));
        let bias = &self.bias_ih + Tensor::cat(&[self.bias_hh.narrow(0, 0, 2 * hidden), unused], 0);
        let inputs = xs.linear(&self.weight_ih, Some(&bias));
        let (weight, bias) = (self.weight_hh.shallow_clone(), self.bias_hh.narrow(0, 2 * hidden, hidden));
        let pass = tch::no_grad(|| Recurrence::forward(&inputs, &weight, &bias, batch_sizes));
        splices.add(&pass.outputs.shallow_clone(), move |gradient| {
            let [d_inputs, d_weight, d_bias] = tch::no_grad(|| pass.backward(gradient, &weight));
            (inputs * d_inputs).sum(Kind::Float) + (weight * d_weight).sum(Kind::Float) + bias.dot(&d_bias)
        })
    }

    /// [`Self::packed`] by LibTorch's own operator (cuDNN's on a GPU), within its graph. Without autocast, which would
    /// make it float16: gradients would need scaling.
    fn packed_fused(&self, xs: &Tensor, batch_sizes: &[i64]) -> Tensor {
        let rows = batch_sizes.first().copied().unwrap_or(0);
        let sizes = Tensor::from_slice(batch_sizes);
        without_autocast(|| {
            let xs = float(xs);
            let initial = Tensor::zeros([1, rows, self.hidden], (Kind::Float, xs.device()));
            Tensor::gru_data(&xs, &sizes, &initial, &self.weights(), true, 1, 0.0, true, false).0
        })
    }

    /// One step: `xs` `[R, D]`, `hidden` `[R, H]` -> `[R, H]`.
    pub fn step(&self, xs: &Tensor, hidden: &Tensor) -> Tensor {
        xs.gru_cell(hidden, &self.weight_ih, &self.weight_hh, Some(&self.bias_ih), Some(&self.bias_hh))
    }

    /// The state before the first step, `[R, H]`.
    pub fn initial(&self, rows: i64) -> Tensor {
        Tensor::zeros([rows, self.hidden], (self.weight_hh.kind(), self.weight_hh.device()))
    }
}

/// What the recurrence leaves for its backward pass: packed over time, `N` tokens.
struct Recurrence {
    /// State after each step, `[N, H]`.
    outputs: Tensor,
    /// r and z of each step, `[N, 2H]`.
    rz: Tensor,
    /// n of each step, `[N, H]`.
    n: Tensor,
    /// `W_hn h + b_hn` of each step, `[N, H]`.
    candidate: Tensor,
    batch_sizes: Vec<i64>,
}

impl Recurrence {
    /// `inputs` `[N, 3H]`: the input's part of r, z and n with all biases but `bias`, that of `W_hn`.
    fn forward(inputs: &Tensor, weight: &Tensor, bias: &Tensor, batch_sizes: &[i64]) -> Self {
        let (tokens, hidden) = (inputs.size()[0], weight.size()[1]);
        let empty = |width: i64| Tensor::empty([tokens, width], (inputs.kind(), inputs.device()));
        let (outputs, rz, n, candidate) = (empty(hidden), empty(2 * hidden), empty(hidden), empty(hidden));
        let (weight_rz, weight_n) = (weight.narrow(0, 0, 2 * hidden).tr(), weight.narrow(0, 2 * hidden, hidden).tr());
        let (inputs_rz, inputs_n) = (inputs.narrow(1, 0, 2 * hidden), inputs.narrow(1, 2 * hidden, hidden));
        let mut states = States::new(&outputs, batch_sizes);
        while let Some((at, rows, state)) = states.next() {
            let here = |t: &Tensor| t.narrow(0, at, rows);
            let (mut rz, mut n, candidate) = (here(&rz), here(&n), here(&candidate));
            let _ = here(&inputs_rz).addmm_out(&rz, &state, &weight_rz);
            let _ = rz.sigmoid_();
            let _ = bias.addmm_out(&candidate, &state, &weight_n);
            let _ = here(&inputs_n).addcmul_out(&n, &rz.narrow(1, 0, hidden), &candidate);
            let _ = n.tanh_();
            let _ = n.lerp_tensor_out(&here(&outputs), &state, &rz.narrow(1, hidden, hidden));
        }
        Self { outputs, rz, n, candidate, batch_sizes: batch_sizes.to_vec() }
    }

    /// From the gradient of the outputs, `[N, H]`, those of the inputs `[N, 3H]`, of the weight `[3H, H]` and of n's
    /// recurrent bias `[H]`.
    fn backward(&self, gradient: &Tensor, weight: &Tensor) -> [Tensor; 3] {
        let hidden = weight.size()[1];
        let (r, z) = (self.rz.narrow(1, 0, hidden), self.rz.narrow(1, hidden, hidden));
        let mut states = States::new(&self.outputs, &self.batch_sizes);
        let previous: Vec<Tensor> = std::iter::from_fn(|| states.next().map(|(_, _, state)| state)).collect();
        let previous = Tensor::cat(&previous, 0);
        // Everything but dh itself is known at all times at once: d(pre-activation) = dh * factor.
        let to_n = (1.0 - &z) * (1.0 - self.n.square());
        let to_z = (&previous - &self.n) * &z * (1.0 - &z);
        let to_r = &to_n * &self.candidate * &r * (1.0 - &r);
        let factors = Tensor::stack(&[to_r, to_z, &to_n * &r], 1); // of W_h* h + b_h*: [N, 3, H]
        let (d_state, d_gates) = (gradient.copy(), factors.empty_like());
        let mut end = gradient.size()[0];
        for (time, &rows) in self.batch_sizes.iter().enumerate().rev() {
            let at = end - rows;
            let d_here = d_state.narrow(0, at, rows);
            let d_gates = d_gates.narrow(0, at, rows);
            let _ = d_here.unsqueeze(1).mul_out(&d_gates, &factors.narrow(0, at, rows));
            if time > 0 {
                let mut d_before = d_state.narrow(0, at - self.batch_sizes[time - 1], rows);
                let _ = d_before.addcmul_(&d_here, &z.narrow(0, at, rows));
                let _ = d_before.addmm_(&d_gates.view([rows, 3 * hidden]), weight);
            }
            end = at;
        }
        let d_inputs = Tensor::cat(&[d_gates.narrow(1, 0, 2).flatten(1, 2), &d_state * to_n], 1);
        let d_gates = d_gates.view([-1, 3 * hidden]);
        let d_bias = d_gates.narrow(1, 2 * hidden, hidden).sum_dim_intlist([0i64].as_slice(), false, None);
        [d_inputs, d_gates.tr().matmul(&previous), d_bias]
    }
}

/// Walks over a packed batch: for every time where its rows begin, how many they are, and their state before it.
struct States<'a> {
    outputs: &'a Tensor,
    batch_sizes: std::slice::Iter<'a, i64>,
    at: i64,
    before: Option<i64>,
}

impl<'a> States<'a> {
    fn new(outputs: &'a Tensor, batch_sizes: &'a [i64]) -> Self {
        Self { outputs, batch_sizes: batch_sizes.iter(), at: 0, before: None }
    }

    fn next(&mut self) -> Option<(i64, i64, Tensor)> {
        let &rows = self.batch_sizes.next()?;
        let state = match self.before {
            Some(before) => self.outputs.narrow(0, before, rows),
            None => self.outputs.narrow(0, 0, rows).zeros_like(),
        };
        let at = self.at;
        (self.before, self.at) = (Some(at), at + rows);
        Some((at, rows, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::losses::{Backward, Losses};

    /// The recurrence against LibTorch's own operator: outputs, and gradients of all parameters and of the input.
    #[test]
    fn outputs_and_gradients_equal_libtorchs() {
        tch::manual_seed(1);
        let store = nn::VarStore::new(Device::Cpu);
        let gru = Gru::new(&store.root(), 5, 7);
        let batch_sizes = [4, 4, 3, 1];
        let xs = Tensor::randn([12, 5], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let target = Tensor::randn([12, 7], (Kind::Float, Device::Cpu));
        let mut results = Vec::new();
        for backward in [Backward::Own, Backward::LibTorch] {
            let mut outputs = Tensor::new();
            let losses = Losses::spliced(backward, |splices| {
                outputs = gru.packed(&xs, &batch_sizes, splices);
                vec![("loss", (&outputs * &target).sum(Kind::Float))]
            });
            losses.backward(1.0);
            let mut tensors = vec![outputs.detach(), xs.grad().copy()];
            for parameter in [&gru.weight_ih, &gru.weight_hh, &gru.bias_ih, &gru.bias_hh] {
                tensors.push(parameter.grad().copy());
                parameter.shallow_clone().zero_grad();
            }
            xs.shallow_clone().zero_grad();
            results.push(tensors);
        }
        for (own, reference) in results[0].iter().zip(&results[1]) {
            let difference = (own - reference).abs().max().double_value(&[]);
            assert!(difference < 2e-6, "{difference}");
        }
    }

    #[test]
    fn steps_give_what_the_packed_pass_gives() {
        tch::manual_seed(2);
        let store = nn::VarStore::new(Device::Cpu);
        let gru = Gru::new(&store.root(), 5, 7);
        let xs = Tensor::randn([6, 5], (Kind::Float, Device::Cpu)); // two rows, three steps
        let mut packed = Tensor::new();
        let _ = Losses::spliced(Backward::Own, |splices| {
            packed = gru.packed(&xs, &[2, 2, 2], splices);
            Vec::new()
        });
        let mut state = gru.initial(2);
        for time in 0..3 {
            state = gru.step(&xs.narrow(0, 2 * time, 2), &state);
            let difference = (&state - packed.narrow(0, 2 * time, 2)).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "{difference}");
        }
    }
}
