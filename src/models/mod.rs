//! The captioning models. A model is one file: paper, `Config`, private blocks bottom-up, the public struct last.
//!
//! To add one: its file here, a variant of [`ModelConfig`], an arm in [`build`], its experiment files.

pub mod captioner;
pub mod cost;
pub mod cssa;
pub mod encoders;
pub mod fe_lws;
pub mod first_stage;
pub mod jtts;
pub mod layers;
pub mod losses;
pub mod s2cpnet;
pub mod sam;
pub mod tuned;
pub mod weights;

pub use captioner::{Captioner, State};
pub use first_stage::FirstStage;
pub use losses::Losses;
pub use tuned::{Start, assemble};

use crate::config::schema::{EncoderConfig, Experiment, ModelConfig};
use crate::data::masks::MaskRules;
use crate::data::nouns::NounRules;
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
        ModelConfig::S2cpNet(config) => Box::new(s2cpnet::S2cpNet::new(path, config, inputs)),
    }
}

impl ModelConfig {
    /// What the model looks at.
    pub fn features(&self) -> Kind {
        match self {
            Self::FeLws(_) => Kind::Pooled,
            Self::Cssa(_) | Self::Jtts(_) | Self::S2cpNet(_) => Kind::Grid,
        }
    }

    /// Which words are the model's attributes, where it has any.
    pub fn attributes(&self) -> Option<&crate::data::attributes::Rules> {
        match self {
            Self::Jtts(config) if config.attributes != jtts::Source::None => Some(&config.words),
            _ => None,
        }
    }

    /// Which mask pictures the model looks at beside the images, where it does.
    pub fn masks(&self) -> Option<&MaskRules> {
        match self {
            Self::S2cpNet(config) if config.uses_masks() => Some(&config.masks),
            _ => None,
        }
    }

    /// Which words of a caption are the nouns that the model predicts, where it does.
    pub fn nouns(&self) -> Option<&NounRules> {
        match self {
            Self::S2cpNet(config) if config.nouns => Some(&config.noun_words),
            _ => None,
        }
    }
}
