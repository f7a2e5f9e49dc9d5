//! From attribute probabilities to sampled attributes: Eqs. (5) to (14).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// How attributes are sampled of their probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// The margin-based sampling operator, Eqs. (11) to (14).
    Mso,
    /// The logistic sampler, Eq. (5), with all its gradients.
    Logistic,
    /// 1 from `max - lambda * margin` on, else 0; no gradient.
    Threshold,
}

/// A sampler and its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    pub sampler: Sampler,
    /// Steepness of the logistic curve.
    pub beta: f64,
    /// Distance from the greatest probability at which the curve is one half: `lambda * margin`.
    pub reach: f64,
}

impl Sampling {
    /// Probabilities `[I, A]` -> sampled attributes `[I, A]`, near 0 or 1.
    pub fn sample(&self, probabilities: &Tensor) -> Tensor {
        match self.sampler {
            Sampler::Mso => {
                // The value is m; the gradient is diag(m), Eq. (14): through the factor y_a alone.
                let fixed = probabilities.detach();
                let m = self.curve(&fixed);
                let b = &m - &fixed * &m;
                m * probabilities + b
            }
            Sampler::Logistic => self.curve(probabilities),
            Sampler::Threshold => {
                let fixed = probabilities.detach();
                let (greatest, _) = fixed.max_dim(-1, true);
                fixed.ge_tensor(&(greatest - self.reach)).to_kind(Kind::Float)
            }
        }
    }

    /// `1 / (1 + exp(-beta (y - max(y) + reach)))`.
    fn curve(&self, probabilities: &Tensor) -> Tensor {
        let (greatest, _) = probabilities.max_dim(-1, true);
        ((probabilities - greatest + self.reach) * self.beta).sigmoid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBABILITIES: [f64; 4] = [0.90, 0.82, 0.79, 0.30];

    fn sampled(sampler: Sampler, weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let ys = Tensor::from_slice(&PROBABILITIES).view([1, 4]).set_requires_grad(true);
        let sampling = Sampling { sampler, beta: 100.0, reach: 0.1 };
        let out = sampling.sample(&ys);
        if out.requires_grad() {
            (&out * Tensor::from_slice(weights)).sum(Kind::Double).backward();
        }
        let gradient = if ys.grad().defined() { Vec::try_from(ys.grad().view(-1)).unwrap() } else { vec![0.0; 4] };
        (Vec::try_from(out.detach().to_kind(Kind::Double).view(-1)).unwrap(), gradient)
    }

    fn near(ours: &[f64], expected: &[f64]) {
        for (a, b) in ours.iter().zip(expected) {
            assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{ours:?} {expected:?}");
        }
    }

    /// By hand: the exponents are beta (y - 0.9 + 0.1) = 10, 2, -1, -50.
    fn values() -> Vec<f64> {
        [10f64, 2.0, -1.0, -50.0].iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()
    }

    #[test]
    fn the_margin_based_operator_has_the_logistic_value_and_the_gradient_m() {
        let (value, gradient) = sampled(Sampler::Mso, &[1.0, 2.0, 3.0, 4.0]);
        near(&value, &values());
        near(&gradient, &values().iter().zip(1..).map(|(m, w)| m * f64::from(w)).collect::<Vec<_>>());
    }

    /// Eqs. (6) to (10): beta f / (1 + f)^2 off the greatest, with f = exp(-x); at the greatest minus the sum over the
    /// others.
    #[test]
    fn the_logistic_sampler_has_the_gradients_of_its_curve_and_of_the_maximum() {
        let weights = [1.0, 2.0, 3.0, 4.0];
        let (value, gradient) = sampled(Sampler::Logistic, &weights);
        near(&value, &values());
        let slopes: Vec<f64> = values().iter().map(|m| 100.0 * m * (1.0 - m)).collect();
        let others: Vec<f64> = (1..4).map(|k| weights[k] * slopes[k]).collect();
        near(&gradient, &[-others.iter().sum::<f64>(), others[0], others[1], others[2]]);
    }

    #[test]
    fn the_threshold_keeps_what_is_within_reach_of_the_greatest() {
        let (value, gradient) = sampled(Sampler::Threshold, &[1.0; 4]);
        assert_eq!(value, [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(gradient, [0.0; 4]);
    }
}
