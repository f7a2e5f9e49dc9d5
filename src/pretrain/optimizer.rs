//! SGD with momentum, Adam and AdamW, whose states can be saved and restored.

use super::config::{OptimizerConfig, OptimizerKind};
use crate::train;
use crate::train::checkpoint::NamedTensors;
use anyhow::{Result, bail};
use tch::Tensor;

/// An optimiser of the parameters that ask for a gradient.
#[derive(Debug)]
pub struct Optimizer {
    parameters: NamedTensors,
    config: OptimizerConfig,
    rule: Rule,
    /// Current learning rate: schedules change it.
    pub lr: f64,
}

#[derive(Debug)]
enum Rule {
    /// Velocities, shaped as their parameters.
    Sgd(Vec<Tensor>),
    Adam(crate::train::Optimizer),
}

impl Optimizer {
    /// Errors: no parameter asks for a gradient.
    pub fn new(variables: &[(String, Tensor)], config: &OptimizerConfig) -> Result<Self> {
        let trained = variables.iter().filter(|(_, variable)| variable.requires_grad());
        let parameters: NamedTensors =
            trained.map(|(name, variable)| (name.clone(), variable.shallow_clone())).collect();
        if parameters.is_empty() {
            bail!("all parameters are frozen; check encoder.trainable");
        }
        let decay = match config.kind {
            OptimizerKind::Adam => config.weight_decay,
            OptimizerKind::Sgd | OptimizerKind::Adamw => 0.0, // done here
        };
        let rule = match config.kind {
            OptimizerKind::Sgd => Rule::Sgd(parameters.iter().map(|(_, p)| p.detach().zeros_like()).collect()),
            OptimizerKind::Adam | OptimizerKind::Adamw => Rule::Adam(adam(&parameters, config, decay)?),
        };
        Ok(Self { parameters, config: config.clone(), rule, lr: config.lr })
    }

    /// Clears the gradients.
    pub fn zero_grad(&mut self) {
        self.parameters.iter_mut().for_each(|(_, parameter)| parameter.zero_grad());
    }

    /// One update from the parameters' gradients, as PyTorch's optimisers of these names compute it. A parameter
    /// without a gradient stays as it is.
    pub fn step(&mut self) {
        let (lr, decay) = (self.lr, self.config.weight_decay);
        match &mut self.rule {
            Rule::Sgd(velocities) => tch::no_grad(|| {
                for ((_, parameter), velocity) in self.parameters.iter_mut().zip(velocities) {
                    let gradient = parameter.grad();
                    if gradient.defined() {
                        let _ = velocity.g_mul_scalar_(self.config.momentum);
                        *velocity += gradient;
                        if decay > 0.0 {
                            *velocity += &*parameter * decay;
                        }
                        *parameter -= &*velocity * lr;
                    }
                }
            }),
            Rule::Adam(adam) => {
                if self.config.kind == OptimizerKind::Adamw && decay > 0.0 {
                    tch::no_grad(|| {
                        for (_, parameter) in &mut self.parameters {
                            if parameter.grad().defined() {
                                let _ = parameter.g_mul_scalar_(1.0 - lr * decay);
                            }
                        }
                    });
                }
                adam.lr = lr;
                adam.step();
            }
        }
    }

    /// The state under names for a safetensors file.
    pub fn state(&self) -> NamedTensors {
        match &self.rule {
            Rule::Sgd(velocities) => {
                let named = self.parameters.iter().zip(velocities);
                named.map(|((name, _), velocity)| (format!("momentum.{name}"), velocity.shallow_clone())).collect()
            }
            Rule::Adam(adam) => adam.state(),
        }
    }

    /// Restores what [`Self::state`] gave; every tensor must be there with its shape.
    pub fn restore(&mut self, state: &NamedTensors) -> Result<()> {
        let velocities = match &mut self.rule {
            Rule::Adam(adam) => return adam.restore(state),
            Rule::Sgd(velocities) => velocities,
        };
        for ((name, _), velocity) in self.parameters.iter().zip(velocities) {
            let key = format!("momentum.{name}");
            match state.iter().find(|(saved, _)| *saved == key) {
                Some((_, saved)) if saved.size() == velocity.size() => tch::no_grad(|| velocity.copy_(saved)),
                Some((_, saved)) => {
                    bail!("the optimiser state '{key}' has shape {:?}, not {:?}", saved.size(), velocity.size())
                }
                None => bail!("the optimiser state lacks '{key}'"),
            }
        }
        Ok(())
    }
}

fn adam(parameters: &NamedTensors, config: &OptimizerConfig, weight_decay: f64) -> Result<crate::train::Optimizer> {
    let shared = parameters.iter().map(|(name, parameter)| (name.clone(), parameter.shallow_clone())).collect();
    let OptimizerConfig { lr, betas, eps, .. } = *config;
    let kind = train::OptimizerKind::Adam;
    let config = train::OptimizerConfig { kind, lr, betas, eps, weight_decay };
    crate::train::Optimizer::new(shared, &config, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Three steps on `sum(w^2 (1, 2)) / 2` from (1, -2).
    fn three_steps(config: &OptimizerConfig, restored_after: Option<usize>) -> Vec<f64> {
        let start = Tensor::from_slice(&[1.0f32, -2.0]).set_requires_grad(true);
        let variables = vec![("w".to_owned(), start)];
        let mut optimizer = Optimizer::new(&variables, config).unwrap();
        for step in 0..3 {
            if restored_after == Some(step) {
                let state: NamedTensors = optimizer.state().iter().map(|(n, t)| (n.clone(), t.copy())).collect();
                optimizer = Optimizer::new(&variables, config).unwrap();
                optimizer.restore(&state).unwrap();
            }
            optimizer.zero_grad();
            let w = &variables[0].1;
            ((w * w * Tensor::from_slice(&[1.0f32, 2.0])).sum(Kind::Float) / 2.0).backward();
            optimizer.step();
        }
        Vec::try_from(variables[0].1.detach().to_kind(Kind::Double).to_device(Device::Cpu)).unwrap()
    }

    /// The numbers are those of torch.optim.SGD, Adam and AdamW of PyTorch 2.11.
    #[test]
    fn steps_equal_pytorch_and_survive_being_saved() {
        let config =
            |kind, lr| OptimizerConfig { kind, lr, momentum: 0.9, weight_decay: 0.1, ..OptimizerConfig::default() };
        for (kind, lr, expected) in
            [(OptimizerKind::Sgd, 0.1, SGD), (OptimizerKind::Adam, 0.1, ADAM), (OptimizerKind::Adamw, 0.1, ADAMW)]
        {
            let found = three_steps(&config(kind, lr), None);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{kind:?}: {found} is not {expected}");
            }
            assert_eq!(three_steps(&config(kind, lr), Some(2)), found, "{kind:?}");
        }
    }

    const SGD: [f64; 2] = [0.43964899, -0.04863808];
    const ADAM: [f64; 2] = [0.70158625, -1.70062339];
    const ADAMW: [f64; 2] = [0.67510128, -1.64436865];

    #[test]
    fn nothing_to_train_is_an_error() {
        let frozen = vec![("w".to_owned(), Tensor::from_slice(&[1.0f32]))];
        assert!(Optimizer::new(&frozen, &OptimizerConfig::default()).unwrap_err().to_string().contains("frozen"));
    }
}
