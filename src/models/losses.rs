//! Losses, and operations with a backward pass of their own.

use crate::data::batch::PackedCaptions;
use tch::{Kind, Reduction, Tensor};

/// Cross-entropy of a packed batch's tokens from their logits `[N, V]`, a scalar: the mean over the tokens, or the sum
/// of each one's loss times its weight, over their number. Smoothed labels: Szegedy et al. 2016, section 7.
pub fn token_cross_entropy(logits: &Tensor, captions: &PackedCaptions) -> Tensor {
    let of =
        |reduction| logits.cross_entropy_loss::<Tensor>(&captions.targets, None, reduction, -100, captions.smoothing);
    match &captions.weights {
        Some(weights) => (of(Reduction::None) * weights).sum(Kind::Float) / captions.tokens().max(1) as f64,
        None if captions.smoothing > 0.0 => of(Reduction::Mean),
        None => logits.cross_entropy_for_logits(&captions.targets),
    }
}

/// The named terms of a training loss, scalars whose weighted sum is minimised, and what its backward pass needs.
///
/// What it tells of its terms leads into no graph: [`Losses::backward`] is the only way to their gradients, so that no
/// [splice](Splices) is passed by.
///
/// ```compile_fail,E0616
/// fn pass_by(losses: rsic::models::Losses) {
///     for (_, term) in losses.terms {
///         term.backward();
///     }
/// }
/// ```
#[must_use = "`backward` adds the gradients to the parameters"]
pub struct Losses {
    terms: Vec<Term>,
    splices: Splices,
    told: Vec<(&'static str, f64)>,
}

struct Term {
    name: &'static str,
    value: Tensor,
    weight: f64,
}

/// Whose backward pass an operation takes that has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backward {
    Own,
    /// LibTorch's, to compare with: `benches/backward.rs`.
    LibTorch,
}

/// The operations of a forward pass that are computed outside LibTorch's graph and spliced into it, in their order.
///
/// [`Losses::spliced`] alone makes it, and keeps it with the terms:
///
/// ```compile_fail,E0599
/// let splices = rsic::models::losses::Splices::new(rsic::models::losses::Backward::Own);
/// ```
///
/// # Panics
/// Dropped after a backward pass that ended at its outputs in place of going on behind them.
pub struct Splices {
    backward: Backward,
    pending: Vec<Splice>,
}

/// Downstream sees `output`, a leaf; once the gradient of that leaf is known, `backward` turns it into a scalar whose
/// own backward pass feeds the inputs.
struct Splice {
    output: Tensor,
    backward: Box<dyn FnOnce(&Tensor) -> Tensor>,
}

impl Losses {
    /// Of terms within LibTorch's graph.
    pub fn new(terms: Vec<(&'static str, Tensor)>) -> Self {
        Self::spliced(Backward::Own, |_| terms)
    }

    /// Of terms whose operations may have backward passes of their own.
    pub fn spliced(backward: Backward, terms: impl FnOnce(&mut Splices) -> Vec<(&'static str, Tensor)>) -> Self {
        let mut splices = Splices { backward, pending: Vec::new() };
        let term = |(name, value)| Term { name, value, weight: 1.0 };
        Self { terms: terms(&mut splices).into_iter().map(term).collect(), splices, told: Vec::new() }
    }

    /// The same with weights on the terms, by name; 0 leaves a term out of the sum.
    pub fn weighted(mut self, weight: impl Fn(&str) -> f64) -> Self {
        self.terms.iter_mut().for_each(|term| term.weight = weight(term.name));
        self
    }

    /// The same with numbers for the log beside the loss, means over the batch.
    pub fn telling(self, told: Vec<(&'static str, f64)>) -> Self {
        Self { told, ..self }
    }

    /// What [`Self::telling`] was given.
    pub fn told(&self) -> &[(&'static str, f64)] {
        &self.told
    }

    /// The terms before their weights, scalars without a graph.
    pub fn terms(&self) -> Vec<(&'static str, Tensor)> {
        self.terms.iter().map(|term| (term.name, term.value.detach())).collect()
    }

    /// The weighted sum of the terms, a scalar without a graph.
    pub fn total(&self) -> Tensor {
        // One term alone is its own sum, graph and all.
        tch::no_grad(|| self.sum()).detach()
    }

    fn sum(&self) -> Tensor {
        let weighed = |Term { value, weight, .. }: &Term| match weight {
            1.0 => value.shallow_clone(),
            weight => value * *weight,
        };
        self.terms.iter().filter(|term| term.weight != 0.0).map(weighed).sum()
    }

    /// Adds the gradients of `scale` times the sum of the terms to the parameters.
    pub fn backward(mut self, scale: f64) {
        let total = self.sum();
        (if scale == 1.0 { total } else { total * scale }).backward();
        self.splices.apply();
    }
}

impl Default for Losses {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Splices {
    /// Whether operations are to stay within LibTorch's graph.
    pub fn libtorch(&self) -> bool {
        self.backward == Backward::LibTorch
    }

    /// Wraps the output of an operation computed without a graph: what downstream is to use in its place. `backward`
    /// gets its gradient `g` and gives `sum_i <input_i, dL/dinput_i>` with the factors `dL/dinput_i` constant, whose
    /// derivatives are the wanted ones.
    pub fn add(&mut self, output: &Tensor, backward: impl FnOnce(&Tensor) -> Tensor + 'static) -> Tensor {
        let leaf = output.detach().set_requires_grad(true);
        self.pending.push(Splice { output: leaf.shallow_clone(), backward: Box::new(backward) });
        leaf
    }

    /// Cuts the graph behind some tensors: downstream sees leaves, and their gradients go on into the graph in one
    /// pass, after all that comes later. Needed where several splices, or a splice and the loss itself, share a graph:
    /// LibTorch walks through a graph once.
    pub fn cut(&mut self, tensors: &[Tensor]) -> Vec<Tensor> {
        let sizes: Vec<i64> = tensors.iter().map(|t| t.numel() as i64).collect();
        let flat = Tensor::cat(&tensors.iter().map(|t| t.reshape([-1])).collect::<Vec<_>>(), 0);
        let leaf = self.add(&flat.shallow_clone(), move |gradient| flat.dot(gradient));
        let parts = leaf.split_with_sizes(sizes, 0);
        parts.iter().zip(tensors).map(|(part, tensor)| part.view(tensor.size().as_slice())).collect()
    }

    /// Hands on the gradients of the outputs, the last one first.
    fn apply(&mut self) {
        while let Some(Splice { output, backward }) = self.pending.pop() {
            let gradient = output.grad();
            if gradient.defined() {
                let product = backward(&gradient);
                // Nothing to do where all that the operation used is frozen.
                if product.requires_grad() {
                    product.backward();
                }
            }
        }
    }
}

impl Drop for Splices {
    fn drop(&mut self) {
        let lost = !std::thread::panicking() && self.pending.iter().any(|splice| splice.output.grad().defined());
        assert!(!lost, "a backward pass ended at a splice: gradients go through `Losses::backward` alone");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// Twice a parameter, by a splice.
    fn doubled(parameter: &Tensor, splices: &mut Splices) -> Tensor {
        let input = parameter.shallow_clone();
        splices.add(&tch::no_grad(|| parameter * 2.0), move |gradient| (input * (gradient * 2.0)).sum(Kind::Float))
    }

    fn parameter() -> Tensor {
        Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true)
    }

    #[test]
    fn gradients_go_on_behind_splices_in_a_row() {
        let parameter = parameter();
        let losses = Losses::spliced(Backward::Own, |splices| {
            let once = doubled(&parameter, splices);
            let [cut] = splices.cut(&[once * 3.0]).try_into().unwrap();
            vec![("loss", doubled(&cut, splices).sum(Kind::Float))]
        });
        assert_eq!(losses.total().double_value(&[]), 36.0);
        losses.backward(0.5);
        assert_eq!(Vec::<f32>::try_from(parameter.grad()).unwrap(), [6.0; 3]);
    }

    #[test]
    fn terms_count_by_their_weights_and_those_of_none_are_left_out() {
        let parameter = parameter();
        let term = |factor: f64| (&parameter * factor).sum(Kind::Float);
        let losses = Losses::new(vec![("a", term(1.0)), ("b", term(2.0)), ("c", term(f64::NAN))]);
        let losses = losses.weighted(|name| match name {
            "a" => 1.0,
            "b" => 0.5,
            _ => 0.0,
        });
        assert_eq!(losses.total().double_value(&[]), 6.0);
        assert_eq!(losses.terms()[1].1.double_value(&[]), 6.0, "told as it is");
        losses.backward(1.0);
        assert_eq!(Vec::<f32>::try_from(parameter.grad()).unwrap(), [2.0; 3]);
    }

    /// Two captions, `4 <end>` and `5 <end>`, under logits whose softmax is known.
    fn two_captions() -> (Tensor, PackedCaptions) {
        let likely = [[0.5f64, 0.25, 0.25], [0.2, 0.3, 0.5], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]];
        let mut captions = PackedCaptions::new(&[&[1, 0, 2], &[1, 1, 2]], Device::Cpu);
        assert_eq!(Vec::<i64>::try_from(&captions.targets).unwrap(), [0, 1, 2, 2]);
        captions.smoothing = 0.0;
        (Tensor::from_slice2(&likely).to_kind(Kind::Float).log(), captions)
    }

    #[test]
    fn a_weighted_loss_is_each_token_s_weight_times_its_negative_log_likelihood() {
        let (logits, captions) = two_captions();
        let mean = token_cross_entropy(&logits, &captions).double_value(&[]);
        assert!((mean + (0.5f64.ln() + 0.3f64.ln() + 0.3f64.ln() + 0.5f64.ln()) / 4.0).abs() < 1e-6);
        let weighted = token_cross_entropy(&logits, &captions.weighted(&[2.0, -1.0])).double_value(&[]);
        // The first caption's tokens are 0.5 and 0.3, the second one's 0.3 and 0.5.
        let expected = (-2.0 * (0.5f64.ln() + 0.3f64.ln()) + (0.3f64.ln() + 0.5f64.ln())) / 4.0;
        assert!((weighted - expected).abs() < 1e-6, "{weighted} is not {expected}");
    }

    #[test]
    fn smoothed_labels_share_their_probability_over_the_vocabulary() {
        let (logits, captions) = two_captions();
        let smoothed = PackedCaptions { smoothing: 0.3, ..captions };
        let token = |of: [f64; 3], target: usize| {
            -0.7 * of[target].ln() - 0.1 * of.iter().map(|probability| probability.ln()).sum::<f64>()
        };
        let expected = token([0.5, 0.25, 0.25], 0)
            + token([0.2, 0.3, 0.5], 1)
            + token([0.1, 0.6, 0.3], 2)
            + token([0.25, 0.25, 0.5], 2);
        let found = token_cross_entropy(&logits, &smoothed).double_value(&[]);
        assert!((found - expected / 4.0).abs() < 1e-6, "{found} is not {}", expected / 4.0);
    }

    #[test]
    fn what_losses_tell_leads_into_no_graph() {
        let parameter = parameter();
        let terms = |splices: &mut Splices| vec![("loss", doubled(&parameter, splices).sum(Kind::Float))];
        let losses = Losses::spliced(Backward::Own, terms);
        assert!(!losses.total().requires_grad());
        assert!(losses.terms().iter().all(|(_, term)| !term.requires_grad()));
    }

    #[test]
    #[should_panic(expected = "a backward pass ended at a splice")]
    fn a_backward_pass_that_passes_a_splice_by_is_a_panic() {
        let parameter = parameter();
        let _ = Losses::spliced(Backward::Own, |splices| {
            let loss = doubled(&parameter, splices).sum(Kind::Float);
            loss.backward();
            vec![("loss", loss)]
        });
    }
}
