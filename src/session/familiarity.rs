//! How like its training images a picture is. A model captions what it has seen nothing like just as surely, and
//! wrongly: log-probability does not tell.

use super::look_at;
use crate::data::{Dataset, Split};
use crate::decode::neighbours::Gallery;
use crate::experiment::Experiment;
use crate::features::{FeatureProgress, FeatureSet};
use crate::models::encoders::{EncoderConfig, RANDOM};
use crate::util::fs::{sha256, sha256_file, temporary_beside};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Images whose features are read at a time.
const BATCH: usize = 256;

/// What is kept of a run's images: enough to tell how far a picture is from them, without the dataset.
#[derive(Debug)]
pub struct Familiarity {
    training: Gallery,
    /// Distances of the validation images to the nearest training image, ascending.
    validation: Vec<f32>,
}

impl Familiarity {
    /// That of a run: from its folder, else made of its dataset and kept there. `None`, with a word, where there is
    /// neither, and for encoders that are trained, which have no features of their own.
    pub fn of_run(
        run: &Path,
        experiment: &Experiment,
        device: Device,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<Option<Self>> {
        if experiment.encoders.iter().any(|encoder| encoder.tune.is_some()) {
            tracing::info!("no confidence: the encoders are trained with the model");
            return Ok(None);
        }
        let path = file(run, &experiment.encoders)?;
        if path.is_file() {
            return Self::read(&path, device).map(Some);
        }
        if !experiment.data.root.exists() {
            tracing::warn!(
                "no confidence: neither '{}' nor the training images in '{}' are there (set their folder with --set \
                data.root=FOLDER)",
                path.display(),
                experiment.data.root.display()
            );
            return Ok(None);
        }
        let made = Self::of_dataset(experiment, device, progress)?;
        if let Some(made) = &made
            && let Err(error) = made.write(&path)
        {
            tracing::warn!("{error:#}");
        }
        Ok(made)
    }

    /// The share of validation images that are as far from the training images or farther, for each picture given its
    /// features, one tensor per encoder: near 0 where the run has seen nothing like it.
    pub fn confidences(&self, features: &[Tensor]) -> Vec<f64> {
        let farther =
            |distance: f32| self.validation.len() - self.validation.partition_point(|known| *known < distance);
        let share = |distance: f32| farther(distance) as f64 / self.validation.len().max(1) as f64;
        self.training.distances(features).into_iter().map(share).collect()
    }

    fn of_dataset(
        experiment: &Experiment,
        device: Device,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<Option<Self>> {
        let dataset = Dataset::load(&experiment.data)?;
        let features = look_at(experiment, &dataset, device, progress)?;
        let of = |split| dataset.split(split).into_iter().filter(|&image| features.has(image)).collect::<Vec<_>>();
        let (train, validation) = (of(Split::Train), of(Split::Val));
        if train.is_empty() || validation.is_empty() {
            tracing::warn!("no confidence: '{}' has no training or no validation images", dataset.name);
            return Ok(None);
        }
        // As exact as it is kept, so that it is the same when it is read.
        let training = Gallery::new(&train, BATCH, |images| rows(&features, images))?.halved();
        let mut distances = Vec::with_capacity(validation.len());
        for images in validation.chunks(BATCH) {
            distances.extend(training.distances(&rows(&features, images)?));
        }
        distances.sort_by(f32::total_cmp);
        Ok(Some(Self { training, validation: distances }))
    }

    fn read(path: &Path, device: Device) -> Result<Self> {
        let read = || -> Option<Self> {
            let tensors = Tensor::read_safetensors(path).ok()?;
            let tensor = |wanted: &str| tensors.iter().find(|(name, _)| name == wanted).map(|(_, tensor)| tensor);
            let training = tensor("training").filter(|rows| rows.dim() == 2)?.to_kind(Kind::Float).to_device(device);
            let encoders = tensor("encoders")?.int64_value(&[]);
            let validation = Vec::<f32>::try_from(tensor("validation")?).ok()?;
            Some(Self { training: Gallery::of_rows(training, encoders), validation })
        };
        read().with_context(|| format!("'{}' is damaged; remove it to make it again", path.display()))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let write = || -> Result<()> {
            let (rows, encoders) = self.training.rows();
            let tensors = [
                ("training", rows.to_device(Device::Cpu).to_kind(Kind::Half)),
                ("encoders", Tensor::from(encoders)),
                ("validation", Tensor::from_slice(&self.validation)),
            ];
            let temporary = temporary_beside(path);
            Tensor::write_safetensors(&tensors, &temporary)?;
            Ok(fs::rename(&temporary, path)?)
        };
        write().with_context(|| format!("cannot write '{}'", path.display()))
    }
}

fn rows(features: &FeatureSet, images: &[usize]) -> Result<Vec<Tensor>> {
    (0..features.encoders()).map(|encoder| features.rows(encoder, images)).collect()
}

/// Named by what the features are made with.
fn file(run: &Path, encoders: &[EncoderConfig]) -> Result<PathBuf> {
    let mut parts = Vec::with_capacity(encoders.len());
    for encoder in encoders {
        let weights = match encoder.weights.as_str() {
            RANDOM => RANDOM.to_owned(),
            path => {
                sha256_file(Path::new(path)).with_context(|| format!("weights of the encoder '{}'", encoder.name))?
            }
        };
        parts.push(serde_json::to_value(EncoderConfig { weights, ..encoder.clone() })?);
    }
    let hash = sha256(&serde_json::to_vec(&parts)?);
    Ok(run.join(format!("familiarity-{}.safetensors", hash.get(..16).unwrap_or(&hash))))
}
