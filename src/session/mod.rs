//! One experiment in memory: its data, vocabulary, features and model, ready to train, decode and score.

mod attributes;
mod baselines;
mod captions;
mod decoding;
mod ensemble;
mod explain;
mod familiarity;
mod first_stage;
mod judge;
mod live;
mod looking;
mod objective;
mod pairs;
pub mod record;
mod reinforce;
mod reward;
mod stages;
mod synonyms;
mod trained;
mod validation;

pub use decoding::{Decoded, Search, SplitEvaluation};
pub use ensemble::SessionEnsemble;
pub use familiarity::Familiarity;
pub use live::{Likely, Live, Preparation, Prepared};
pub use looking::{look, look_at};
pub use objective::{CaptionObjective, TrainingSet};
pub use trained::Trained;

use crate::data::MissingPolicy;
use crate::data::attributes::Attributes;
use crate::data::nouns::Nouns;
use crate::data::{Dataset, Skipped, Split, Vocabulary};
use crate::eval::References;
use crate::experiment::Experiment;
use crate::features::{FeatureProgress, FeatureSet};
use crate::models::encoders::EncoderConfig;
use crate::models::{self, Captioner, Inputs, Start};
use crate::runs::DataUsed;
use crate::train::checkpoint::{read_weights, resolve};
use crate::train::run::load_weights;
use crate::util::fs::sha256_file;
use anyhow::{Result, bail};
use std::path::Path;
use tch::Device;
use tch::nn::VarStore;

/// A dataset under an experiment, with a model that is new or trained.
pub struct Session {
    pub experiment: Experiment,
    pub dataset: Dataset,
    pub vocabulary: Vocabulary,
    /// The model's attribute words, where it has any.
    pub attributes: Option<Attributes>,
    pub features: FeatureSet,
    pub device: Device,
    /// Nouns of every caption of every image, for models that predict them; else empty.
    nouns: Vec<Vec<Vec<String>>>,
    store: VarStore,
    model: Box<dyn Captioner>,
    /// Images of the dataset whose file could not be read, and why.
    pub unreadable: Vec<Unreadable>,
}

/// An image whose file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub file_name: String,
    pub split: Split,
    pub why: String,
}

impl Session {
    /// Reads the data, builds the vocabulary, takes the images through the frozen encoders (or their features from the
    /// cache) and makes a new model from `train.seed`.
    pub fn new(
        experiment: Experiment,
        device: Device,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<Self> {
        experiment.decode.check_device(device)?;
        let (dataset, features, unreadable) = open_data(&experiment, device, progress)?;
        let vocabulary = Vocabulary::build(&dataset, &experiment.data.vocabulary)?;
        let nouns = nouns(&experiment, &dataset)?;
        let attributes = experiment.model.attributes().map(|rules| Attributes::build(&dataset, rules)).transpose()?;
        let inputs =
            Inputs::new(&experiment.encoders, vocabulary.len(), attributes.as_ref().map_or(0, Attributes::len))?;
        crate::runtime::seed(&[experiment.train.seed]);
        let store = VarStore::new(device);
        let model = models::assemble(&experiment.model, &experiment.encoders, &store, &inputs, Start::Files)?;
        if let Some(attributes) = &attributes {
            attributes::begin(&experiment.model, attributes, &store)?;
        }
        tracing::info!(
            "{}: {} images, {} words, {} parameters, on {}",
            dataset.name,
            dataset.images.len(),
            vocabulary.len(),
            store.trainable_variables().iter().map(|v| v.numel()).sum::<usize>(),
            crate::runtime::device_name(device),
        );
        Ok(Self { experiment, dataset, vocabulary, attributes, features, device, nouns, store, model, unreadable })
    }

    /// A trained model over its experiment's dataset: vocabulary and weights are the checkpoint's.
    pub fn with_trained(trained: Trained, progress: &mut dyn FnMut(FeatureProgress) -> Result<()>) -> Result<Self> {
        let Trained { experiment, vocabulary, attributes, store, model, device } = trained;
        let (dataset, features, unreadable) = open_data(&experiment, device, progress)?;
        let nouns = nouns(&experiment, &dataset)?;
        Ok(Self { experiment, dataset, vocabulary, attributes, features, device, nouns, store, model, unreadable })
    }

    /// What the run folder records of the data and weights in use.
    pub fn data_used(&self) -> Result<DataUsed> {
        let hash = |encoder: &EncoderConfig| -> Result<(String, Option<String>)> {
            let path = Path::new(&encoder.weights);
            let hash = if path.is_file() { Some(sha256_file(path)?) } else { None };
            Ok((encoder.weights.clone(), hash))
        };
        Ok(DataUsed {
            dataset: self.dataset.name.clone(),
            captions_sha256: self.dataset.captions_sha256.clone(),
            used_sha256: self.dataset.hash(),
            images: self.dataset.images.len(),
            skipped: self.dataset.skipped.len() + self.unreadable.len(),
            vocabulary_sha256: self.vocabulary.hash(),
            weights_sha256: self.experiment.encoders.iter().map(hash).collect::<Result<_>>()?,
        })
    }

    /// Images of a split that can be used, by their place in the dataset.
    pub fn split(&self, split: Split) -> Vec<usize> {
        self.dataset.split(split).into_iter().filter(|&image| self.features.has(image)).collect()
    }

    /// Images of a split that cannot be used, and why.
    pub fn skipped(&self, split: Split) -> Vec<(String, String)> {
        let absent = self
            .dataset
            .skipped
            .iter()
            .filter(|s| s.split == split)
            .map(|Skipped { file_name, fault, .. }| (file_name.clone(), fault.to_string()));
        let unreadable =
            self.unreadable.iter().filter(|u| u.split == split).map(|u| (u.file_name.clone(), u.why.clone()));
        absent.chain(unreadable).collect()
    }

    /// References of some images.
    pub fn references(&self, images: &[usize]) -> References {
        let captions = |&image: &usize| self.dataset.images[image].captions.iter().map(|c| c.text.clone()).collect();
        References::new(&images.iter().map(captions).collect::<Vec<Vec<String>>>())
    }

    /// Takes the weights of another checkpoint of the same run.
    pub fn take_weights(&mut self, checkpoint: &Path) -> Result<()> {
        load_weights(&self.store, &read_weights(&resolve(checkpoint)?)?)
    }
}

/// The nouns of all captions, where the model predicts them.
fn nouns(experiment: &Experiment, dataset: &Dataset) -> Result<Vec<Vec<Vec<String>>>> {
    let Some(rules) = experiment.model.nouns() else { return Ok(Vec::new()) };
    let nouns = Nouns::build(dataset, rules)?;
    tracing::info!("{} nouns to predict in addition to the words", nouns.counts().len());
    Ok(nouns.of_dataset(dataset))
}

/// Dataset and features; an image that cannot be decoded is skipped and counted, or an error, as `data.missing` says.
fn open_data(
    experiment: &Experiment,
    device: Device,
    progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
) -> Result<(Dataset, FeatureSet, Vec<Unreadable>)> {
    let dataset = Dataset::load(&experiment.data)?;
    let features = look_at(experiment, &dataset, device, progress)?;
    let unreadable: Vec<Unreadable> = features
        .failures()
        .iter()
        .filter_map(|(&i, why)| {
            let image = dataset.images.get(i)?;
            Some(Unreadable { file_name: image.file_name.clone(), split: image.split, why: why.clone() })
        })
        .collect();
    if let Some(Unreadable { why, .. }) = unreadable.first() {
        if experiment.data.missing == MissingPolicy::Fail {
            bail!("{} of {} images cannot be read; first: {why}", unreadable.len(), dataset.images.len());
        }
        tracing::warn!(
            "{} of {} images cannot be read and are skipped; first: {why}",
            unreadable.len(),
            dataset.images.len()
        );
    }
    Ok((dataset, features, unreadable))
}
