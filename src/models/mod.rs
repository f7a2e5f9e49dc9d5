//! The captioning models. A model is one file: paper, `Config`, private blocks bottom-up, the public struct last.
//!
//! To add one: its file here, a variant of [`ModelConfig`], an arm in [`build`], its experiment files.

pub mod captioner;
pub mod encoders;
pub mod fe_lws;
pub mod layers;
pub mod losses;
pub mod weights;

pub use captioner::{Captioner, State};
pub use losses::Losses;

use crate::config::schema::ModelConfig;
use std::collections::BTreeMap;
use tch::nn::{Path, VarStore};

/// A new model. `features`: width of each encoder's features; `vocabulary`: ids, specials included.
pub fn build(config: &ModelConfig, path: &Path, features: &[i64], vocabulary: i64) -> Box<dyn Captioner> {
    match config {
        ModelConfig::FeLws(config) => Box::new(fe_lws::FeLws::new(path, config, features.iter().sum(), vocabulary)),
    }
}

/// Trainable parameters of a model by part (the first word of their names), in the order of the names.
pub fn parameters_by_part(config: &ModelConfig, features: &[i64], vocabulary: i64) -> Vec<(String, usize)> {
    let store = VarStore::new(tch::Device::Cpu);
    let _model = build(config, &store.root(), features, vocabulary);
    let mut parts = BTreeMap::new();
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, variable) in variables {
        let part = name.split('.').next().unwrap_or_default().to_owned();
        *parts.entry(part).or_insert(0) += variable.numel();
    }
    parts.into_iter().collect()
}
