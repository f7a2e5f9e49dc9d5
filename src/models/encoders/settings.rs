//! The `encoders` of an experiment.

use super::{NormMode, Precision};
use serde::{Deserialize, Serialize};

/// A frozen image encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// `resnet50`, `densenet169`, ...: torchvision's names.
    pub name: String,
    /// The training whose weights are meant, `imagenet` (or `imagenet:V2`, `resisc45`), which are found in `weights/`; or
    /// a weight file; or `random` for seeded random weights (demonstrations and tests only).
    pub weights: String,
    /// Side to which images are resized, pixels.
    #[serde(default = "EncoderConfig::default_image_size")]
    pub image_size: u32,
    /// How it computes: `float32`, or `bfloat16` (for GPUs; its features are cached apart).
    #[serde(default)]
    pub precision: Precision,
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
