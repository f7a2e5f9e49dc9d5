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
use tch::nn::Path;

/// A new model. `features`: width of each encoder's features; `vocabulary`: ids, specials included.
pub fn build(config: &ModelConfig, path: &Path, features: &[i64], vocabulary: i64) -> Box<dyn Captioner> {
    match config {
        ModelConfig::FeLws(config) => Box::new(fe_lws::FeLws::new(path, config, features.iter().sum(), vocabulary)),
    }
}
