//! What a pre-training file may say.

use super::augment::AugmentConfig;
use crate::config::{self, Invalid, Settings};
use crate::data::SplitRule;
use crate::models::encoders::{NormMode, Tuning, spec};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One pre-training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretraining {
    /// Names the run folder: `runs/<name>`.
    pub name: String,
    pub data: DataConfig,
    pub encoder: EncoderConfig,
    #[serde(default)]
    pub augment: AugmentConfig,
    #[serde(default)]
    pub train: TrainConfig,
}

/// Images with their classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Folder of the dataset; relative to the working directory.
    pub root: PathBuf,
    #[serde(default)]
    pub classes: ClassSource,
    /// How images are split where the dataset does not say: in each class apart.
    #[serde(default)]
    pub split: SplitRule,
}

/// What tells the class of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassSource {
    /// The caption file's `class`; else its UC Merced numbering; else the folders.
    #[default]
    Auto,
    /// The folder of the image: `airport/1.jpg`, or `train/airport/1.jpg` where splits are given.
    Folders,
    /// UC Merced's file numbers: 1 to 100 is the first of 21 classes, 101 to 200 the second, ...
    Ucm,
    /// The caption file's `class` (built-in scenes, NWPU-Captions).
    Captions,
}

/// The network that is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// `resnet50`, `densenet169`, ...: torchvision's names.
    pub name: String,
    /// Weight file to start from; `none` to start from nothing. A head for other classes is drawn anew.
    pub weights: String,
    /// Side of the square images, pixels.
    #[serde(default = "image_size")]
    pub image_size: u32,
    /// Stages to train (`[layer3, layer4, fc]`); the others are frozen. Default: all.
    #[serde(default)]
    pub trainable: Option<Vec<String>>,
    /// With which statistics batch normalisation works: `follow` (frozen parts keep theirs), `train` or `eval`.
    #[serde(default)]
    pub batch_norm: NormMode,
}

impl EncoderConfig {
    /// The word for no weights.
    pub const NONE: &'static str = "none";

    pub fn tuning(&self) -> Tuning {
        Tuning { trainable: self.trainable.clone(), norms: self.batch_norm }
    }
}

fn image_size() -> u32 {
    224
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    pub seed: u64,
    /// Images in a step.
    pub batch_size: usize,
    pub epochs: usize,
    pub optimizer: OptimizerConfig,
    /// `constant`, or `cosine`: down to zero at the last step.
    pub schedule: ScheduleKind,
    /// Steps over which the learning rate rises to its value.
    pub warmup_steps: usize,
    /// Share of the target that goes to all classes alike (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// Epochs without a better validation accuracy after which training ends (default: all epochs are run).
    pub patience: Option<usize>,
    /// Checkpoints within an epoch, every so many steps, beside the one at its end.
    pub checkpoint_steps: Option<usize>,
    /// Threads that decode and augment images.
    pub workers: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            batch_size: 32,
            epochs: 30,
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleKind::Cosine,
            warmup_steps: 0,
            label_smoothing: 0.0,
            patience: None,
            checkpoint_steps: None,
            workers: 2,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    pub kind: OptimizerKind,
    pub lr: f64,
    /// Of SGD.
    pub momentum: f64,
    pub weight_decay: f64,
    /// Of Adam.
    pub betas: [f64; 2],
    pub eps: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { kind: OptimizerKind::Sgd, lr: 0.01, momentum: 0.9, weight_decay: 1e-4, betas: [0.9, 0.999], eps: 1e-8 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// With momentum.
    Sgd,
    /// Kingma and Ba 2015.
    Adam,
    /// With decoupled weight decay: Loshchilov and Hutter 2019.
    Adamw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    Constant,
    Cosine,
}

/// Reads a pre-training file with its bases, lays the overrides on it and validates it.
///
/// # Errors
/// An unreadable file, or every fault in it with its place.
pub fn load(path: &Path, overrides: &[String]) -> Result<Pretraining> {
    Ok(config::load(path, overrides)?.0)
}

impl Settings for Pretraining {
    const NAME: &'static str = "pre-training";

    fn invalid(&self) -> Vec<Invalid> {
        self.faults()
    }
}

impl Pretraining {
    /// The settings where only a dataset and an encoder are named.
    pub fn of_folder(root: &Path, encoder: &str, weights: &str) -> Self {
        let of = root.file_name().map_or_else(|| "data".into(), |name| name.to_string_lossy().into_owned());
        Self {
            name: format!("pretrain/{of}_{encoder}"),
            data: DataConfig { root: root.to_owned(), classes: ClassSource::default(), split: SplitRule::default() },
            encoder: EncoderConfig {
                name: encoder.to_owned(),
                weights: weights.to_owned(),
                image_size: image_size(),
                trainable: None,
                batch_norm: NormMode::default(),
            },
            augment: AugmentConfig::default(),
            train: TrainConfig::default(),
        }
    }

    /// Everything that is out of range: the dotted path of the setting, and the sentence after it.
    pub fn faults(&self) -> Vec<Invalid> {
        let (train, optimizer) = (&self.train, &self.train.optimizer);
        let mut faults = Vec::new();
        let mut require = |holds: bool, path: &str, message: String| {
            if !holds {
                faults.push((path.to_owned(), message));
            }
        };
        if let Err(error) = spec::find(&self.encoder.name) {
            require(false, "encoder.name", error.to_string());
        }
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        let size = self.encoder.image_size;
        require((32..=1024).contains(&size), "encoder.image_size", format!("must be 32 to 1024 (found {size})"));
        for (path, value) in [("data.split.train", self.data.split.train), ("data.split.val", self.data.split.val)] {
            require(unit(value), path, format!("must be 0 to 1 (found {value})"));
        }
        let sum = self.data.split.train + self.data.split.val;
        require(sum <= 1.0 + 1e-9, "data.split", format!("train and val add up to {sum}, must be at most 1"));
        for (path, value) in
            [("train.batch_size", train.batch_size), ("train.epochs", train.epochs), ("train.workers", train.workers)]
        {
            require(value >= 1, path, "must be 1 or more (found 0)".into());
        }
        for (path, value) in [("train.patience", train.patience), ("train.checkpoint_steps", train.checkpoint_steps)] {
            require(value != Some(0), path, "must be 1 or more (found 0)".into());
        }
        require(optimizer.lr > 0.0, "train.optimizer.lr", format!("must be above 0 (found {})", optimizer.lr));
        let decay = optimizer.weight_decay;
        require(decay >= 0.0, "train.optimizer.weight_decay", format!("must be 0 or more (found {decay})"));
        for (path, value) in [
            ("train.optimizer.momentum", optimizer.momentum),
            ("train.optimizer.betas.0", optimizer.betas[0]),
            ("train.optimizer.betas.1", optimizer.betas[1]),
            ("train.label_smoothing", train.label_smoothing),
        ] {
            require((0.0..1.0).contains(&value), path, format!("must be 0 or more and below 1 (found {value})"));
        }
        faults.extend(self.augment.faults());
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_named_with_its_setting() {
        let mut run = Pretraining::of_folder(Path::new("datasets/ucm"), "densnet169", "none");
        assert_eq!(run.name, "pretrain/ucm_densnet169");
        run.train.epochs = 0;
        run.train.optimizer.momentum = 1.0;
        run.data.split.train = 0.95;
        let named: Vec<String> = run.faults().into_iter().map(|(path, _)| path).collect();
        assert_eq!(named, ["encoder.name", "data.split", "train.epochs", "train.optimizer.momentum"]);
    }
}
