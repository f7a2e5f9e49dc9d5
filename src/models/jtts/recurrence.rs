//! The decoder over a packed batch, with a backward pass of its own.
//!
//! LibTorch would record some forty operations a step and add a gradient of the size of every weight to another one at
//! each; here the gradient of a weight is one product over all steps, and what does not depend on later steps is
//! computed for all of them at once. Within LibTorch's graph a training step at the published sizes takes 1.15 times
//! as long (quartiles 1.14 to 1.17 over 12 pairs, two cores of an AMD EPYC): `cargo bench --bench backward -- jtts 12`.

use super::blocks::{Decoder, Memory};
use crate::models::layers::lstm::{Activations, Derivatives};
use crate::models::losses::Splices;
use crate::runtime::libtorch::{float, without_autocast};
use tch::{Kind, Tensor};

/// What the decoder sees beside its own states, all within LibTorch's graph. `N` tokens, `B` rows, `P` regions.
pub(super) struct Known {
    /// The image's and the word's part of Att-LSTM with its biases, `[N, 4D]`.
    pub(super) first: Tensor,
    /// The attributes' parts of the two gates, `[B, 2D]` each; none without gates.
    pub(super) semantics: Vec<Tensor>,
    /// Regions through `W_va`, `[B, P, A]`.
    pub(super) keys: Tensor,
    /// Regions, `[B, P, D]`.
    pub(super) values: Tensor,
}

impl Known {
    /// The same as Float, as it is without autocast.
    fn float(self) -> Self {
        let Self { first, semantics, keys, values } = self;
        Self {
            first: float(&first),
            semantics: semantics.iter().map(float).collect(),
            keys: float(&keys),
            values: float(&values),
        }
    }
}

/// `h2` at every token, `[N, D]`, from zero states; the backward pass goes to `splices`.
pub(super) fn run(decoder: &Decoder, known: Known, batch_sizes: &[i64], splices: &mut Splices) -> Tensor {
    if splices.libtorch() {
        return within_graph(decoder, &known, batch_sizes);
    }
    // Its backward pass runs outside autocast, and its operations in place are not cast: float32 throughout.
    without_autocast(|| own(decoder, known.float(), batch_sizes, splices))
}

/// [`run`] with the backward pass of this module.
fn own(decoder: &Decoder, known: Known, batch_sizes: &[i64], splices: &mut Splices) -> Tensor {
    let weights = Weights::of(decoder);
    let (steps, memory) = tch::no_grad(|| forward(&weights, &known, batch_sizes));
    splices.add(&cat(&steps, |step| &step.second.hidden), move |gradient| {
        let gradients = tch::no_grad(|| backward(&weights, &known, &steps, &memory, gradient));
        weights.surrogate(&known, gradients)
    })
}

/// [`run`] within LibTorch's graph.
fn within_graph(decoder: &Decoder, known: &Known, batch_sizes: &[i64]) -> Tensor {
    let rows = batch_sizes.first().copied().unwrap_or(0);
    let zero = || Tensor::zeros([rows, decoder.hidden], (known.first.kind(), known.first.device()));
    let mut memory = Memory { h1: zero(), c1: zero(), h2: zero(), c2: zero() };
    let mut outputs = Vec::with_capacity(batch_sizes.len());
    let mut at = 0;
    for &rows in batch_sizes {
        let top = |t: &Tensor| t.narrow(0, 0, rows);
        let before = Memory { h1: top(&memory.h1), c1: top(&memory.c1), h2: top(&memory.h2), c2: top(&memory.c2) };
        let semantics: Vec<Tensor> = known.semantics.iter().map(top).collect();
        let (keys, values) = (top(&known.keys), top(&known.values));
        (memory, _) = decoder.step(&known.first.narrow(0, at, rows), &semantics, &keys, &values, &before);
        outputs.push(memory.h2.shallow_clone());
        at += rows;
    }
    Tensor::cat(&outputs, 0)
}

/// The decoder's parameters, each used at every step.
struct Weights {
    /// Att-LSTM on `h2` (the first columns of its input weight) and on `h1` or `i1`.
    first_ih: Tensor,
    first_hh: Tensor,
    second_ih: Tensor,
    second_hh: Tensor,
    second_bias: Tensor,
    gates: Vec<Tensor>,
    state: Tensor,
    state_bias: Tensor,
    score: Tensor,
    hidden: i64,
}

impl Weights {
    fn of(decoder: &Decoder) -> Self {
        let bias = |linear: &tch::nn::Linear| linear.bs.as_ref().map(Tensor::shallow_clone);
        let attention = &decoder.attention;
        let width = attention.state.ws.size()[0];
        Self {
            first_ih: decoder.first.weight_ih.shallow_clone(),
            first_hh: decoder.first.weight_hh.shallow_clone(),
            second_ih: decoder.second.weight_ih.shallow_clone(),
            second_hh: decoder.second.weight_hh.shallow_clone(),
            second_bias: decoder.second.bias(),
            gates: decoder.gates.iter().flatten().map(|gate| gate.hidden.shallow_clone()).collect(),
            state: attention.state.ws.shallow_clone(),
            state_bias: bias(&attention.state)
                .unwrap_or_else(|| Tensor::zeros([width], (attention.state.ws.kind(), attention.state.ws.device()))),
            score: attention.score.ws.shallow_clone(),
            hidden: decoder.hidden,
        }
    }

    /// Columns of a weight that act on the `k`-th input of width D.
    fn block(&self, weight: &Tensor, k: i64) -> Tensor {
        weight.narrow(1, k * self.hidden, self.hidden)
    }

    /// A scalar whose backward pass adds the given gradients to parameters and inputs.
    ///
    /// A parameter that has a gradient already gets its product added in place, without a copy of its size.
    fn surrogate(&self, known: &Known, gradients: Gradients) -> Tensor {
        let mut scalar = (&known.first * &gradients.first).sum(Kind::Float)
            + (&known.keys * &gradients.keys).sum(Kind::Float)
            + (&known.values * &gradients.values).sum(Kind::Float)
            + self.second_bias.dot(&gradients.second.sum_dim_intlist([0i64].as_slice(), false, None))
            + self.state_bias.dot(&gradients.state.sum_dim_intlist([0i64].as_slice(), false, None))
            + (&self.score * &gradients.score).sum(Kind::Float);
        for (semantics, gradient) in known.semantics.iter().zip(&gradients.semantics) {
            scalar += (semantics * gradient).sum(Kind::Float);
        }
        let hidden = self.hidden;
        let mut products = vec![
            (&self.first_ih, 0, &gradients.first, &gradients.h2_before),
            (&self.first_hh, 0, &gradients.first, &gradients.recurrent),
            (&self.second_ih, 0, &gradients.second, &gradients.attended),
            (&self.second_ih, hidden, &gradients.second, &gradients.h1),
            (&self.second_hh, 0, &gradients.second, &gradients.h2_before),
            (&self.state, 0, &gradients.state, &gradients.h1),
        ];
        if let ([gate1, gate2], [d_gate1, d_gate2]) = (self.gates.as_slice(), gradients.gates.as_slice()) {
            products.push((&self.second_ih, 2 * hidden, &gradients.second, &gradients.i2));
            products.push((gate1, 0, d_gate1, &gradients.h1_before));
            products.push((gate2, 0, d_gate2, &gradients.h2_before));
        }
        for (weight, column, outputs, inputs) in products {
            let width = inputs.size()[1];
            let so_far = weight.grad();
            if so_far.defined() {
                let _ = tch::no_grad(|| so_far.narrow(1, column, width).addmm_(&outputs.tr(), inputs));
            } else if weight.requires_grad() {
                let product = tch::no_grad(|| outputs.tr().matmul(inputs));
                scalar += (weight.narrow(1, column, width) * product).sum(Kind::Float);
            }
        }
        scalar
    }
}

/// What a step leaves for the backward pass; `R` rows.
struct Step {
    /// What takes `h1`'s place in Att-LSTM, `[R, D]`.
    recurrent: Tensor,
    first: Activations,
    /// `tanh(W_va V_j + W_ha h)`, `[R, P, A]`.
    scores: Tensor,
    /// `[R, P]`.
    attention: Tensor,
    attended: Tensor,
    i2: Option<Tensor>,
    second: Activations,
    /// Both gates before their unit, `[R, 2D]`.
    gates: Vec<Tensor>,
}

/// States before the steps, `[N, D]`.
struct Before {
    h1: Tensor,
    c1: Tensor,
    h2: Tensor,
    c2: Tensor,
}

/// Of all steps, `N` tokens; and what the products over all steps need.
struct Gradients {
    first: Tensor,
    second: Tensor,
    gates: Vec<Tensor>,
    /// Of `W_ha h + b`, `[N, A]`.
    state: Tensor,
    score: Tensor,
    semantics: Vec<Tensor>,
    keys: Tensor,
    values: Tensor,
    recurrent: Tensor,
    attended: Tensor,
    i2: Tensor,
    h1: Tensor,
    h1_before: Tensor,
    h2_before: Tensor,
}

fn cat(steps: &[Step], part: impl Fn(&Step) -> &Tensor) -> Tensor {
    Tensor::cat(&steps.iter().map(part).collect::<Vec<_>>(), 0)
}

fn forward(weights: &Weights, known: &Known, batch_sizes: &[i64]) -> (Vec<Step>, Before) {
    let w = weights;
    let rows = batch_sizes.first().copied().unwrap_or(0);
    let zero = Tensor::zeros([rows, w.hidden], (known.first.kind(), known.first.device()));
    let (h2_to_first, first_hh) = (w.block(&w.first_ih, 0).tr(), w.first_hh.tr());
    let (attended_to_second, h1_to_second) = (w.block(&w.second_ih, 0).tr(), w.block(&w.second_ih, 1).tr());
    let (state, score) = (w.state.tr(), w.score.view(-1));
    let mut steps: Vec<Step> = Vec::with_capacity(batch_sizes.len());
    let (mut h1s, mut c1s, mut h2s, mut c2s) = (vec![], vec![], vec![], vec![]);
    let mut at = 0;
    for &rows in batch_sizes {
        let top = |t: &Tensor| t.narrow(0, 0, rows);
        let [h1, c1, h2, c2] = match steps.last() {
            Some(last) => {
                [top(&last.first.hidden), top(&last.first.cell), top(&last.second.hidden), top(&last.second.cell)]
            }
            None => [0; 4].map(|_| top(&zero)),
        };
        let mut gates = Vec::with_capacity(2);
        for ((weight, semantics), state) in w.gates.iter().zip(&known.semantics).zip([&h1, &h2]) {
            gates.push(top(semantics).addmm(state, &weight.tr()));
        }
        let recurrent = gates.first().map_or_else(|| h1.shallow_clone(), |gate| gate.glu(-1));
        let i2 = gates.get(1).map(|gate| gate.glu(-1));
        let mut z = known.first.narrow(0, at, rows).addmm(&recurrent, &first_hh);
        let _ = z.addmm_(&h2, &h2_to_first);
        let first = Activations::new(&z, &c1);
        let query = w.state_bias.addmm(&first.hidden, &state);
        let scores = (top(&known.keys) + query.unsqueeze(1)).tanh_();
        let attention = scores.matmul(&score).softmax(-1, Kind::Float);
        let attended = attention.unsqueeze(1).bmm(&top(&known.values)).squeeze_dim(1);
        let mut z = w.second_bias.addmm(&attended, &attended_to_second);
        let _ = z.addmm_(&first.hidden, &h1_to_second);
        let _ = z.addmm_(&h2, &w.second_hh.tr());
        if let Some(i2) = &i2 {
            let _ = z.addmm_(i2, &w.block(&w.second_ih, 2).tr());
        }
        let second = Activations::new(&z, &c2);
        h1s.push(h1);
        c1s.push(c1);
        h2s.push(h2);
        c2s.push(c2);
        steps.push(Step { recurrent, first, scores, attention, attended, i2, second, gates });
        at += rows;
    }
    let all = |parts: &[Tensor]| Tensor::cat(parts, 0);
    (steps, Before { h1: all(&h1s), c1: all(&c1s), h2: all(&h2s), c2: all(&c2s) })
}

/// The steps of one LSTM as one.
fn together(steps: &[Step], lstm: impl Fn(&Step) -> &Activations) -> Activations {
    Activations {
        gates: cat(steps, |step| &lstm(step).gates),
        cell: cat(steps, |step| &lstm(step).cell),
        squashed: cat(steps, |step| &lstm(step).squashed),
        hidden: cat(steps, |step| &lstm(step).hidden),
    }
}

/// Derivatives of a gated linear unit by its two halves, `[N, 2, D]`.
fn unit_slopes(gates: &Tensor) -> Tensor {
    let halves = gates.chunk(2, -1);
    let open = halves[1].sigmoid();
    let slope = &open * (1.0 - &open);
    Tensor::stack(&[&open, &(&halves[0] * slope)], 1)
}

fn backward(weights: &Weights, known: &Known, steps: &[Step], before: &Before, gradient: &Tensor) -> Gradients {
    let w = weights;
    let first = Derivatives::new(&together(steps, |step| &step.first), &before.c1);
    let second = Derivatives::new(&together(steps, |step| &step.second), &before.c2);
    let slopes: Vec<Tensor> = (0..w.gates.len()).map(|k| unit_slopes(&cat(steps, |step| &step.gates[k]))).collect();
    let (attended_to_second, h1_to_second) = (w.block(&w.second_ih, 0), w.block(&w.second_ih, 1));
    let (h2_to_first, score) = (w.block(&w.first_ih, 0), w.score.view(-1));
    let d_keys = known.keys.zeros_like();
    let d_values = known.values.zeros_like();
    let mut d_score = score.zeros_like();
    let d_semantics: Vec<Tensor> = known.semantics.iter().map(Tensor::zeros_like).collect();
    let mut d_gates: Vec<Vec<Tensor>> = slopes.iter().map(|_| Vec::with_capacity(steps.len())).collect();
    let (mut d_first, mut d_second, mut d_state) = (vec![], vec![], vec![]);
    // Gradients of the states after the step at hand, by the steps behind it.
    let most = known.keys.size()[0];
    let zero = || Tensor::zeros([most, w.hidden], (gradient.kind(), gradient.device()));
    let (d_h1, d_c1, d_h2, d_c2) = (zero(), zero(), zero(), zero());
    let mut end = gradient.size()[0];
    for step in steps.iter().rev() {
        let rows = step.attention.size()[0];
        let at = end - rows;
        let top = |t: &Tensor| t.narrow(0, 0, rows);
        // L-LSTM.
        let d_hidden = top(&d_h2) + gradient.narrow(0, at, rows);
        let (dz, d_cell) = second.apply(at, rows, &d_hidden, &top(&d_c2));
        d_c2.narrow(0, 0, rows).copy_(&d_cell);
        let mut d_h2_before = dz.matmul(&w.second_hh);
        let mut d_h1_now = top(&d_h1).addmm(&dz, &h1_to_second);
        let d_attended = dz.matmul(&attended_to_second);
        if let (Some(slopes), [_, gate]) = (slopes.get(1), w.gates.as_slice()) {
            let d_unit = dz.matmul(&w.block(&w.second_ih, 2));
            let d_gate = (d_unit.unsqueeze(1) * slopes.narrow(0, at, rows)).flatten(1, 2);
            let _ = d_h2_before.addmm_(&d_gate, gate);
            let _ = d_semantics[1].narrow(0, 0, rows).g_add_(&d_gate);
            d_gates[1].push(d_gate);
        }
        d_second.push(dz);
        // Attention.
        let (attention, values) = (&step.attention, top(&known.values));
        let _ = d_values.narrow(0, 0, rows).addcmul_(&attention.unsqueeze(-1), &d_attended.unsqueeze(1));
        let d_attention = values.bmm(&d_attended.unsqueeze(-1)).squeeze_dim(-1);
        let mean = (attention * &d_attention).sum_dim_intlist([-1i64].as_slice(), true, None);
        let d_scores = attention * (d_attention - mean); // before the softmax: [R, P]
        let width = step.scores.size()[2];
        d_score += step.scores.view([-1, width]).tr().mv(&d_scores.view(-1));
        let d_sum = Tensor::tanh_backward(&(d_scores.unsqueeze(-1) * &score), &step.scores);
        let _ = d_keys.narrow(0, 0, rows).g_add_(&d_sum);
        let d_query = d_sum.sum_dim_intlist([1i64].as_slice(), false, None);
        let _ = d_h1_now.addmm_(&d_query, &w.state);
        d_state.push(d_query);
        // Att-LSTM.
        let (dz, d_cell) = first.apply(at, rows, &d_h1_now, &top(&d_c1));
        d_c1.narrow(0, 0, rows).copy_(&d_cell);
        let _ = d_h2_before.addmm_(&dz, &h2_to_first);
        let d_recurrent = dz.matmul(&w.first_hh);
        let d_h1_before = match (slopes.first(), w.gates.first()) {
            (Some(slopes), Some(gate)) => {
                let d_gate = (d_recurrent.unsqueeze(1) * slopes.narrow(0, at, rows)).flatten(1, 2);
                let _ = d_semantics[0].narrow(0, 0, rows).g_add_(&d_gate);
                let d_before = d_gate.matmul(gate);
                d_gates[0].push(d_gate);
                d_before
            }
            _ => d_recurrent,
        };
        d_first.push(dz);
        d_h1.narrow(0, 0, rows).copy_(&d_h1_before);
        d_h2.narrow(0, 0, rows).copy_(&d_h2_before);
        end = at;
    }
    let forwards = |mut parts: Vec<Tensor>| {
        parts.reverse();
        Tensor::cat(&parts, 0)
    };
    let i2: Vec<&Tensor> = steps.iter().filter_map(|step| step.i2.as_ref()).collect();
    Gradients {
        first: forwards(d_first),
        second: forwards(d_second),
        gates: d_gates.into_iter().map(forwards).collect(),
        state: forwards(d_state),
        score: d_score.view_as(&w.score),
        semantics: d_semantics,
        keys: d_keys,
        values: d_values,
        recurrent: cat(steps, |step| &step.recurrent),
        attended: cat(steps, |step| &step.attended),
        i2: if i2.is_empty() { Tensor::new() } else { Tensor::cat(&i2, 0) },
        h1: cat(steps, |step| &step.first.hidden),
        h1_before: before.h1.shallow_clone(),
        h2_before: before.h2.shallow_clone(),
    }
}
