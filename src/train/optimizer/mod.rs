//! Adam, AdamW, RAdam and SGD with a state that can be saved and restored.

mod parts;
mod together;
mod update;

use super::parallel::ProcessGroup;
use crate::runtime::libtorch::{clear_gradient, set_gradient};
use crate::train::{OptimizerConfig, OptimizerKind, PartConfig};
use anyhow::{Result, bail};
use rustc_hash::FxHashMap;
use tch::{Device, Kind, Tensor};
use update::{Member, Update, is_plain};

/// An optimiser as PyTorch computes it. LibTorch's own optimisers keep their moments out of reach, and a run could
/// not be resumed exactly.
#[derive(Debug)]
pub struct Optimizer {
    parameters: Vec<Parameter>,
    config: OptimizerConfig,
    /// Current learning rate: schedules change it.
    pub lr: f64,
}

/// A parameter that is trained, and what the optimiser knows of it.
#[derive(Debug)]
struct Parameter {
    name: String,
    value: Tensor,
    /// By [`moments`], shaped as the parameter.
    moments: Vec<Tensor>,
    steps: i64,
    lr_scale: f64,
    decay: bool,
    clip_value: Option<f64>,
}

/// What an optimiser keeps of each parameter: running means of gradient and squared gradient, or SGD's velocity.
fn moments(kind: OptimizerKind) -> &'static [&'static str] {
    match kind {
        OptimizerKind::Sgd => &["momentum"],
        OptimizerKind::Adam | OptimizerKind::Radam | OptimizerKind::Adamw => &["m", "v"],
    }
}

impl Parameter {
    fn gradient(&self) -> Option<Tensor> {
        Some(self.value.grad()).filter(Tensor::defined)
    }

    fn is_plain(&self) -> bool {
        is_plain(&self.value) && self.moments.iter().all(is_plain)
    }
}

impl Optimizer {
    /// An optimiser of those of a model's named variables that are trained: not its running statistics, nor what
    /// `parts` freeze, which henceforth ask for no gradient.
    ///
    /// Errors: a prefix in `parts` that fits no variable, and parts that freeze all of them.
    pub fn new(mut variables: Vec<(String, Tensor)>, config: &OptimizerConfig, parts: &[PartConfig]) -> Result<Self> {
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        let settings = parts::assign(&names, parts)?;
        let mut parameters = Vec::with_capacity(variables.len());
        for ((name, value), part) in variables.into_iter().zip(settings) {
            if part.is_some_and(|part| part.freeze) {
                let _ = value.set_requires_grad(false);
            }
            if !value.requires_grad() {
                continue;
            }
            let zeros = || value.detach().zeros_like();
            parameters.push(Parameter {
                moments: moments(config.kind).iter().map(|_| zeros()).collect(),
                name,
                value,
                steps: 0,
                lr_scale: part.map_or(1.0, |part| part.lr_scale),
                decay: part.is_none_or(|part| part.decay),
                clip_value: part.and_then(|part| part.clip_value),
            });
        }
        if parameters.is_empty() {
            bail!("all parameters of the model are frozen; check train.parts or encoder.trainable");
        }
        Ok(Self { parameters, config: config.clone(), lr: config.lr })
    }

    /// One update from the parameters' gradients. A parameter without a gradient stays as it is.
    pub fn step(&mut self) {
        // What is the same step of several parameters that are not plain ones: those of a GPU.
        let mut together: Vec<(Update, Vec<Member<'_>>)> = Vec::new();
        tch::no_grad(|| {
            for parameter in &mut self.parameters {
                let Some(gradient) = parameter.gradient() else { continue };
                parameter.steps += 1;
                let lr = if parameter.decay { self.lr } else { self.config.lr };
                let update = Update::new(&self.config, parameter.steps, lr * parameter.lr_scale);
                if parameter.is_plain() && is_plain(&gradient) {
                    update.apply(&mut parameter.value, &gradient, &mut parameter.moments);
                    continue;
                }
                let member = (&parameter.value, gradient, parameter.moments.as_slice());
                match together.iter_mut().find(|(known, _)| *known == update) {
                    Some((_, members)) => members.push(member),
                    None => together.push((update, vec![member])),
                }
            }
            together.iter().for_each(|(update, members)| update.apply_together(members));
        });
    }

    /// Takes the gradients away.
    pub fn zero_grad(&mut self) {
        self.parameters.iter().for_each(|parameter| clear_gradient(&parameter.value));
    }

    /// Multiplies all gradients.
    pub fn scale_gradients(&mut self, factor: f64) {
        tch::no_grad(|| together::scale(factor, &self.gradients().iter().collect::<Vec<_>>()));
    }

    /// One for each parameter that has a gradient, else zero.
    pub(super) fn with_gradient(&self) -> impl Iterator<Item = f64> {
        self.parameters.iter().map(|parameter| f64::from(u8::from(parameter.gradient().is_some())))
    }

    /// Makes each gradient `factor` times its sum over the processes of a group. `present` tells for each parameter
    /// whether any process has a gradient of it; those of which none has stay without.
    pub(super) fn sum_gradients(&mut self, group: &ProcessGroup, present: &[f64], factor: f64) -> Result<()> {
        tch::no_grad(|| {
            let shared: Vec<&Parameter> =
                self.parameters.iter().zip(present).filter(|(_, count)| **count > 0.0).map(|(p, _)| p).collect();
            let flat = |p: &&Parameter| p.gradient().unwrap_or_else(|| p.value.detach().zeros_like()).reshape([-1]);
            if shared.is_empty() {
                return Ok(());
            }
            let mut all = Tensor::cat(&shared.iter().map(flat).collect::<Vec<_>>(), 0);
            group.sum(&mut all)?;
            let _ = all.g_mul_scalar_(factor);
            let lengths: Vec<i64> = shared.iter().map(|parameter| parameter.value.numel() as i64).collect();
            for (parameter, part) in shared.iter().zip(all.split_with_sizes(lengths, 0)) {
                set_gradient(&parameter.value, &part.view(parameter.value.size().as_slice()));
            }
            Ok(())
        })
    }

    /// Clamps every element of the gradients to `[-limit, limit]`, with the limit of the parameter's part where it has
    /// one, else with `limit`.
    pub fn clip_value(&mut self, limit: Option<f64>) {
        let mut on_gpu: Vec<(f64, Vec<Tensor>)> = Vec::new();
        tch::no_grad(|| {
            for parameter in &self.parameters {
                let (Some(limit), Some(mut gradient)) = (parameter.clip_value.or(limit), parameter.gradient()) else {
                    continue;
                };
                if gradient.device() == Device::Cpu {
                    let _ = gradient.clamp_(-limit, limit);
                    continue;
                }
                match on_gpu.iter_mut().find(|(known, _)| *known == limit) {
                    Some((_, members)) => members.push(gradient),
                    None => on_gpu.push((limit, vec![gradient])),
                }
            }
            on_gpu.iter().for_each(|(limit, members)| together::clamp(*limit, &members.iter().collect::<Vec<_>>()));
        });
    }

    /// Scales all gradients so that their common norm is at most `limit`; gives the norm before, which a GPU may not
    /// know yet.
    pub fn clip_norm(&mut self, limit: f64) -> Tensor {
        tch::no_grad(|| {
            let gradients = self.gradients();
            match gradients.first().map(Tensor::device) {
                None => Tensor::from(0f32),
                Some(Device::Cpu) => {
                    let squares: Vec<Tensor> = gradients.iter().map(|gradient| gradient.norm().square()).collect();
                    let norm = Tensor::stack(&squares, 0).sum(Kind::Float).sqrt();
                    let value = norm.double_value(&[]);
                    if value > limit {
                        self.scale_gradients(limit / (value + 1e-6));
                    }
                    norm
                }
                Some(_) => together::clip(limit, &gradients.iter().collect::<Vec<_>>()),
            }
        })
    }

    fn gradients(&self) -> Vec<Tensor> {
        self.parameters.iter().filter_map(Parameter::gradient).collect()
    }

    /// The state under names for a safetensors file: `<moment>.<parameter>` (m and v, or momentum), and `steps`, Int64,
    /// one for each parameter by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let steps: Vec<i64> = self.parameters.iter().map(|parameter| parameter.steps).collect();
        let mut state = vec![("steps".to_owned(), Tensor::from_slice(&steps))];
        for Parameter { name, moments: kept, .. } in &self.parameters {
            let named = moments(self.config.kind).iter().zip(kept);
            state.extend(named.map(|(moment, tensor)| (format!("{moment}.{name}"), tensor.shallow_clone())));
        }
        state
    }

    /// Restores what [`Self::state`] gave; every tensor must be there with its shape.
    pub fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let by_name: FxHashMap<&str, &Tensor> = state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let find = |name: &str, shape: &[i64]| match by_name.get(name) {
            Some(saved) if saved.size() == shape => Ok(*saved),
            Some(saved) => {
                bail!("the optimiser state '{name}' has shape {:?}, the model needs {shape:?}", saved.size())
            }
            None => bail!("the optimiser state lacks '{name}'"),
        };
        let steps = find("steps", &[self.parameters.len() as i64])?;
        let steps = Vec::<i64>::try_from(steps.to_device(Device::Cpu))?;
        tch::no_grad(|| {
            for (parameter, steps) in self.parameters.iter_mut().zip(steps) {
                for (prefix, moment) in moments(self.config.kind).iter().zip(&mut parameter.moments) {
                    moment.copy_(find(&format!("{prefix}.{}", parameter.name), &moment.size())?);
                }
                parameter.steps = steps;
            }
            Ok(())
        })
    }
}
