//! The captioning models, their layers and encoders, and what scores captions by meaning ([`clip`], [`bert`]). A
//! model is a file or a folder: paper, `Config` with its [`ModelSettings`], private blocks bottom-up, the public struct
//! with its [`Captioner`] last.
//!
//! To add one: its folder here, its line in [`config`], its experiment files. `docs/guide.md` shows it.

pub mod bert;
pub mod captioner;
pub mod clip;
pub mod config;
pub mod cost;
pub mod cssa;
pub mod encoders;
pub mod ensemble;
pub mod fe_lws;
pub mod first_stage;
pub mod jtts;
pub mod layers;
pub mod losses;
pub mod s2cpnet;
pub mod sam;
pub mod tuned;

pub use captioner::{Captioner, State};
pub use config::{
    AttributeVectors, FeatureKind, ModelConfig, ModelKind, ModelSettings, NounSearch, Surroundings, register,
};
pub use ensemble::Ensemble;
pub use first_stage::FirstStage;
pub use losses::Losses;
pub use tuned::{Start, assemble};

use anyhow::Result;

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
    /// The inputs of a model on these encoders whose vocabulary holds `vocabulary` ids and which has `attributes`
    /// attribute words.
    ///
    /// # Errors
    /// An unknown encoder.
    pub fn new(encoders: &[encoders::EncoderConfig], vocabulary: usize, attributes: usize) -> Result<Self> {
        let channels = |encoder: &encoders::EncoderConfig| Ok(encoders::spec::find(&encoder.name)?.channels);
        let features = encoders.iter().map(channels).collect::<Result<_>>()?;
        Ok(Self { features, vocabulary: vocabulary as i64, attributes: attributes as i64 })
    }
}
