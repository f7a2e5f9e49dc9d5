//! Losses, and operations with a backward pass of their own.

use tch::Tensor;

/// The named terms of a training loss, scalars whose sum is minimised, and what its backward pass needs.
#[derive(Default)]
pub struct Losses {
    pub terms: Vec<(&'static str, Tensor)>,
    splices: Vec<Splice>,
}

/// An operation computed outside LibTorch's graph and spliced into it: downstream sees `output`, a leaf; once the
/// gradient of that leaf is known, `backward` turns it into a scalar whose own backward pass feeds the inputs.
pub struct Splice {
    output: Tensor,
    backward: Box<dyn FnOnce(&Tensor) -> Tensor>,
}

impl Splice {
    /// Wraps the output of an operation computed without a graph. `backward` gets its gradient `g` and gives
    /// `sum_i <input_i, dL/dinput_i>` with the factors `dL/dinput_i` constant, whose derivatives are the wanted ones.
    pub fn new(output: Tensor, backward: impl FnOnce(&Tensor) -> Tensor + 'static) -> (Tensor, Self) {
        let leaf = output.detach().set_requires_grad(true);
        (leaf.shallow_clone(), Self { output: leaf, backward: Box::new(backward) })
    }
}

impl Splice {
    /// Cuts the graph behind some tensors: downstream sees leaves, and their gradients go on into the graph in one
    /// pass, after all that comes later. Needed where several splices, or a splice and the loss itself, share a graph:
    /// LibTorch walks through a graph once.
    pub fn cut(tensors: &[Tensor]) -> (Vec<Tensor>, Self) {
        let sizes: Vec<i64> = tensors.iter().map(|t| t.numel() as i64).collect();
        let flat = Tensor::cat(&tensors.iter().map(|t| t.reshape([-1])).collect::<Vec<_>>(), 0);
        let (leaf, splice) = Self::new(flat.shallow_clone(), move |gradient| flat.dot(gradient));
        let parts = leaf.split_with_sizes(sizes, 0);
        (parts.iter().zip(tensors).map(|(part, tensor)| part.view(tensor.size().as_slice())).collect(), splice)
    }
}

impl Losses {
    /// `splices` in the order of the forward pass.
    pub fn new(terms: Vec<(&'static str, Tensor)>, splices: Vec<Splice>) -> Self {
        Self { terms, splices }
    }

    /// The sum of the terms, a scalar without a graph.
    pub fn total(&self) -> Tensor {
        tch::no_grad(|| self.terms.iter().map(|(_, term)| term).sum())
    }

    /// Adds the gradients of `scale` times the sum of the terms to the parameters.
    pub fn backward(self, scale: f64) {
        let total: Tensor = self.terms.iter().map(|(_, term)| term).sum();
        (if scale == 1.0 { total } else { total * scale }).backward();
        for splice in self.splices.into_iter().rev() {
            let gradient = splice.output.grad();
            if gradient.defined() {
                let product = (splice.backward)(&gradient);
                // Nothing to do where all that the operation used is frozen.
                if product.requires_grad() {
                    product.backward();
                }
            }
        }
    }
}
