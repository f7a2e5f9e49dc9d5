//! What a pre-training file may say.

use super::augment::CropConfig;
use crate::config::{self, Checks, Invalid, Settings};
use crate::data::SplitRule;
use crate::models::encoders::{NormMode, Tuning, spec};
use crate::train::{
    EarlyStopConfig, OptimizerConfig, OptimizerKind, PartConfig, ScheduleConfig, TrainConfig, TrainPrecision,
};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One pre-training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretraining {
    /// Names the run folder: `runs/<name>`.
    pub name: String,
    pub data: SceneData,
    pub encoder: EncoderToTrain,
    #[serde(default)]
    pub augment: CropConfig,
    #[serde(default)]
    pub train: ClassTraining,
}

/// Images with their classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneData {
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
pub struct EncoderToTrain {
    /// `resnet50`, `densenet169`, ...: torchvision's names.
    pub name: String,
    /// Training (`imagenet`) or weight file to start from; `none` to start from nothing. A head for other classes is
    /// drawn anew.
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

impl EncoderToTrain {
    /// The word for no weights.
    pub const NONE: &'static str = "none";

    pub fn tuning(&self) -> Tuning {
        Tuning { trainable: self.trainable.clone(), norms: self.batch_norm }
    }
}

fn image_size() -> u32 {
    224
}

/// Settings of the training loop, as [`TrainConfig`] explains them, with defaults of their own; and what belongs
/// to scene classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassTraining {
    pub seed: u64,
    /// Images that go through the network at a time.
    pub batch_size: usize,
    pub accumulate: usize,
    pub epochs: usize,
    #[serde(with = "UsualOptimizer")]
    pub optimizer: OptimizerConfig,
    pub schedule: ScheduleConfig,
    pub warmup_steps: usize,
    pub parts: Vec<PartConfig>,
    pub clip_value: Option<f64>,
    pub clip_norm: Option<f64>,
    /// Share of the target that goes to all classes alike (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// Epochs without a better validation accuracy after which training ends (default: all epochs are run).
    pub patience: Option<usize>,
    pub checkpoint_steps: Option<usize>,
    pub log_steps: Option<usize>,
    pub keep_last: usize,
    pub precision: TrainPrecision,
    pub tf32: bool,
    pub deterministic: bool,
    /// Threads that decode and augment images.
    pub workers: usize,
}

/// What validation tells of an encoder.
pub(super) const ACCURACY: &str = "accuracy";

impl Default for ClassTraining {
    fn default() -> Self {
        let usual = TrainConfig::default();
        Self {
            seed: 1,
            batch_size: 32,
            accumulate: 1,
            epochs: 30,
            optimizer: usual_optimizer(),
            schedule: ScheduleConfig::Cosine,
            warmup_steps: 0,
            parts: Vec::new(),
            clip_value: None,
            clip_norm: None,
            label_smoothing: 0.0,
            patience: None,
            checkpoint_steps: None,
            log_steps: usual.log_steps,
            keep_last: 0,
            precision: usual.precision,
            tf32: false,
            deterministic: false,
            workers: 2,
        }
    }
}

impl ClassTraining {
    /// As the training loop takes them.
    pub fn engine(&self) -> TrainConfig {
        let patience = self.patience.unwrap_or(usize::MAX);
        TrainConfig {
            seed: self.seed,
            batch_size: self.batch_size,
            accumulate: self.accumulate,
            epochs: self.epochs,
            optimizer: self.optimizer.clone(),
            schedule: self.schedule.clone(),
            warmup_steps: self.warmup_steps,
            parts: self.parts.clone(),
            clip_value: self.clip_value,
            clip_norm: self.clip_norm,
            checkpoint_steps: self.checkpoint_steps,
            log_steps: self.log_steps,
            keep_last: self.keep_last,
            early_stop: EarlyStopConfig { metric: ACCURACY.into(), patience, ..EarlyStopConfig::default() },
            precision: self.precision,
            tf32: self.tf32,
            deterministic: self.deterministic,
            ..TrainConfig::default()
        }
    }
}

/// [`OptimizerConfig`] with what is usual for scene classes where a file does not say.
#[derive(Serialize, Deserialize)]
#[serde(remote = "OptimizerConfig", deny_unknown_fields, default = "usual_optimizer")]
struct UsualOptimizer {
    kind: OptimizerKind,
    lr: f64,
    momentum: f64,
    weight_decay: f64,
    betas: [f64; 2],
    eps: f64,
}

fn usual_optimizer() -> OptimizerConfig {
    OptimizerConfig {
        kind: OptimizerKind::Sgd,
        lr: 0.01,
        momentum: 0.9,
        weight_decay: 1e-4,
        ..OptimizerConfig::default()
    }
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
            data: SceneData { root: root.to_owned(), classes: ClassSource::default(), split: SplitRule::default() },
            encoder: EncoderToTrain {
                name: encoder.to_owned(),
                weights: weights.to_owned(),
                image_size: image_size(),
                trainable: None,
                batch_norm: NormMode::default(),
            },
            augment: CropConfig::default(),
            train: ClassTraining::default(),
        }
    }

    /// Everything that is out of range: the dotted path of the setting, and the sentence after it.
    pub fn faults(&self) -> Vec<Invalid> {
        let mut checks = Checks::default();
        let (found, size) = (spec::find(&self.encoder.name), self.encoder.image_size);
        checks.require(found.is_ok(), "encoder.name", || found.err().map_or_else(String::new, |e| e.to_string()));
        checks.require((32..=1024).contains(&size), "encoder.image_size", || {
            format!("out of range (expected 32 to 1024 pixels, found {size})")
        });
        self.data.split.check(&mut checks);
        let train = &self.train;
        checks.between("train.workers", train.workers, (1, 1024));
        checks.at_least_if_set("train.patience", train.patience, 1);
        checks.fraction("train.label_smoothing", train.label_smoothing);
        // Whether the patience fits is said above, under its own name.
        let early_stop = EarlyStopConfig { metric: ACCURACY.into(), ..EarlyStopConfig::default() };
        TrainConfig { early_stop, ..train.engine() }.check("train", &[ACCURACY], &mut checks);
        self.augment.check(&mut checks);
        checks.into_faults()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::PlateauConfig;

    #[test]
    fn every_fault_is_named_with_its_setting() {
        let mut run = Pretraining::of_folder(Path::new("datasets/ucm"), "densnet169", "none");
        assert_eq!(run.name, "pretrain/ucm_densnet169");
        run.train.epochs = 0;
        run.train.optimizer.momentum = 1.0;
        run.data.split.train = 0.95;
        run.train.schedule = ScheduleConfig::Plateau(PlateauConfig {
            metric: Some("ROUGE_L".into()),
            factor: 0.5,
            every: Some(1),
            patience: None,
        });
        let named: Vec<String> = run.faults().into_iter().map(|(path, _)| path).collect();
        let expected =
            ["encoder.name", "data.split", "train.epochs", "train.optimizer.momentum", "train.schedule.plateau.metric"];
        assert_eq!(named, expected);
    }
}
