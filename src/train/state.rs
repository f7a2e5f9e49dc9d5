//! Where a training run stands: everything but tensors that an exact continuation needs.

use super::memory::Memory;
use super::step::Spent;
use crate::eval::Scores;
use crate::train::EarlyStopConfig;
use serde::{Deserialize, Serialize};

/// Counters and history, saved as `state.json` in every checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// Epochs completed.
    pub epoch: usize,
    /// Steps done in the epoch after those; 0 at an epoch's boundary.
    pub step: usize,
    /// Steps done in the whole run.
    #[serde(default)]
    pub updates: u64,
    /// Steps of an earlier stage, where the schedule counts them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub steps_before: u64,
    /// Processes that share a step; 0 in files from before it was written, which one made.
    #[serde(default)]
    pub processes: usize,
    /// Sum over the epoch's steps of loss x tokens, and of tokens.
    pub loss_sum: f64,
    pub tokens: i64,
    /// The same of the loss's terms before their weights, where it has several; of the examples of the first process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<(String, Recent)>,
    /// The same of what an objective tells beside its loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<(String, Recent)>,
    /// Of them, what came after the last record in `curve`.
    #[serde(default)]
    pub recent: Recent,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_told: Vec<(String, Recent)>,
    /// The loss every so many steps of the whole run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<StepRecord>,
    pub best: Option<Best>,
    /// The score by which epochs are compared, by its full name: `METEOR (exact+stem)` where METEOR was asked for and
    /// its resources are absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
    pub history: Vec<EpochRecord>,
}

/// The best epoch so far by the watched metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub epoch: usize,
    pub score: f64,
}

/// Sums over some steps: of loss x tokens, and of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    pub loss_sum: f64,
    pub tokens: i64,
}

/// The last few steps, as `steps.jsonl` holds them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Steps done in the whole run.
    pub step: u64,
    /// The epoch they belong to, from 1.
    pub epoch: usize,
    /// Mean over the tokens since the record before.
    pub loss: f64,
    /// The same of what is told beside the loss: reward, length.
    #[serde(default, skip_serializing_if = "is_default")]
    pub told: Scores,
    /// Of the last step.
    pub lr: f64,
    /// When that was, seconds since 1970.
    pub time: f64,
}

/// One epoch, as `metrics.jsonl` holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Cross-entropy and whatever else the model sums, mean over the epoch's tokens or images, dropout on.
    pub train_loss: f64,
    /// Its terms before their weights, where it has several.
    #[serde(default, skip_serializing_if = "is_default")]
    pub terms: Scores,
    /// What an objective tells beside its loss, mean over the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub told: Scores,
    pub lr: f64,
    /// Of the validation split.
    pub validation: Scores,
    /// Wall time of training and of validation.
    pub seconds: f64,
    pub validation_seconds: f64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub captions_per_second: f64,
    /// In its place where images are trained on, not captions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub images_per_second: f64,
    /// What the seconds of training went for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spent: Spent,
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: Memory,
    /// When the epoch ended, seconds since 1970.
    #[serde(default, skip_serializing_if = "is_default")]
    pub time: f64,
}

impl EpochRecord {
    /// What is gone through a second, and its name.
    pub(super) fn speed(&self) -> (f64, &'static str) {
        match self.images_per_second {
            0.0 => (self.captions_per_second, "captions"),
            speed => (speed, "images"),
        }
    }
}

/// What a loop does not measure is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TrainState {
    /// Takes in a finished epoch; true where it is the best so far.
    pub fn finish_epoch(&mut self, record: EpochRecord, score: f64) -> bool {
        let better = self.best.as_ref().is_none_or(|best| score > best.score);
        if better {
            self.best = Some(Best { epoch: record.epoch, score });
        }
        self.epoch = record.epoch;
        (self.step, self.loss_sum, self.tokens) = (0, 0.0, 0);
        self.terms.clear();
        self.told.clear();
        self.history.push(record);
        better
    }

    /// Takes in a step's sums of loss x tokens and of tokens.
    pub fn count(&mut self, loss_sum: f64, tokens: i64) {
        self.loss_sum += loss_sum;
        self.tokens += tokens;
        self.recent.loss_sum += loss_sum;
        self.recent.tokens += tokens;
    }

    /// Takes in the same of a term of the loss.
    pub fn count_term(&mut self, name: &str, of_step: Recent) {
        add(&mut self.terms, name, of_step);
    }

    /// Takes in the same of what is told beside the loss.
    pub fn count_told(&mut self, name: &str, of_step: Recent) {
        add(&mut self.told, name, of_step);
        add(&mut self.recent_told, name, of_step);
    }

    /// Means of the loss's terms in the epoch so far.
    pub fn mean_terms(&self) -> Scores {
        means(&self.terms)
    }

    /// Means of what is told beside the loss in the epoch so far.
    pub fn mean_told(&self) -> Scores {
        means(&self.told)
    }

    /// Mean loss of the epoch so far.
    pub fn mean_loss(&self) -> f64 {
        self.loss_sum / self.tokens.max(1) as f64
    }

    /// Puts a record of the steps since the one before on the curve.
    pub fn note_steps(&mut self, lr: f64, time: f64) {
        let Recent { loss_sum, tokens } = std::mem::take(&mut self.recent);
        let loss = loss_sum / tokens.max(1) as f64;
        let told = means(&std::mem::take(&mut self.recent_told));
        self.curve.push(StepRecord { step: self.updates, epoch: self.epoch + 1, loss, told, lr, time });
    }

    /// Whether `patience` epochs have passed since the best one.
    pub fn exhausted(&self, rule: &EarlyStopConfig) -> bool {
        self.best.as_ref().is_some_and(|best| self.epoch - best.epoch >= rule.patience)
    }
}

/// Adds to the sums of that name.
fn add(all: &mut Vec<(String, Recent)>, name: &str, of_step: Recent) {
    let place = all.iter().position(|(known, _)| known == name).unwrap_or(all.len());
    if place == all.len() {
        all.push((name.to_owned(), Recent::default()));
    }
    if let Some((_, sums)) = all.get_mut(place) {
        sums.loss_sum += of_step.loss_sum;
        sums.tokens += of_step.tokens;
    }
}

fn means(sums: &[(String, Recent)]) -> Scores {
    let mean = |(name, sums): &(String, Recent)| (name.clone(), sums.loss_sum / sums.tokens.max(1) as f64);
    Scores(sums.iter().map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss: 1.0,
            terms: Scores::default(),
            told: Scores::default(),
            lr: 1e-4,
            validation: Scores::default(),
            seconds: 1.0,
            validation_seconds: 0.1,
            captions_per_second: 1.0,
            images_per_second: 0.0,
            spent: Spent::default(),
            memory: Memory::default(),
            time: 0.0,
        }
    }

    #[test]
    fn terms_of_the_loss_are_means_over_the_tokens_of_an_epoch() {
        let mut state = TrainState::default();
        for (loss, tokens) in [(2.0, 1), (1.0, 3)] {
            state.count_term("words", Recent { loss_sum: loss * f64::from(tokens), tokens: i64::from(tokens) });
        }
        state.count_term("attributes", Recent { loss_sum: 6.0, tokens: 2 });
        assert_eq!(state.mean_terms(), Scores(vec![("words".into(), 1.25), ("attributes".into(), 3.0)]));
        state.finish_epoch(record(1), 0.1);
        assert_eq!(state.mean_terms(), Scores::default());
    }

    #[test]
    fn training_stops_patience_epochs_after_the_best() {
        let rule = EarlyStopConfig { patience: 2, ..EarlyStopConfig::default() };
        let mut state = TrainState::default();
        let better: Vec<bool> =
            [0.1, 0.3, 0.2, 0.3].iter().enumerate().map(|(i, &s)| state.finish_epoch(record(i + 1), s)).collect();
        assert_eq!(better, [true, true, false, false], "an equal score is not better");
        assert_eq!(state.best, Some(Best { epoch: 2, score: 0.3 }));
        assert!(state.exhausted(&rule));
    }
}
