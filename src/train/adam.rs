//! Adam with a state that can be saved and restored.

use crate::config::schema::OptimizerConfig;
use anyhow::{Result, bail};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Adam (Kingma and Ba 2015, Algorithm 1) as PyTorch computes it. LibTorch's own optimiser keeps its moments out of
/// reach, and a run could not be resumed exactly.
#[derive(Debug)]
pub struct Adam {
    parameters: Vec<(String, Tensor)>,
    /// First and second moments, shaped as their parameters.
    moments: Vec<[Tensor; 2]>,
    steps: i64,
    config: OptimizerConfig,
    /// Current learning rate: schedules change it.
    pub lr: f64,
}

/// Elements that one task updates. Fixed, though the result does not depend on it: every element is on its own.
const CHUNK: usize = 1 << 16;

impl Adam {
    /// An optimiser of the given named parameters, moments zero.
    pub fn new(parameters: Vec<(String, Tensor)>, config: &OptimizerConfig) -> Self {
        let moments = parameters.iter().map(|(_, p)| [p.detach().zeros_like(), p.detach().zeros_like()]).collect();
        Self { parameters, moments, steps: 0, config: config.clone(), lr: config.lr }
    }

    /// One update from the parameters' gradients. A parameter without a gradient stays as it is.
    pub fn step(&mut self) {
        self.steps += 1;
        let [beta1, beta2] = self.config.betas;
        let update = Update {
            beta1,
            beta2,
            rate: self.lr / (1.0 - beta1.powi(self.steps as i32)),
            root_correction: (1.0 - beta2.powi(self.steps as i32)).sqrt(),
            eps: self.config.eps,
            decay: self.config.weight_decay,
        };
        tch::no_grad(|| {
            for ((_, parameter), moments) in self.parameters.iter_mut().zip(&mut self.moments) {
                let gradient = parameter.grad();
                if gradient.defined() {
                    update.apply(parameter, &gradient, moments);
                }
            }
        });
    }

    /// Clears the gradients.
    pub fn zero_grad(&mut self) {
        self.parameters.iter_mut().for_each(|(_, parameter)| parameter.zero_grad());
    }

    /// Scales all gradients so that their common norm is at most `limit`; gives the norm before.
    pub fn clip_norm(&mut self, limit: f64) -> f64 {
        tch::no_grad(|| {
            let mut gradients: Vec<Tensor> =
                self.parameters.iter().map(|(_, p)| p.grad()).filter(Tensor::defined).collect();
            let squares: Vec<Tensor> = gradients.iter().map(|g| g.norm().square()).collect();
            if squares.is_empty() {
                return 0.0;
            }
            let norm = Tensor::stack(&squares, 0).sum(Kind::Float).sqrt().double_value(&[]);
            if norm > limit {
                gradients.iter_mut().for_each(|g| _ = g.g_mul_scalar_(limit / (norm + 1e-6)));
            }
            norm
        })
    }

    /// The state under names for a safetensors file: `m.<parameter>`, `v.<parameter>`, and `steps` `[1]`.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![("steps".to_owned(), Tensor::from_slice(&[self.steps]))];
        for ((name, _), [m, v]) in self.parameters.iter().zip(&self.moments) {
            state.push((format!("m.{name}"), m.shallow_clone()));
            state.push((format!("v.{name}"), v.shallow_clone()));
        }
        state
    }

    /// Restores what [`Self::state`] gave; every tensor must be there with its shape.
    pub fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let find = |name: &str| match state.iter().find(|(key, _)| key == name) {
            Some((_, tensor)) => Ok(tensor),
            None => bail!("the optimiser state lacks '{name}'"),
        };
        tch::no_grad(|| {
            for ((name, _), moments) in self.parameters.iter().zip(&mut self.moments) {
                for (prefix, moment) in ["m", "v"].into_iter().zip(moments) {
                    let saved = find(&format!("{prefix}.{name}"))?;
                    if saved.size() != moment.size() {
                        let (found, expected) = (saved.size(), moment.size());
                        bail!(
                            "the optimiser state '{prefix}.{name}' has shape {found:?}, the model needs {expected:?}"
                        );
                    }
                    moment.copy_(saved);
                }
            }
            self.steps = i64::try_from(find("steps")?.to_device(Device::Cpu).reshape([1]))?;
            Ok(())
        })
    }
}

/// The numbers of one step.
struct Update {
    beta1: f64,
    beta2: f64,
    /// lr / (1 - beta1^t)
    rate: f64,
    /// sqrt(1 - beta2^t)
    root_correction: f64,
    eps: f64,
    decay: f64,
}

impl Update {
    fn apply(&self, parameter: &mut Tensor, gradient: &Tensor, moments: &mut [Tensor; 2]) {
        let [m, v] = moments;
        let flat = |t: &Tensor| t.device() == Device::Cpu && t.kind() == Kind::Float && t.is_contiguous();
        if [&*parameter, gradient, m, v].into_iter().all(flat) {
            self.apply_cpu(parameter, gradient, m, v);
        } else {
            self.apply_tensors(parameter, gradient, m, v);
        }
    }

    /// One pass over memory where single tensor operations would make eight.
    fn apply_cpu(&self, parameter: &mut Tensor, gradient: &Tensor, m: &mut Tensor, v: &mut Tensor) {
        // SAFETY: all four are contiguous float32 CPU tensors of one shape (checked by the caller), distinct from one
        // another, and borrowed for the length of the call.
        let (p, g, m, v) = unsafe {
            let length = parameter.numel();
            let slice = |t: &mut Tensor| std::slice::from_raw_parts_mut(t.data_ptr().cast::<f32>(), length);
            let gradient = std::slice::from_raw_parts(gradient.data_ptr().cast::<f32>(), length);
            (slice(parameter), gradient, slice(m), slice(v))
        };
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        let (one_less_beta1, one_less_beta2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let (rate, root, eps, decay) =
            (self.rate as f32, self.root_correction as f32, self.eps as f32, self.decay as f32);
        p.par_chunks_mut(CHUNK)
            .zip(g.par_chunks(CHUNK))
            .zip(m.par_chunks_mut(CHUNK))
            .zip(v.par_chunks_mut(CHUNK))
            .for_each(|(((p, g), m), v)| {
                for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                    let g = g + decay * *p;
                    *m = beta1 * *m + one_less_beta1 * g;
                    *v = beta2 * *v + one_less_beta2 * g * g;
                    *p -= rate * *m / (v.sqrt() / root + eps);
                }
            });
    }

    fn apply_tensors(&self, parameter: &mut Tensor, gradient: &Tensor, m: &mut Tensor, v: &mut Tensor) {
        let gradient = if self.decay == 0.0 { gradient.shallow_clone() } else { gradient + &*parameter * self.decay };
        let _ = m.lerp_(&gradient, 1.0 - self.beta1);
        let _ = v.g_mul_scalar_(self.beta2);
        *v += gradient.square() * (1.0 - self.beta2);
        let denominator = v.sqrt() / self.root_correction + self.eps;
        *parameter -= &*m / denominator * self.rate;
    }
}
