//! The `encoders` of an experiment.

use super::{NormMode, Precision};
use serde::{Deserialize, Serialize};

/// A frozen image encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// `resnet50`, `densenet169`, ...: torchvision's names.
    pub name: String,
    /// The training whose weights are meant, `imagenet` (or `imagenet:V2`, `resisc45`), which are found in `weights/`;
    /// or a weight file; or `random` for seeded random weights (demonstrations and tests only).
    pub weights: String,
    /// Side to which images are resized, pixels.
    #[serde(default = "EncoderConfig::default_image_size")]
    pub image_size: u32,
    /// How images come to that size.
    #[serde(default, skip_serializing_if = "Resize::is_antialias")]
    pub resize: Resize,
    /// How it computes: `float32`, or `bfloat16` (for GPUs; its features are cached apart).
    #[serde(default)]
    pub precision: Precision,
    /// Train stages of it together with the model; frozen where this is absent, and its features cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<TuneConfig>,
}

/// How images are resized for an encoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Bilinear, the filter widened when shrinking, from the file at once.
    #[default]
    Antialias,
    /// As S2CPNet's published program: to 256 pixels by OpenCV's linear filter on bytes, then, normalised, to the size
    /// by PyTorch's; neither filter is widened.
    Opencv256,
}

impl Resize {
    fn is_antialias(&self) -> bool {
        *self == Self::Antialias
    }
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
    /// Side of the pixels that are read from a file.
    pub fn stored_size(&self) -> u32 {
        match self.resize {
            Resize::Antialias => self.image_size,
            Resize::Opencv256 => 256,
        }
    }

    fn default_image_size() -> u32 {
        224
    }
}
