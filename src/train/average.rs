//! Averages of weights: a moving one beside the training, and the mean of several checkpoints.

use super::checkpoint::NamedTensors;
use anyhow::{Context, Result, bail};
use tch::nn::VarStore;
use tch::{Kind, Tensor};

/// Before the names of the parameters as trained, in a checkpoint whose weights are their average.
const TRAINED: &str = "trained.";

/// A moving average of the parameters that are trained.
#[derive(Debug)]
pub(super) struct MovingAverage {
    decay: f64,
    /// By name: the parameter, and its average.
    values: Vec<(String, Tensor, Tensor)>,
}

impl MovingAverage {
    /// Begins with the parameters as they are.
    pub(super) fn new(decay: f64, store: &VarStore) -> Self {
        let mut variables: Vec<_> = store.variables().into_iter().filter(|(_, value)| value.requires_grad()).collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        let beside = |(name, value): (String, Tensor)| {
            let average = value.detach().copy();
            (name, value, average)
        };
        Self { decay, values: variables.into_iter().map(beside).collect() }
    }

    /// Takes in the parameters after so many updates.
    pub(super) fn update(&mut self, updates: u64) {
        let decay = self.decay.min((1.0 + updates as f64) / (10.0 + updates as f64));
        tch::no_grad(|| {
            for (_, value, average) in &mut self.values {
                let difference = &*value - &*average;
                let _ = average.g_add_(&(difference * (1.0 - decay)));
            }
        });
    }

    /// Puts the averages in the place of the parameters, and the other way round.
    pub(super) fn swap(&mut self) {
        tch::no_grad(|| {
            for (_, value, average) in &mut self.values {
                let kept = value.detach().copy();
                value.copy_(average);
                average.copy_(&kept);
            }
        });
    }

    /// A checkpoint's weights with the averages among them, and the parameters in their place, for [`Self::restore`].
    pub(super) fn saved(&self, weights: &mut NamedTensors) -> NamedTensors {
        let mut trained = Vec::with_capacity(self.values.len());
        for (name, value, average) in &self.values {
            if let Some((_, weight)) = weights.iter_mut().find(|(known, _)| known == name) {
                *weight = average.shallow_clone();
                trained.push((format!("{TRAINED}{name}"), value.detach()));
            }
        }
        trained
    }

    /// Takes the averages from the store, which holds a checkpoint's weights, and gives it the parameters.
    pub(super) fn restore(&mut self, saved: &NamedTensors) -> Result<()> {
        tch::no_grad(|| {
            for (name, value, average) in &mut self.values {
                let key = format!("{TRAINED}{name}");
                let found = saved.iter().find(|(known, tensor)| *known == key && tensor.size() == value.size());
                let (_, trained) = found.with_context(|| format!("the checkpoint lacks '{key}'"))?;
                average.copy_(value);
                value.copy_(trained);
            }
            Ok(())
        })
    }
}

/// The mean of the weights of several checkpoints of one model; what are no floats are the first one's.
///
/// # Errors
/// Other names or shapes than the first one's; none at all.
pub fn mean_weights(all: &[NamedTensors]) -> Result<NamedTensors> {
    let Some((first, others)) = all.split_first() else { bail!("there are no weights to average") };
    let mean = |(name, tensor): &(String, Tensor)| -> Result<(String, Tensor)> {
        let mut all = vec![tensor.to_kind(Kind::Double)];
        for weights in others {
            let found = weights.iter().find(|(known, other)| known == name && other.size() == tensor.size());
            let (_, other) = found.with_context(|| format!("not every checkpoint has '{name}' in the same shape"))?;
            all.push(other.to_kind(Kind::Double));
        }
        let mean = Tensor::stack(&all, 0).mean_dim([0i64].as_slice(), false, Kind::Double).to_kind(tensor.kind());
        Ok((name.clone(), if tensor.is_floating_point() { mean } else { tensor.shallow_clone() }))
    };
    if let Some(other) = others.iter().find(|other| other.len() != first.len()) {
        bail!("one checkpoint has {} tensors and another {}: they are of different models", first.len(), other.len());
    }
    first.iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, nn};

    fn value(tensor: &Tensor) -> f64 {
        tensor.double_value(&[0])
    }

    #[test]
    fn a_moving_average_is_the_hand_computed_one_and_comes_back_with_what_was_trained() {
        let store = VarStore::new(Device::Cpu);
        let mut parameter = store.root().var("w", &[1], nn::Init::Const(1.0));
        let mut average = MovingAverage::new(0.5, &store);
        let mut set = |to: f64| tch::no_grad(|| _ = parameter.fill_(to));
        set(2.0);
        average.update(1); // decay 2/11: 1 + 9/11
        set(4.0);
        average.update(1000); // decay 0.5
        let expected = 0.5 * (1.0 + 9.0 / 11.0) + 2.0;
        average.swap();
        assert!((value(&store.variables()["w"]) - expected).abs() < 1e-6);
        average.swap();
        assert_eq!(value(&store.variables()["w"]), 4.0);
        let mut weights: NamedTensors = store.variables().into_iter().map(|(name, w)| (name, w.copy())).collect();
        let trained = average.saved(&mut weights);
        assert!((value(&weights[0].1) - expected).abs() < 1e-6 && value(&trained[0].1) == 4.0);
        let trained: NamedTensors = trained.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
        tch::no_grad(|| store.variables().get_mut("w").unwrap().copy_(&weights[0].1));
        let mut again = MovingAverage::new(0.5, &store);
        again.restore(&trained).unwrap();
        assert_eq!(value(&store.variables()["w"]), 4.0);
        again.swap();
        assert!((value(&store.variables()["w"]) - expected).abs() < 1e-6);
        assert!(again.restore(&Vec::new()).unwrap_err().to_string().contains("trained.w"));
    }

    #[test]
    fn the_mean_of_checkpoints_is_that_of_each_weight_and_other_models_are_refused() {
        let weights = |w: f32, steps: i64| -> NamedTensors {
            vec![("steps".into(), Tensor::from_slice(&[steps])), ("w".into(), Tensor::from_slice(&[w, 2.0 * w]))]
        };
        let mean = mean_weights(&[weights(1.0, 7), weights(2.0, 8), weights(6.0, 9)]).unwrap();
        assert_eq!(Vec::<f32>::try_from(&mean[1].1).unwrap(), [3.0, 6.0]);
        assert_eq!(Vec::<i64>::try_from(&mean[0].1).unwrap(), [7]);
        let mut other = weights(1.0, 7);
        other[1].1 = Tensor::from_slice(&[1f32]);
        assert!(mean_weights(&[weights(1.0, 7), other]).unwrap_err().to_string().contains("'w'"));
        assert!(
            mean_weights(&[weights(1.0, 7), weights(1.0, 7)[..1].iter().map(|(n, t)| (n.clone(), t.copy())).collect()])
                .is_err()
        );
    }
}
