//! The captioning models. A model is one file: paper, `Config`, private blocks bottom-up, the public struct last.
//!
//! To add one: its file here, a variant of [`ModelConfig`], an arm in [`build`], its experiment files.

pub mod captioner;
pub mod cssa;
pub mod encoders;
pub mod fe_lws;
pub mod first_stage;
pub mod jtts;
pub mod layers;
pub mod losses;
pub mod weights;

pub use captioner::{Captioner, State};
pub use first_stage::FirstStage;
pub use losses::Losses;

use crate::config::schema::{EncoderConfig, Experiment, ModelConfig};
use crate::features::Kind;
use anyhow::Result;
use tch::nn::Path;

/// What shapes a model beside its own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// Channels of each encoder's features.
    pub features: Vec<i64>,
    /// Ids of the vocabulary, specials included.
    pub vocabulary: i64,
    /// Attribute words; 0 for models without.
    pub attributes: i64,
}

impl Inputs {
    /// The inputs of an experiment whose vocabulary holds `vocabulary` ids and which has `attributes` attribute words.
    pub fn of(experiment: &Experiment, vocabulary: usize, attributes: usize) -> Result<Self> {
        let channels = |encoder: &EncoderConfig| Ok(encoders::spec::find(&encoder.name)?.channels);
        let features = experiment.encoders.iter().map(channels).collect::<Result<_>>()?;
        Ok(Self { features, vocabulary: vocabulary as i64, attributes: attributes as i64 })
    }
}

/// A new model.
pub fn build(config: &ModelConfig, path: &Path, inputs: &Inputs) -> Box<dyn Captioner> {
    match config {
        ModelConfig::FeLws(config) => Box::new(fe_lws::FeLws::new(path, config, inputs)),
        ModelConfig::Cssa(config) => Box::new(cssa::Cssa::new(path, config, inputs)),
        ModelConfig::Jtts(config) => Box::new(jtts::Jtts::new(path, config, inputs)),
    }
}

impl ModelConfig {
    /// What the model looks at.
    pub fn features(&self) -> Kind {
        match self {
            Self::FeLws(_) => Kind::Pooled,
            Self::Cssa(_) | Self::Jtts(_) => Kind::Grid,
        }
    }

    /// Which words are the model's attributes, where it has any.
    pub fn attributes(&self) -> Option<&crate::data::attributes::Rules> {
        match self {
            Self::Jtts(config) if config.attributes != jtts::Source::None => Some(&config.words),
            _ => None,
        }
    }
}
