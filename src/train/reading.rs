//! Losses of batches on their way from the device.

use super::state::{Recent, TrainState};
use crate::models::Losses;
use crate::runtime::libtorch::Coming;
use anyhow::{Context, Result};
use tch::{Kind, Tensor};

/// What a step learned of its examples.
#[derive(Default)]
pub(super) struct Sums {
    /// Tokens, or images.
    pub(super) weight: i64,
    /// Of loss x weight.
    pub(super) loss: f64,
    /// Of the loss's terms in each batch, where it has several.
    pub(super) terms: Vec<(&'static str, Recent)>,
    /// The same of what is told beside the loss.
    pub(super) told: Vec<(&'static str, Recent)>,
    /// Batches that count in `weight` and not yet in the rest.
    pub(super) unread: Vec<Reading>,
}

impl Sums {
    /// Those of two batches of a step.
    pub(super) fn extend(&mut self, other: Self) {
        self.weight += other.weight;
        self.loss += other.loss;
        self.terms.extend(other.terms);
        self.told.extend(other.told);
        self.unread.extend(other.unread);
    }

    /// Adds what a batch, of which the weight is counted, turned out to have lost; gives its loss.
    pub(super) fn take_in(&mut self, reading: &Reading) -> Result<f64> {
        let values = Vec::<f64>::try_from(reading.values.wait())?;
        let (loss, terms) = values.split_first().context("a loss without a value")?;
        let sum = |value: &f64| Recent { loss_sum: value * reading.weight as f64, tokens: reading.weight };
        self.loss += loss * reading.weight as f64;
        self.terms.extend(reading.names.iter().copied().zip(terms.iter().map(sum)));
        Ok(*loss)
    }

    /// Counts the step.
    pub(super) fn count(&self, state: &mut TrainState) {
        state.count(self.loss, self.weight);
        self.terms.iter().for_each(|(name, of_batch)| state.count_term(name, *of_batch));
        self.told.iter().for_each(|(name, of_batch)| state.count_told(name, *of_batch));
    }
}

/// What a batch of that weight tells beside its loss.
pub(super) fn told(losses: &Losses, weight: i64) -> Vec<(&'static str, Recent)> {
    let over = |&(name, value): &(_, f64)| (name, Recent { loss_sum: value * weight as f64, tokens: weight });
    losses.told().iter().map(over).collect()
}

/// The loss of a batch and, where it has several, its terms, in one copy that the host need not wait for.
pub(super) struct Reading {
    /// Of the batch, in tokens or images.
    pub(super) weight: i64,
    pub(super) examples: Vec<usize>,
    /// Where the batch belongs, from 0.
    pub(super) epoch: usize,
    pub(super) step: usize,
    names: Vec<&'static str>,
    /// The loss, then those terms.
    values: Coming,
}

impl Reading {
    /// That of a batch of the step at which `state` stands.
    pub(super) fn new(losses: &Losses, weight: i64, examples: &[usize], state: &TrainState) -> Self {
        let terms = Some(losses.terms()).filter(|terms| terms.len() > 1).unwrap_or_default();
        let (names, mut values): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
        values.insert(0, losses.total().detach());
        let values: Vec<Tensor> = values.iter().map(|value| value.to_kind(Kind::Double)).collect();
        let values = Coming::new(&Tensor::stack(&values, 0));
        Self { weight, examples: examples.to_vec(), epoch: state.epoch, step: state.step, names, values }
    }
}
