//! The `reinforce` block of an experiment: self-critical sequence training after the captioning stage.

use super::{Examples, METRICS, TrainConfig};
use crate::config::Checks;
use serde::{Deserialize, Serialize};

/// Captions are drawn from the model and count by how much better they score than a baseline: Rennie et al., CVPR 2017,
/// section 4.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReinforceConfig {
    /// Captions drawn of an image in a step.
    pub samples: usize,
    pub baseline: Baseline,
    pub reward: RewardConfig,
    /// Divides the logits that are drawn from.
    ///
    /// Deviation: the gradient is that of the model at 1; elsewhere the draws are another's.
    pub temperature: f64,
    /// Weight of the cross-entropy of the references beside the reward.
    pub cross_entropy: f64,
    /// Dropout in the pass that the gradient comes from. Without it the gradient is that of the captions as drawn, and
    /// tuned encoders stay as they are.
    pub dropout: bool,
    /// Training stops where the captions of a step have fewer words in the mean.
    pub min_length: f64,
    /// Training stops where fewer of a step's captions, as a share, are different ones.
    pub min_distinct: f64,
    /// The stage as a training: an example is an image. Its seed is `train.seed`.
    pub train: TrainConfig,
}

impl Default for ReinforceConfig {
    fn default() -> Self {
        Self {
            samples: 5,
            baseline: Baseline::Mean,
            reward: RewardConfig::default(),
            temperature: 1.0,
            cross_entropy: 0.0,
            dropout: false,
            min_length: 2.0,
            min_distinct: 0.02,
            train: TrainConfig::default(),
        }
    }
}

/// What a caption's reward is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// The greedy caption of the image (Rennie et al. 2017).
    Greedy,
    /// The mean of the image's other draws (Luo 2020).
    Mean,
}

impl Baseline {
    /// Each draw's reward less its baseline; `greedy`: the reward of the greedy caption.
    pub fn advantages(self, rewards: &[f64], greedy: f64) -> Vec<f64> {
        let (sum, others) = (rewards.iter().sum::<f64>(), rewards.len().saturating_sub(1).max(1) as f64);
        let advantage = |&reward: &f64| match self {
            Self::Greedy => reward - greedy,
            Self::Mean => reward - (sum - reward) / others,
        };
        rewards.iter().map(advantage).collect()
    }
}

/// Weights of the metrics whose sum is the reward; those of 0 are not computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RewardConfig {
    /// CIDEr-D.
    #[serde(rename = "CIDEr")]
    pub cider: f64,
    #[serde(rename = "BLEU-4")]
    pub bleu_4: f64,
    #[serde(rename = "METEOR")]
    pub meteor: f64,
    #[serde(rename = "ROUGE_L")]
    pub rouge_l: f64,
    #[serde(rename = "SPICE")]
    pub spice: f64,
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self { cider: 1.0, bleu_4: 0.0, meteor: 0.0, rouge_l: 0.0, spice: 0.0 }
    }
}

impl RewardConfig {
    /// Metrics by name, with their weights.
    pub fn weights(&self) -> [(&'static str, f64); 5] {
        let Self { cider, bleu_4, meteor, rouge_l, spice } = *self;
        [("CIDEr", cider), ("BLEU-4", bleu_4), ("METEOR", meteor), ("ROUGE_L", rouge_l), ("SPICE", spice)]
    }
}

impl ReinforceConfig {
    /// Adds what is wrong with these settings to `checks`.
    pub fn check(&self, checks: &mut Checks) {
        checks.size("reinforce.samples", self.samples);
        checks.require(self.samples != 1 || self.baseline == Baseline::Greedy, "reinforce.samples", || {
            "too small (expected at least 2 for the baseline mean, found 1)".into()
        });
        for (metric, weight) in self.reward.weights() {
            checks.require(weight >= 0.0, &format!("reinforce.reward.{metric}"), || {
                format!("out of range (expected 0 or more, found {weight})")
            });
        }
        checks.require(self.reward.weights().iter().any(|(_, weight)| *weight > 0.0), "reinforce.reward", || {
            "all weights are 0 (expected more than 0 for one metric, such as CIDEr)".into()
        });
        checks.above_zero("reinforce.temperature", self.temperature);
        checks.require(self.cross_entropy >= 0.0, "reinforce.cross_entropy", || {
            format!("out of range (expected 0 or more, found {})", self.cross_entropy)
        });
        checks.require(self.min_length >= 0.0, "reinforce.min_length", || {
            format!("out of range (expected 0 or more, found {})", self.min_length)
        });
        checks.unit("reinforce.min_distinct", self.min_distinct);
        checks.require(self.train.examples == Examples::Captions, "reinforce.train.examples", || {
            "not for this stage, whose examples are images (expected nothing here)".into()
        });
        checks.require(!self.train.is_continued(), "reinforce.train.schedule.noam.continued", || {
            "not for this stage (expected nothing here)".into()
        });
        self.train.check("reinforce.train", &METRICS, checks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_compared_with_the_greedy_caption_or_with_the_mean_of_the_others() {
        let rewards = [1.0, 2.0, 6.0];
        assert_eq!(Baseline::Greedy.advantages(&rewards, 2.5), [-1.5, -0.5, 3.5]);
        assert_eq!(Baseline::Mean.advantages(&rewards, 2.5), [-3.0, -1.5, 4.5]);
        assert_eq!(Baseline::Mean.advantages(&[3.0, 3.0], 0.0), [0.0, 0.0]);
    }
}
