//! Sizes and switches of CSSA.

use super::Cssa;
use crate::config::Checks;
use crate::data::augment::AugmentConfig;
use crate::eval::retrieval;
use crate::models::first_stage::{StageExamples, StageNeeds};
use crate::models::{Captioner, Inputs, ModelSettings, Surroundings};
use serde::{Deserialize, Serialize};
use tch::nn;

/// The defaults are the paper's CSSA, and where the paper is silent what the lines say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Width of all layers, d.
    pub width: usize,
    /// Heads of every attention (not given; the Transformer's).
    pub heads: usize,
    /// Inner width of the feed-forward networks (not given; the Transformer's).
    pub inner: usize,
    /// Layers of the DG-former.
    pub encoder_layers: usize,
    /// Layers of the text encoder and of the decoder.
    pub decoder_layers: usize,
    pub dropout: f64,
    /// Side of the grid that the image features are pooled to (default: the encoder's own).
    pub grid: Option<usize>,
    /// Rectification, dropout and norm after the projection of the image features.
    ///
    /// Deviation: the paper has the projection alone; other grid transformers (RSTNet) have all of them.
    pub project_norm: bool,
    /// The geometry bias of the image encoder and how it falls from layer to layer (Table 5).
    pub geometry: Geometry,
    /// `s` of the exponential decay at the start; at 0 it is frozen, which is the G-former of Fig. 4.
    pub exp_start: f64,
    /// Width between the two layers that turn a relative position into a bias (not given).
    pub geometry_hidden: usize,
    /// The first stage; used where the experiment has `first_stage`.
    pub contrastive: ContrastiveConfig,
    /// Augmented images and captions of the first stage.
    pub augment: AugmentConfig,
    /// Whether the decoder begins with the text encoder's weights (the image encoder always keeps the first stage's).
    pub transfer_text: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            width: 512,
            heads: 8,
            inner: 2048,
            encoder_layers: 4,
            decoder_layers: 4,
            dropout: 0.1,
            grid: None,
            project_norm: true,
            geometry: Geometry::Exp,
            exp_start: 1.0,
            geometry_hidden: 64,
            contrastive: ContrastiveConfig::default(),
            augment: AugmentConfig::default(),
            transfer_text: true,
        }
    }
}

/// The geometry bias of layer `l`, `G d(l)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Geometry {
    /// No geometry: the T-former, a plain Transformer encoder.
    None,
    /// `d(l) = exp(-l s)`, `s` learnt.
    Exp,
    /// `d(l) = 1 - ln(l + 1) / ln(L + 1)`.
    Log,
    /// `d(l) = cos(l pi / (L + 1))`, negative in the upper half of the layers.
    Cos,
    /// `d(l) = cos(l pi / (2 (L + 1)))`, which never is.
    CosHalf,
}

impl Geometry {
    /// As the settings write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::Cos => "cos",
            Self::CosHalf => "cos_half",
        }
    }
}

/// Settings of the contrastive losses (MCCL, section 3.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContrastiveConfig {
    /// Divides the scalar products. Not in the equations, though the sensitivity study names it; ConVIRT's value.
    pub temperature: f64,
    /// Weight of the direction image to text against text to image. Given in a figure alone; ConVIRT's value.
    pub direction: f64,
    /// Weight of the image branch, which compares an image with its augmented view.
    pub image_weight: f64,
    /// Weight of the text branch, which compares a caption with its augmented form.
    pub text_weight: f64,
    /// A linear projection of each modality into the common space, used in this stage alone.
    pub projection: bool,
    /// What stands for a caption.
    pub sentence: Sentence,
}

impl Default for ContrastiveConfig {
    fn default() -> Self {
        Self {
            temperature: 0.1,
            direction: 0.75,
            image_weight: 0.4,
            text_weight: 0.1,
            projection: true,
            sentence: Sentence::End,
        }
    }
}

/// The vector of a caption (not given in the paper).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sentence {
    /// The output at `<end>`, which has seen every word.
    End,
    /// The mean over `<start>`, the words and `<end>`.
    Mean,
}

impl ModelSettings for Config {
    fn key() -> &'static str {
        "cssa"
    }

    fn variant(&self, first_stage: bool) -> String {
        format!("{}-{}", self.geometry.name(), if first_stage { "contrastive" } else { "plain" })
    }

    fn first_stage(&self) -> Option<StageNeeds<'_>> {
        Some(StageNeeds { examples: StageExamples::Pairs(&self.augment), metrics: &retrieval::NAMES })
    }

    fn check(&self, _around: &Surroundings, checks: &mut Checks) {
        let path = |field: &str| format!("model.cssa.{field}");
        for (field, count) in [
            ("heads", self.heads),
            ("encoder_layers", self.encoder_layers),
            ("decoder_layers", self.decoder_layers),
            ("grid", self.grid.unwrap_or(1)),
        ] {
            checks.count(&path(field), count);
        }
        for (field, width) in [("width", self.width), ("inner", self.inner), ("geometry_hidden", self.geometry_hidden)]
        {
            checks.width(&path(field), width);
        }
        checks.require(self.width.is_multiple_of(self.heads.max(1)), &path("heads"), || {
            format!("not a divisor of the width (width {}, found {})", self.width, self.heads)
        });
        checks.fraction(&path("dropout"), self.dropout);
        let contrastive = &self.contrastive;
        checks.above_zero(&path("contrastive.temperature"), contrastive.temperature);
        let images = &self.augment.images;
        let text = &self.augment.text;
        for (field, value) in [
            ("exp_start", self.exp_start),
            ("contrastive.image_weight", contrastive.image_weight),
            ("contrastive.text_weight", contrastive.text_weight),
            ("augment.images.rotation", images.rotation),
            ("augment.images.scale", images.scale),
            ("augment.images.brightness", images.brightness),
            ("augment.images.contrast", images.contrast),
            ("augment.images.saturation", images.saturation),
            ("augment.images.hue", images.hue),
        ] {
            checks.zero_or_more(&path(field), value);
        }
        for (field, value) in [
            ("contrastive.direction", contrastive.direction),
            ("augment.images.flip", images.flip),
            ("augment.text.other_caption", text.other_caption),
            ("augment.text.paraphrase", text.paraphrase),
            ("augment.text.synonyms", text.synonyms),
        ] {
            checks.unit(&path(field), value);
        }
        checks.fraction(&path("augment.images.crop"), images.crop);
    }

    fn build(&self, path: &nn::Path, inputs: &Inputs) -> Box<dyn Captioner> {
        Box::new(Cssa::new(path, self, inputs))
    }
}
