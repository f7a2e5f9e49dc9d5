//! A trained model from its checkpoint alone.

use crate::data::Vocabulary;
use crate::data::attributes::Attributes;
use crate::experiment::Experiment;
use crate::models::{self, Captioner, Inputs, Start};
use crate::train::checkpoint::{self, ATTRIBUTES, CONFIG, VOCABULARY, WEIGHTS};
use crate::train::run::load_weights;
use anyhow::{Context, Result};
use std::path::Path;
use tch::Device;
use tch::nn::VarStore;

/// Model, vocabulary and settings of a checkpoint.
pub struct Trained {
    pub experiment: Experiment,
    pub vocabulary: Vocabulary,
    /// The model's attribute words, where it has any.
    pub attributes: Option<Attributes>,
    pub device: Device,
    pub(super) store: VarStore,
    pub(super) model: Box<dyn Captioner>,
}

impl Trained {
    /// Loads a run folder's best checkpoint, or a checkpoint folder. `overrides` change its settings (decoding,
    /// where the data lies); what shapes the model cannot change, for its weights would no longer fit.
    pub fn load(path: &Path, overrides: &[String], device: Device) -> Result<Self> {
        let folder = checkpoint::resolve(path)?;
        let tensors = checkpoint::read_weights(&folder)?; // first, for all files are checked with it
        let experiment = crate::experiment::load(&folder.join(CONFIG), overrides)?.experiment;
        let vocabulary = Vocabulary::load(&folder.join(VOCABULARY))?;
        let attributes = match experiment.model.attributes() {
            Some(_) => Some(Attributes::load(&folder.join(ATTRIBUTES))?),
            None => None,
        };
        let inputs =
            Inputs::new(&experiment.encoders, vocabulary.len(), attributes.as_ref().map_or(0, Attributes::len))?;
        let store = VarStore::new(device);
        let model = models::assemble(&experiment.model, &experiment.encoders, &store, &inputs, Start::Checkpoint)?;
        let weights = folder.join(WEIGHTS);
        load_weights(&store, &tensors)
            .with_context(|| format!("weights '{}' do not match the run's config", weights.display()))?;
        Ok(Self { experiment, vocabulary, attributes, device, store, model })
    }
}
