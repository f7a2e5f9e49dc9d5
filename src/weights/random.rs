//! Seeded random parameters, for demonstrations and tests: a formula of name and index, the same on every machine.

use crate::util::rng::Rng;
use std::collections::BTreeMap;
use tch::nn::VarStore;
use tch::{Kind, Tensor};

/// Sets every parameter and running statistic of a network.
///
/// Element `i` of tensor `name` is `scale x u + centre`, `u` uniform in `[-1, 1)` by SplitMix64 from the FNV-1a hash of
/// the name. Weights of two or more dimensions are He-uniform (He et al. 2015); the last normalisation of a residual
/// branch is small, so that deep sums keep their size.
pub fn randomise(store: &VarStore) {
    let parameters: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    for (name, mut parameter) in parameters {
        let shape = parameter.size();
        let values = values(&name, &shape);
        let tensor = Tensor::from_slice(&values).view(shape.as_slice());
        tch::no_grad(|| parameter.copy_(&tensor.to_kind(Kind::Float)));
    }
}

/// Start of a training from nothing: weights of two or more dimensions are drawn by name and `seed`, convolutions
/// He-uniform (He et al. 2015, over the inputs of a unit), linear layers uniform in `+-1 / sqrt(inputs)`. Scales,
/// biases and running statistics stay as networks are built: ones, zeros, layer scales 1e-6.
pub fn initialise(variables: &[(String, Tensor)], seed: u64) {
    for (name, variable) in variables {
        let shape = variable.size();
        let inputs = shape.iter().skip(1).product::<i64>() as f64;
        let scale = match shape.len() {
            4 => (6.0 / inputs).sqrt(),
            2 => 1.0 / inputs.sqrt(),
            _ => continue,
        };
        let key = Rng::new(&[fnv1a(name), seed]).next_u64();
        let values: Vec<f32> = (1..=variable.numel() as u64).map(|index| (scale * unit(key, index)) as f32).collect();
        let tensor = Tensor::from_slice(&values).view(shape.as_slice());
        tch::no_grad(|| variable.shallow_clone().copy_(&tensor));
    }
}

fn values(name: &str, shape: &[i64]) -> Vec<f32> {
    let count = shape.iter().product::<i64>().max(0) as usize;
    let (centre, scale) = range(name, shape);
    let key = fnv1a(name);
    (1..=count as u64).map(|index| (centre + scale * unit(key, index)) as f32).collect()
}

/// `count` numbers, uniform in `[-1, 1)`, by the formula of [`randomise`].
pub fn random_values(name: &str, count: usize) -> Vec<f32> {
    let key = fnv1a(name);
    (1..=count as u64).map(|index| unit(key, index) as f32).collect()
}

/// Centre and half width of the values of a tensor.
fn range(name: &str, shape: &[i64]) -> (f64, f64) {
    if name.ends_with("running_var") {
        (1.0, 0.25)
    } else if name.ends_with("layer_scale") || name.ends_with("bn3.weight") {
        (0.2, 0.02)
    } else if let [_, inner @ ..] = shape
        && !inner.is_empty()
    {
        (0.0, (6.0 / inner.iter().product::<i64>() as f64).sqrt())
    } else if name.ends_with("weight") {
        (1.0, 0.1)
    } else {
        (0.0, 0.1)
    }
}

/// Uniform in `[-1, 1)`.
fn unit(key: u64, index: u64) -> f64 {
    let mut z = key.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_depend_on_name_and_index_alone() {
        assert_eq!(fnv1a("a"), 0xAF63_DC4C_8601_EC8C); // published test vector
        let bias = values("bn1.bias", &[4]);
        assert_eq!(bias, values("bn1.bias", &[4]));
        assert_ne!(bias, values("bn2.bias", &[4]));
        assert!(bias.iter().all(|value| value.abs() <= 0.1));
        assert!(values("bn1.running_var", &[100]).iter().all(|value| (0.75..1.25).contains(value)));
    }

    #[test]
    fn weights_have_he_variance() {
        let weights = values("conv.weight", &[64, 16, 3, 3]);
        let variance = weights.iter().map(|w| f64::from(w * w)).sum::<f64>() / weights.len() as f64;
        assert!((variance / (2.0 / 144.0) - 1.0).abs() < 0.05);
    }
}
