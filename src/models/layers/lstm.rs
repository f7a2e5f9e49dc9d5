//! A long short-term memory cell: its parameters, its step, and the point-wise half of a step with its derivatives.

use tch::{Tensor, nn};

/// LSTM cell with PyTorch's parameters and gates: `[i, f, g, o] = W_ih x + b_ih + W_hh h + b_hh`,
/// `c' = s(f) c + s(i) tanh(g)`, `h' = s(o) tanh(c')`.
#[derive(Debug)]
pub struct LstmCell {
    pub weight_ih: Tensor,
    pub weight_hh: Tensor,
    pub bias_ih: Tensor,
    pub bias_hh: Tensor,
}

impl LstmCell {
    /// Parameters `weight_ih` `[4H, D]`, `weight_hh` `[4H, H]`, `bias_ih`, `bias_hh` `[4H]`, uniform in `±1/sqrt(H)` as
    /// PyTorch initialises them.
    pub fn new(path: &nn::Path, input: i64, hidden: i64) -> Self {
        let bound = 1.0 / (hidden as f64).sqrt();
        let uniform = |name: &str, shape: &[i64]| path.var(name, shape, nn::Init::Uniform { lo: -bound, up: bound });
        Self {
            weight_ih: uniform("weight_ih", &[4 * hidden, input]),
            weight_hh: uniform("weight_hh", &[4 * hidden, hidden]),
            bias_ih: uniform("bias_ih", &[4 * hidden]),
            bias_hh: uniform("bias_hh", &[4 * hidden]),
        }
    }

    /// Both biases, `[4H]`.
    pub fn bias(&self) -> Tensor {
        &self.bias_ih + &self.bias_hh
    }
}

/// What the point-wise half of a step leaves.
#[derive(Debug)]
pub struct Activations {
    /// `s(i), s(f), tanh(g), s(o)`, `[R, 4H]`.
    pub gates: Tensor,
    /// `c'`, `[R, H]`.
    pub cell: Tensor,
    /// `tanh(c')`, `[R, H]`.
    pub squashed: Tensor,
    /// `h'`, `[R, H]`.
    pub hidden: Tensor,
}

impl Activations {
    /// From the gates before their activation, `[R, 4H]`, and the cell before the step, `[R, H]`.
    pub fn new(gates: &Tensor, cell: &Tensor) -> Self {
        let hidden = cell.size()[1];
        let part = |k: i64| gates.narrow(1, k * hidden, hidden);
        let gates = Tensor::cat(&[gates.narrow(1, 0, 2 * hidden).sigmoid(), part(2).tanh(), part(3).sigmoid()], 1);
        let part = |k: i64| gates.narrow(1, k * hidden, hidden);
        let cell = (part(1) * cell).addcmul(&part(0), &part(2));
        let squashed = cell.tanh();
        let hidden = part(3) * &squashed;
        Self { gates, cell, squashed, hidden }
    }
}

/// Derivatives of the point-wise half at any number of steps at once, by which the gradients of `h'` and `c'` become
/// those of the gates before their activation and of the cell before the step.
#[derive(Debug)]
pub struct Derivatives {
    /// Of `i, f, g` by `c'`, `[N, 3, H]`.
    by_cell: Tensor,
    /// Of `o` by `h'`, `[N, H]`.
    by_hidden: Tensor,
    /// Of `c'` by `h'`, `[N, H]`.
    cell_by_hidden: Tensor,
    /// Of the cell before by `c'`, `[N, H]`.
    before_by_cell: Tensor,
}

impl Derivatives {
    /// From the activations of steps, `[N, ..]`, and the cells before them, `[N, H]`.
    pub fn new(steps: &Activations, before: &Tensor) -> Self {
        let hidden = before.size()[1];
        let part = |k: i64| steps.gates.narrow(1, k * hidden, hidden);
        let (i, f, g, o) = (part(0), part(1), part(2), part(3));
        let slope = |s: &Tensor| s * (1.0 - s);
        Self {
            by_cell: Tensor::stack(&[&g * slope(&i), before * slope(&f), &i * (1.0 - g.square())], 1),
            by_hidden: &steps.squashed * slope(&o),
            cell_by_hidden: o * (1.0 - steps.squashed.square()),
            before_by_cell: f.contiguous(),
        }
    }

    /// For the steps `at..at + rows`: gradients of `h'` and of `c'` by later steps, `[rows, H]` -> those of the gates
    /// `[rows, 4H]` and of the cell before `[rows, H]`.
    pub fn apply(&self, at: i64, rows: i64, hidden: &Tensor, cell: &Tensor) -> (Tensor, Tensor) {
        let here = |t: &Tensor| t.narrow(0, at, rows);
        let cell = cell.addcmul(hidden, &here(&self.cell_by_hidden));
        let gates = (cell.unsqueeze(1) * here(&self.by_cell)).flatten(1, 2);
        let gates = Tensor::cat(&[gates, hidden * here(&self.by_hidden)], 1);
        (gates, cell * here(&self.before_by_cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn a_step_and_its_derivatives_equal_libtorchs() {
        tch::manual_seed(1);
        let store = nn::VarStore::new(Device::Cpu);
        let lstm = LstmCell::new(&store.root(), 3, 4);
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let (xs, h, c) = (random(&[5, 3]), random(&[5, 4]), random(&[5, 4]).set_requires_grad(true));
        let gates = xs.linear(&lstm.weight_ih, Some(&lstm.bias())) + h.matmul(&lstm.weight_hh.tr());
        let gates = gates.detach().set_requires_grad(true);
        let ours = Activations::new(&gates, &c);
        let (hidden, cell) =
            xs.lstm_cell(&[&h, &c], &lstm.weight_ih, &lstm.weight_hh, Some(&lstm.bias_ih), Some(&lstm.bias_hh));
        let near = |a: &Tensor, b: &Tensor| assert!((a - b).abs().max().double_value(&[]) < 2e-6);
        near(&ours.hidden, &hidden);
        near(&ours.cell, &cell);
        let (by_hidden, by_cell) = (random(&[5, 4]), random(&[5, 4]));
        ((&ours.hidden * &by_hidden).sum(Kind::Float) + (&ours.cell * &by_cell).sum(Kind::Float)).backward();
        let (d_gates, d_before) = tch::no_grad(|| Derivatives::new(&ours, &c).apply(0, 5, &by_hidden, &by_cell));
        near(&d_gates, &gates.grad());
        near(&d_before, &c.grad());
    }
}
