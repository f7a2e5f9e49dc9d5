//! One step of an optimiser, elements side by side.

use super::together;
use crate::train::{OptimizerConfig, OptimizerKind};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Elements that one task updates. Fixed, though the result does not depend on it: every element is on its own.
const CHUNK: usize = 1 << 16;

/// One step of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Update {
    Adaptive(Adaptive),
    Momentum(Momentum),
}

/// The numbers of one step: `m` and `v` are the running means of gradient and squared gradient, then
/// `p -= rate * m / (sqrt(v) / root + eps)`, or while RAdam cannot tell the variance, `p -= rate * m`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Adaptive {
    beta1: f64,
    beta2: f64,
    decay: f64,
    /// Factor of the parameter before the step: AdamW's decay.
    shrink: f64,
    rate: f64,
    root: f64,
    eps: f64,
    divides: bool,
}

/// SGD: the velocity gathers gradients and decay, and is the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Momentum {
    pub(super) lr: f64,
    pub(super) momentum: f64,
    pub(super) decay: f64,
}

/// A parameter among several: its value, gradient and moments.
pub(super) type Member<'a> = (&'a Tensor, Tensor, &'a [Tensor]);

impl Update {
    /// Step number `step`, from 1, with learning rate `lr`.
    pub(super) fn new(config: &OptimizerConfig, step: i64, lr: f64) -> Self {
        match config.kind {
            OptimizerKind::Sgd => {
                Self::Momentum(Momentum { lr, momentum: config.momentum, decay: config.weight_decay })
            }
            _ => Self::Adaptive(Adaptive::new(config, step, lr)),
        }
    }

    /// The step of one parameter of the host.
    pub(super) fn apply(&self, parameter: &mut Tensor, gradient: &Tensor, moments: &mut [Tensor]) {
        match (self, moments) {
            (Self::Adaptive(adaptive), [m, v]) => adaptive.apply(parameter, gradient, m, v),
            (Self::Momentum(momentum), [velocity]) => momentum.apply(parameter, gradient, velocity),
            _ => {}
        }
    }

    /// The step of several parameters, a kernel for many: each with its gradient and its moments.
    pub(super) fn apply_together(&self, parameters: &[Member<'_>]) {
        let values: Vec<&Tensor> = parameters.iter().map(|(value, ..)| *value).collect();
        let gradients: Vec<&Tensor> = parameters.iter().map(|(_, gradient, _)| gradient).collect();
        let moments = |index: usize| parameters.iter().filter_map(move |(.., moments)| moments.get(index)).collect();
        let [first, second]: [Vec<&Tensor>; 2] = [moments(0), moments(1)];
        match self {
            Self::Adaptive(adaptive) => together::adaptive(adaptive, [&values, &gradients, &first, &second]),
            Self::Momentum(momentum) => together::sgd(momentum, [&values, &gradients, &first]),
        }
    }
}

/// Whether one pass over memory is what a step of these tensors takes.
pub(super) fn is_plain(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous()
}

impl Momentum {
    fn apply(&self, parameter: &mut Tensor, gradient: &Tensor, velocity: &mut Tensor) {
        let _ = velocity.g_mul_scalar_(self.momentum);
        *velocity += gradient;
        if self.decay > 0.0 {
            *velocity += &*parameter * self.decay;
        }
        *parameter -= &*velocity * self.lr;
    }
}

impl Adaptive {
    fn new(config: &OptimizerConfig, step: i64, lr: f64) -> Self {
        let [beta1, beta2] = config.betas;
        let eps = config.eps;
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let rate = lr / (1.0 - beta1.powi(power));
        let root = (1.0 - beta2.powi(power)).sqrt();
        let (rate, root, divides) = match config.kind {
            // PyTorch adds eps before it corrects the root for bias.
            OptimizerKind::Radam => match rectification(beta2, step) {
                Some(rectified) => (rate * rectified * root, 1.0, true),
                None => (rate, 1.0, false),
            },
            _ => (rate, root, true),
        };
        let (decay, shrink) = match config.kind {
            OptimizerKind::Adamw => (0.0, 1.0 - lr * config.weight_decay),
            _ => (config.weight_decay, 1.0),
        };
        Self { beta1, beta2, decay, shrink, rate, root, eps, divides }
    }

    /// One pass over memory where single tensor operations would make eight.
    fn apply(&self, parameter: &mut Tensor, gradient: &Tensor, m: &mut Tensor, v: &mut Tensor) {
        assert!([&*parameter, gradient, &*m, &*v].into_iter().all(is_plain), "not a step of plain tensors");
        if self.shrink != 1.0 {
            let _ = parameter.g_mul_scalar_(self.shrink);
        }
        // SAFETY: all four are contiguous float32 CPU tensors of one shape, distinct from one another, and borrowed for
        // the length of the call.
        let slices = unsafe {
            let length = parameter.numel();
            let slice = |t: &mut Tensor| std::slice::from_raw_parts_mut(t.data_ptr().cast::<f32>(), length);
            let gradient = std::slice::from_raw_parts(gradient.data_ptr().cast::<f32>(), length);
            (slice(parameter), gradient, slice(m), slice(v))
        };
        let [rate, root, eps] = [self.rate, self.root, self.eps].map(|number| number as f32);
        if self.divides {
            self.pass(slices, |p, m, v| *p -= rate * m / (v.sqrt() / root + eps));
        } else {
            self.pass(slices, |p, m, _| *p -= rate * m);
        }
        // LibTorch did not see it: an operation that writes nothing makes the tensor's version a later one.
        let _ = parameter.detach().view(-1).narrow(0, 0, 0).zero_();
    }

    fn pass(
        &self,
        (p, g, m, v): (&mut [f32], &[f32], &mut [f32], &mut [f32]),
        step: impl Fn(&mut f32, f32, f32) + Sync,
    ) {
        let (beta1, beta2, decay) = (self.beta1 as f32, self.beta2 as f32, self.decay as f32);
        let (one_less_beta1, one_less_beta2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        p.par_chunks_mut(CHUNK)
            .zip(g.par_chunks(CHUNK))
            .zip(m.par_chunks_mut(CHUNK))
            .zip(v.par_chunks_mut(CHUNK))
            .for_each(|(((p, g), m), v)| {
                for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                    let g = g + decay * *p;
                    *m = beta1 * *m + one_less_beta1 * g;
                    *v = beta2 * *v + one_less_beta2 * g * g;
                    step(p, *m, *v);
                }
            });
    }
}

/// RAdam's factor of the step, `None` while the variance is out of reach (Algorithm 2 of the paper; PyTorch's threshold
/// of 5 for its `rho_t > 4`).
fn rectification(beta2: f64, step: i64) -> Option<f64> {
    let power = beta2.powi(i32::try_from(step).unwrap_or(i32::MAX));
    let rho_inf = 2.0 / (1.0 - beta2) - 1.0;
    let rho = rho_inf - 2.0 * step as f64 * power / (1.0 - power);
    let ratio = (rho - 4.0) * (rho - 2.0) * rho_inf / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho);
    (rho > 5.0).then(|| ratio.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectification_sets_in_at_the_sixth_step_and_nears_one() {
        assert_eq!(rectification(0.999, 5), None);
        assert!(rectification(0.999, 6).is_some());
        assert!((rectification(0.999, 100_000).unwrap_or_default() - 1.0).abs() < 1e-9);
    }
}
