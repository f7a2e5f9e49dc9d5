//! [`Experiment`]: everything that one training run is made of, read from a YAML file and validated.
//!
//! Each block is defined beside what it sets: `data` in [`crate::data`], `encoders` and `model` in [`crate::models`],
//! `train` in [`crate::train`], `decode` in [`crate::decode`].

mod validate;

use crate::config::{self, Invalid, Origins, Renamed, Settings};
use crate::data::DataConfig;
use crate::decode::DecodeConfig;
use crate::models::ModelConfig;
use crate::models::encoders::EncoderConfig;
use crate::train::{ReinforceConfig, TrainConfig};
use crate::util::fs::sha256;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One experiment, resolved: what `train` runs and what a run folder and a checkpoint carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Names the run folder: `runs/<name>`.
    pub name: String,
    pub data: DataConfig,
    /// One frozen encoder, or several whose pooled features are concatenated in this order.
    pub encoders: Vec<EncoderConfig>,
    pub model: ModelConfig,
    /// A first training stage, for models that have one; none where it is absent. Its seed is `train.seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_stage: Option<TrainConfig>,
    #[serde(default)]
    pub train: TrainConfig,
    /// A training stage by rewards after the captioning one; none where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinforce: Option<ReinforceConfig>,
    #[serde(default)]
    pub decode: DecodeConfig,
}

/// A validated experiment and where each of its values was written.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub experiment: Experiment,
    pub origins: Origins,
    /// The files it was made of, the one asked for first.
    pub files: Vec<PathBuf>,
}

impl Loaded {
    /// The resolved experiment as YAML, with the origin of each value as a comment at the end of its line.
    pub fn to_annotated_yaml(&self) -> Result<String> {
        config::to_annotated_yaml(&self.experiment, &self.origins)
    }
}

/// Reads an experiment with its bases, applies the overrides and validates it.
///
/// # Errors
/// An unreadable file, or a [`config::ConfigError`] with every fault of the experiment.
pub fn load(path: &Path, overrides: &[String]) -> Result<Loaded> {
    let (experiment, origins, files): (Experiment, _, _) = config::load(path, overrides)?;
    tell_other_encoders(&experiment, overrides);
    Ok(Loaded { experiment, origins, files })
}

/// One encoder changed among several is easily taken for the only one.
fn tell_other_encoders(experiment: &Experiment, overrides: &[String]) {
    let changed =
        |index: usize| overrides.iter().any(|setting| setting.starts_with(&format!("encoders.{index}.name=")));
    let numbered = || experiment.encoders.iter().enumerate();
    if let Some((first, _)) = numbered().find(|(index, _)| changed(*index)) {
        for (index, encoder) in numbered().filter(|(index, _)| !changed(*index)) {
            tracing::warn!("encoders.{first}.name is changed; encoders.{index} stays '{}' beside it", encoder.name);
        }
    }
}

impl Settings for Experiment {
    const NAME: &'static str = "experiment";
    /// `pretrain` is now said of encoders on scene classes alone.
    const RENAMED: &'static [Renamed] = &[("pretrain", "first_stage")];

    fn invalid(&self) -> Vec<Invalid> {
        validate::validate(self)
    }
}

/// The resolved experiment as YAML that [`load`] reads back to an equal one.
pub fn to_yaml(experiment: &Experiment) -> Result<String> {
    config::to_yaml(experiment)
}

impl Experiment {
    /// Tells trainings apart: SHA-256 of the experiment without its name, its seed and its decoding.
    pub fn identity(&self) -> Result<String> {
        let mut trained = self.clone();
        trained.name.clear();
        trained.train.seed = 0;
        trained.decode = DecodeConfig::default();
        Ok(sha256(&config::identifying_json(&trained).context("cannot write an experiment as JSON")?))
    }
}
