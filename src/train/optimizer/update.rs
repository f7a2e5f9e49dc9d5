//! One step of an optimiser on one parameter, elements side by side.

use crate::train::{OptimizerConfig, OptimizerKind};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Elements that one task updates. Fixed, though the result does not depend on it: every element is on its own.
const CHUNK: usize = 1 << 16;

/// The numbers of one step: `m` and `v` are the running means of gradient and squared gradient, then
/// `p -= rate * m / (sqrt(v) / root + eps)`, or while RAdam cannot tell the variance, `p -= rate * m`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    beta1: f64,
    beta2: f64,
    decay: f64,
    /// Factor of the parameter before the step: AdamW's decay.
    shrink: f64,
    rate: f64,
    denominator: Option<Denominator>,
}

#[derive(Debug, Clone, Copy)]
struct Denominator {
    root: f64,
    eps: f64,
}

impl Update {
    /// Step number `step`, from 1, with learning rate `lr`.
    pub(super) fn new(config: &OptimizerConfig, step: i64, lr: f64) -> Self {
        let [beta1, beta2] = config.betas;
        let eps = config.eps;
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let rate = lr / (1.0 - beta1.powi(power));
        let root = (1.0 - beta2.powi(power)).sqrt();
        let (rate, denominator) = match config.kind {
            // PyTorch adds eps before it corrects the root for bias.
            OptimizerKind::Radam => match rectification(beta2, step) {
                Some(rectified) => (rate * rectified * root, Some(Denominator { root: 1.0, eps })),
                None => (rate, None),
            },
            _ => (rate, Some(Denominator { root, eps })),
        };
        let (decay, shrink) = match config.kind {
            OptimizerKind::Adamw => (0.0, 1.0 - lr * config.weight_decay),
            _ => (config.weight_decay, 1.0),
        };
        Self { beta1, beta2, decay, shrink, rate, denominator }
    }

    pub(super) fn apply(&self, parameter: &mut Tensor, gradient: &Tensor, [m, v]: [&mut Tensor; 2]) {
        if self.shrink != 1.0 {
            let _ = parameter.g_mul_scalar_(self.shrink);
        }
        let flat = |t: &Tensor| t.device() == Device::Cpu && t.kind() == Kind::Float && t.is_contiguous();
        if [&*parameter, gradient, &*m, &*v].into_iter().all(flat) {
            self.apply_cpu(parameter, gradient, m, v);
        } else {
            self.apply_tensors(parameter, gradient, m, v);
        }
    }

    /// One pass over memory where single tensor operations would make eight.
    fn apply_cpu(&self, parameter: &mut Tensor, gradient: &Tensor, m: &mut Tensor, v: &mut Tensor) {
        // SAFETY: all four are contiguous float32 CPU tensors of one shape (checked by the caller), distinct from one
        // another, and borrowed for the length of the call.
        let slices = unsafe {
            let length = parameter.numel();
            let slice = |t: &mut Tensor| std::slice::from_raw_parts_mut(t.data_ptr().cast::<f32>(), length);
            let gradient = std::slice::from_raw_parts(gradient.data_ptr().cast::<f32>(), length);
            (slice(parameter), gradient, slice(m), slice(v))
        };
        let rate = self.rate as f32;
        match self.denominator {
            Some(Denominator { root, eps }) => {
                let (root, eps) = (root as f32, eps as f32);
                self.pass(slices, |p, m, v| *p -= rate * m / (v.sqrt() / root + eps));
            }
            None => self.pass(slices, |p, m, _| *p -= rate * m),
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

    fn apply_tensors(&self, parameter: &mut Tensor, gradient: &Tensor, m: &mut Tensor, v: &mut Tensor) {
        let gradient = if self.decay == 0.0 { gradient.shallow_clone() } else { gradient + &*parameter * self.decay };
        let _ = m.lerp_(&gradient, 1.0 - self.beta1);
        let _ = v.g_mul_scalar_(self.beta2);
        *v += gradient.square() * (1.0 - self.beta2);
        match self.denominator {
            Some(Denominator { root, eps }) => *parameter -= &*m / (v.sqrt() / root + eps) * self.rate,
            None => *parameter -= &*m * self.rate,
        }
    }
}

/// SGD: the velocity gathers gradients and decay, and is the step.
pub(super) fn sgd(config: &OptimizerConfig, lr: f64, parameter: &mut Tensor, gradient: &Tensor, velocity: &mut Tensor) {
    let _ = velocity.g_mul_scalar_(config.momentum);
    *velocity += gradient;
    if config.weight_decay > 0.0 {
        *velocity += &*parameter * config.weight_decay;
    }
    *parameter -= &*velocity * lr;
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
