//! Multinomial logistic regression.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

/// How it is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegressionConfig {
    /// Weight of half the squared norm of the weights, beside the mean cross-entropy.
    pub l2: f64,
    /// Most steps.
    pub steps: usize,
    /// Largest element of the gradient at which the fit is done.
    pub tolerance: f64,
}

impl Default for RegressionConfig {
    fn default() -> Self {
        Self { l2: 1e-2, steps: 2000, tolerance: 1e-5 }
    }
}

/// Class scores `W x + b` of features standardised by the training set's mean and deviation.
#[derive(Debug)]
pub struct LogisticRegression {
    mean: Tensor,
    deviation: Tensor,
    /// `[D + 1, K]` Double, the last row the bias.
    weight: Tensor,
}

impl LogisticRegression {
    /// The minimum of mean cross-entropy and `l2`, by Nesterov's accelerated gradient with restarts (O'Donoghue and
    /// Candes 2015): the problem is convex and the step follows from its curvature, so there is nothing to tune.
    /// `start` is an earlier fit on the same features.
    ///
    /// `features` `[N, D]`, a class of `0..classes` each.
    pub fn fit(
        features: &Tensor,
        labels: &[i64],
        classes: i64,
        config: &RegressionConfig,
        start: Option<&Self>,
    ) -> Result<Self> {
        let [count, width] = features.size()[..] else { bail!("features must be [N, D], not {:?}", features.size()) };
        if count as usize != labels.len() || labels.iter().any(|label| !(0..classes).contains(label)) {
            bail!("{count} features do not fit {} labels of {classes} classes", labels.len());
        }
        let features = features.to_kind(Kind::Double);
        let mean = features.mean_dim([0i64].as_slice(), true, Kind::Double);
        let deviation = features.std_dim([0i64].as_slice(), false, true).clamp_min(1e-12);
        let inputs = with_ones(&((features - &mean) / &deviation));
        let truth = Tensor::from_slice(labels).to_device(inputs.device()).one_hot(classes).to_kind(Kind::Double);
        let penalised = Tensor::ones_like(&inputs.get(0)).unsqueeze(1);
        let _ = penalised.get(width).fill_(0.0); // the bias is free
        let penalty = penalised * config.l2;
        let gradient = |weight: &Tensor| {
            let error = inputs.matmul(weight).softmax(-1, Kind::Double) - &truth;
            inputs.tr().matmul(&error) / count as f64 + &penalty * weight
        };
        // The curvature of softmax is at most one half.
        let step = 1.0 / (0.5 * largest_eigenvalue(&inputs) / count as f64 + config.l2);

        let mut weight = match start {
            Some(start) if start.weight.size() == [width + 1, classes] => start.weight.copy(),
            _ => Tensor::zeros([width + 1, classes], (Kind::Double, inputs.device())),
        };
        let (mut ahead, mut inertia) = (weight.copy(), 1.0f64);
        for _ in 0..config.steps {
            let slope = gradient(&ahead);
            if slope.abs().max().double_value(&[]) < config.tolerance {
                break;
            }
            let next = &ahead - &slope * step;
            let movement = &next - &weight;
            if (&slope * &movement).sum(Kind::Double).double_value(&[]) > 0.0 {
                (ahead, inertia) = (weight.copy(), 1.0); // momentum points uphill
                continue;
            }
            let grown = (1.0 + (1.0 + 4.0 * inertia * inertia).sqrt()) / 2.0;
            ahead = &next + movement * ((inertia - 1.0) / grown);
            (weight, inertia) = (next, grown);
        }
        Ok(Self { mean, deviation, weight })
    }

    /// The class of each row of `[N, D]`.
    pub fn predict(&self, features: &Tensor) -> Result<Vec<i64>> {
        let inputs = with_ones(&((features.to_kind(Kind::Double) - &self.mean) / &self.deviation));
        Ok(Vec::try_from(inputs.matmul(&self.weight).argmax(-1, false).to_device(tch::Device::Cpu))?)
    }
}

fn with_ones(inputs: &Tensor) -> Tensor {
    let ones = Tensor::ones([inputs.size()[0], 1], (inputs.kind(), inputs.device()));
    Tensor::cat(&[inputs, &ones], 1)
}

/// Of `X^T X`, from above, by power iteration from a fixed start.
fn largest_eigenvalue(inputs: &Tensor) -> f64 {
    let mut vector = Tensor::ones([inputs.size()[1], 1], (Kind::Double, inputs.device()));
    let mut value = 0.0;
    for _ in 0..50 {
        let image = inputs.tr().matmul(&inputs.matmul(&vector));
        let norm = image.norm().double_value(&[]);
        value = norm / vector.norm().double_value(&[]).max(f64::MIN_POSITIVE);
        vector = image / norm.max(f64::MIN_POSITIVE);
    }
    1.05 * value // the iteration comes from below
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn the_fit_is_the_minimum() {
        let rows: [f64; 12] = [0.0, 1.0, 1.0, 3.0, 2.0, 1.0, 3.0, 5.0, 4.0, 2.0, 6.0, 5.0];
        let features = Tensor::from_slice(&rows).view([6, 2]);
        let labels = [0, 0, 1, 1, 2, 2];
        let config = RegressionConfig { l2: 0.1, steps: 5000, tolerance: 1e-10 };
        let fit = LogisticRegression::fit(&features, &labels, 3, &config, None).unwrap();
        // At the minimum the gradient vanishes: recomputed here from scratch.
        let inputs = with_ones(&((&features - &fit.mean) / &fit.deviation));
        let chances = inputs.matmul(&fit.weight).softmax(-1, Kind::Double);
        let truth = Tensor::from_slice(&labels).one_hot(3).to_kind(Kind::Double);
        let penalty = fit.weight.copy() * 0.1;
        let _ = penalty.get(2).fill_(0.0);
        let gradient = inputs.tr().matmul(&(chances - truth)) / 6.0 + penalty;
        assert!(gradient.abs().max().double_value(&[]) < 1e-9);
        assert_eq!(fit.predict(&features).unwrap().len(), 6);
    }

    #[test]
    fn separable_classes_are_separated_whatever_the_units() {
        tch::manual_seed(1);
        let centres = Tensor::from_slice(&[0.0, 0.0, 5.0, 0.0, 0.0, 5.0f64]).view([3, 2]);
        let labels: Vec<i64> = (0..90).map(|i| i % 3).collect();
        let noise = Tensor::randn([90, 2], (Kind::Double, Device::Cpu)) * 0.5;
        let features =
            (centres.index_select(0, &Tensor::from_slice(&labels)) + noise) * Tensor::from_slice(&[1e4, 1e-3]);
        let fit = LogisticRegression::fit(&features, &labels, 3, &RegressionConfig::default(), None).unwrap();
        assert_eq!(fit.predict(&features).unwrap(), labels);
        assert!(LogisticRegression::fit(&features, &labels, 2, &RegressionConfig::default(), None).is_err());
    }
}
