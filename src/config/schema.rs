//! What an experiment file may say: plain typed settings with their defaults, no behaviour.
//!
//! Enums that carry settings are one-key maps (`model: {fe_lws: {layers: 3}}`), so that every error has a place.

pub use super::training::*;
use crate::models::encoders::NormMode;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
    pub pretrain: Option<TrainConfig>,
    #[serde(default)]
    pub train: TrainConfig,
    #[serde(default)]
    pub decode: DecodeConfig,
}

/// Captions, images and how words are made of captions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Folder of the dataset; relative to the working directory.
    pub root: PathBuf,
    /// Caption file inside `root`, or for COCO captions a folder with one file a split. Where the default
    /// `dataset.json` is absent, the only caption file in `root` is taken.
    #[serde(default = "DataConfig::default_captions")]
    pub captions: PathBuf,
    /// Image folder inside `root` (default: `imgs`, `images` or `root` itself, whichever holds the images).
    #[serde(default)]
    pub images: Option<PathBuf>,
    /// Which field of a sentence is the caption: `tokens` or `raw`.
    #[serde(default)]
    pub text: TextField,
    #[serde(default)]
    pub vocabulary: VocabularyConfig,
    /// Images of the caption file that are absent or empty: `skip` (and count) or `fail`.
    #[serde(default)]
    pub missing: MissingPolicy,
    /// How images are split where the caption file does not say.
    #[serde(default)]
    pub split: SplitRule,
}

impl DataConfig {
    fn default_captions() -> PathBuf {
        "dataset.json".into()
    }

    /// The settings of a dataset folder of which nothing else is said.
    pub fn of_folder(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            captions: Self::default_captions(),
            images: None,
            text: TextField::default(),
            vocabulary: VocabularyConfig::default(),
            missing: MissingPolicy::default(),
            split: SplitRule::default(),
        }
    }
}

/// Parts of the images for train and val, the rest being test; drawn by `seed`. Splits that the file gives always win.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitRule {
    pub train: f64,
    pub val: f64,
    pub seed: u64,
}

impl Default for SplitRule {
    fn default() -> Self {
        Self { train: 0.8, val: 0.1, seed: 1 }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextField {
    #[default]
    Tokens,
    Raw,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingPolicy {
    #[default]
    Skip,
    Fail,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VocabularyConfig {
    /// Words seen fewer times in the counted splits become `<unk>`.
    pub min_count: usize,
    /// Splits whose captions are counted.
    pub splits: Vec<String>,
    pub lowercase: bool,
    /// Drop words without a letter or digit, and punctuation at the ends of `raw` words.
    pub strip_punctuation: bool,
    /// Longest caption in words; longer training captions are cut. Default: the longest training caption.
    pub max_length: Option<usize>,
}

impl Default for VocabularyConfig {
    fn default() -> Self {
        Self { min_count: 5, splits: vec!["train".into()], lowercase: true, strip_punctuation: true, max_length: None }
    }
}

/// A frozen image encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// `resnet50`, `densenet169`, ...: torchvision's names.
    pub name: String,
    /// Weight file; `random` for seeded random weights (demonstrations and tests only).
    pub weights: String,
    /// Side to which images are resized, pixels.
    #[serde(default = "EncoderConfig::default_image_size")]
    pub image_size: u32,
    /// How it computes: `float32`, or `bfloat16` (for GPUs; its features are cached apart).
    #[serde(default)]
    pub precision: crate::models::encoders::Precision,
    /// Train stages of it together with the model; frozen where this is absent, and its features cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<TuneConfig>,
}

/// How an encoder is trained within a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuneConfig {
    /// Stages that are trained: `layer3`, `denseblock4`, ...
    pub stages: Vec<String>,
    /// Batch normalisation by the batch where a stage is trained (`follow`), everywhere (`train`) or nowhere (`eval`).
    #[serde(default)]
    pub norms: NormMode,
}

impl EncoderConfig {
    fn default_image_size() -> u32 {
        224
    }
}

/// The captioning model, as a one-key map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelConfig {
    FeLws(crate::models::fe_lws::Config),
    Cssa(crate::models::cssa::Config),
    Jtts(crate::models::jtts::Config),
    #[serde(rename = "s2cpnet")]
    S2cpNet(crate::models::s2cpnet::Config),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecodeConfig {
    pub method: DecodeMethod,
    /// Beam width of `beam` and `comparison`.
    pub beam: usize,
    /// Longest caption in words (default: the vocabulary's).
    pub max_length: Option<usize>,
    /// Images decoded at a time.
    pub batch_size: usize,
    /// Captions are ranked by `log_prob / (words + 1)^length_penalty`; 0 ranks by log-probability alone.
    pub length_penalty: f64,
    /// Never choose `<unk>`.
    pub suppress_unk: bool,
    pub comparison: ComparisonConfig,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        Self {
            method: DecodeMethod::Beam,
            beam: 5,
            max_length: None,
            batch_size: 64,
            length_penalty: 0.0,
            suppress_unk: true,
            comparison: ComparisonConfig::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeMethod {
    Greedy,
    Beam,
    /// Comparison-based beam search (FE-LWS): beam candidates ranked by likeness to captions of similar images.
    Comparison,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComparisonConfig {
    /// Similar training images asked.
    pub neighbours: usize,
    /// How the neighbours' captions are pooled.
    pub pool: ComparisonPool,
    /// The greedy caption joins the candidates.
    pub greedy: bool,
}

impl Default for ComparisonConfig {
    fn default() -> Self {
        Self { neighbours: 4, pool: ComparisonPool::PerImage, greedy: true }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonPool {
    /// Mean over the neighbours of the score against each one's captions.
    PerImage,
    /// Score against all the neighbours' captions as one reference set.
    Union,
}
