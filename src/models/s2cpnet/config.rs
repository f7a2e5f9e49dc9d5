//! Sizes and switches of S2CPNet.

use super::S2cpNet;
use crate::config::Checks;
use crate::data::masks::MaskRules;
use crate::data::nouns::NounRules;
use crate::models::{Captioner, Inputs, ModelSettings, NounSearch, Surroundings};
use serde::{Deserialize, Serialize};
use tch::nn;

/// The defaults are the paper's full model. What text and published program do differently follows `preset` where it is
/// not set by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub preset: Preset,
    /// How image and mask become one memory (Tables V and VI).
    pub fusion: Fusion,
    /// Semantic enhancement of the image features (Table VII).
    pub semantic: bool,
    /// Spatial enhancement of the mask features (Table VII).
    pub spatial: bool,
    /// Predict the nouns of a caption beside its words (Table V).
    pub nouns: bool,
    /// The layer that predicts words (Table IV).
    pub decoder: Decoder,

    /// What the mask features are set against, Eq. (3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spatial_pool: Option<SpatialPool>,
    /// Where the weight of the strongest channel against the weakest starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha_init: Option<f64>,
    /// Leave both enhancements as they start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze_enhancement: Option<bool>,
    /// How a cross-view unit works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Gated branches keep their ungated input too: `LN(sigmoid(v) v + v)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate_residual: Option<bool>,
    /// Nouns see the nouns before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noun_self_attention: Option<bool>,

    /// Places on a side of the grid: features are averaged, or repeated, to it.
    pub grid: usize,
    /// Width of a view. The decoder's is twice that where the views stand side by side.
    pub width: usize,
    pub heads: usize,
    /// Cross-view units, one after the other.
    pub units: usize,
    pub dropout: f64,
    /// Dropout on embedded words.
    pub word_dropout: f64,
    /// Longest caption that has places, in words.
    pub max_words: usize,

    /// Which pictures the masks are.
    pub masks: MaskRules,
    /// Which words of a caption are its nouns.
    pub noun_words: NounRules,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preset: Preset::Paper,
            fusion: Fusion::Cvff,
            semantic: true,
            spatial: true,
            nouns: true,
            decoder: Decoder::Gated,
            spatial_pool: None,
            alpha_init: None,
            freeze_enhancement: None,
            unit: None,
            gate_residual: None,
            noun_self_attention: None,
            grid: 14,
            width: 512,
            heads: 8,
            units: 3,
            dropout: 0.5,
            word_dropout: 0.1,
            max_words: 25,
            masks: MaskRules::default(),
            noun_words: NounRules::default(),
        }
    }
}

impl Config {
    fn author(&self) -> bool {
        self.preset == Preset::AuthorCode
    }

    pub fn spatial_pool(&self) -> SpatialPool {
        self.spatial_pool.unwrap_or(if self.author() { SpatialPool::Halved } else { SpatialPool::Global })
    }

    pub fn alpha_init(&self) -> f64 {
        self.alpha_init.unwrap_or(if self.author() { 1.0 } else { 0.5 })
    }

    pub fn freeze_enhancement(&self) -> bool {
        self.freeze_enhancement.unwrap_or(self.author())
    }

    pub fn unit(&self) -> Unit {
        self.unit.unwrap_or(if self.author() { Unit::Full } else { Unit::Fused })
    }

    pub fn gate_residual(&self) -> bool {
        self.gate_residual.unwrap_or(self.author())
    }

    pub fn noun_self_attention(&self) -> bool {
        self.noun_self_attention.unwrap_or(!self.author())
    }

    /// Whether the model looks at masks.
    pub fn uses_masks(&self) -> bool {
        self.fusion != Fusion::Image
    }

    /// Width of the memory and of the decoder.
    pub fn memory_width(&self) -> i64 {
        let views = match self.fusion {
            Fusion::Cvff | Fusion::Concat => 2,
            Fusion::Add | Fusion::Image => 1,
        };
        (views * self.width) as i64
    }
}

/// Which source wins where text and published program differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The text, its gaps filled from the program.
    Paper,
    /// The program as it was published, its faults included.
    AuthorCode,
}

/// What the decoder looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fusion {
    /// The image alone (Baseline1, Baseline2).
    Image,
    /// The sum of both views (Model2-A).
    Add,
    /// Both views side by side (Model2-B).
    Concat,
    /// Cross-view feature fusion (Model2 and on).
    Cvff,
}

/// The layer of the caption decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// Gated guidance by image and words, Eq. (6).
    Gated,
    /// A Transformer layer (Baseline1).
    Plain,
}

/// What the spatial enhancement takes off the mask features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpatialPool {
    /// Their mean over the grid, Eq. (3).
    Global,
    /// Their mean over a grid of half the side, enlarged again: nothing remains of features that were themselves
    /// enlarged from that grid or a coarser one, as those of 224-pixel images are.
    Halved,
}

/// How a cross-view unit works. `B` is attention and feed-forward network with their norms, one set of weights a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// The text: `f = g1 x1 + g2 x2`, `g = sigmoid(W [x1; x2])`; `o_i = B(x_i, f)`.
    Fused,
    /// The program: `f = (1 + a1) x1 + (1 + a2) x2`, `a = softmax(W4 W3 relu [x1; x2])`; all three to themselves by
    /// `B`, then `o_1 = B(x1, f) + B(x1, x2)` and likewise `o_2`.
    Full,
}

impl ModelSettings for Config {
    fn key() -> &'static str {
        "s2cpnet"
    }

    /// A few letters that tell the rows of the ablation tables apart.
    fn variant(&self, _first_stage: bool) -> String {
        let fusion = match self.fusion {
            Fusion::Image => "image",
            Fusion::Add => "add",
            Fusion::Concat => "concat",
            Fusion::Cvff => "cvff",
        };
        let mut name = format!("s2cpnet-{fusion}");
        for (on, letters) in [
            (self.semantic, "-sem"),
            (self.spatial && self.uses_masks(), "-spa"),
            (self.nouns, "-nouns"),
            (self.decoder == Decoder::Plain, "-plain"),
            (self.author(), "-author"),
        ] {
            if on {
                name += letters;
            }
        }
        name
    }

    fn masks(&self) -> Option<&MaskRules> {
        self.uses_masks().then_some(&self.masks)
    }

    fn nouns(&self) -> Option<&NounRules> {
        self.nouns.then_some(&self.noun_words)
    }

    /// In the published program only the first row of each step goes on: its test of the first step reads the counter
    /// of the caption's steps, which stands still meanwhile.
    fn noun_search(&self) -> Option<NounSearch> {
        self.nouns().map(|rules| NounSearch { steps: rules.max + 1, best_only: self.author() })
    }

    fn check(&self, around: &Surroundings, checks: &mut Checks) {
        let path = |field: &str| format!("model.s2cpnet.{field}");
        for (field, count) in
            [("grid", self.grid), ("heads", self.heads), ("units", self.units), ("noun_words.max", self.noun_words.max)]
        {
            checks.count(&path(field), count);
        }
        checks.width(&path("width"), self.width);
        checks.words(&path("max_words"), Some(self.max_words));
        let (width, heads) = (self.width, self.heads.max(1));
        checks.require(width > 0 && width.is_multiple_of(heads) && width.is_multiple_of(2), &path("width"), || {
            format!("not a multiple of 2 and of the heads (heads {heads}, found {width})")
        });
        checks.fraction(&path("dropout"), self.dropout);
        checks.fraction(&path("word_dropout"), self.word_dropout);
        checks.unit(&path("masks.opacity"), self.masks.opacity);
        for (field, value) in [("scale", self.masks.segmenter.scale), ("sigma", self.masks.segmenter.sigma)] {
            checks.above_zero(&path(&format!("masks.segmenter.{field}")), value);
        }
        let found = around.encoders;
        checks.require(found <= 1, "encoders", || format!("this model has one encoder (expected 1, found {found})"));
        if let Some(length) = around.max_length {
            checks.require(length <= self.max_words, "data.vocabulary.max_length", || {
                format!("more than model.s2cpnet.max_words (expected at most {}, found {length})", self.max_words)
            });
        } else {
            checks.require(false, "data.vocabulary.max_length", || {
                format!("needed by this model, which has places for model.s2cpnet.max_words = {} words", self.max_words)
            });
        }
    }

    fn build(&self, path: &nn::Path, inputs: &Inputs) -> Box<dyn Captioner> {
        Box::new(S2cpNet::new(path, self, inputs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_settle_what_is_not_set_and_yield_to_what_is() {
        let paper = Config::default();
        assert_eq!((paper.spatial_pool(), paper.unit(), paper.alpha_init()), (SpatialPool::Global, Unit::Fused, 0.5));
        assert!(!paper.freeze_enhancement() && !paper.gate_residual() && paper.noun_self_attention());
        let author = Config { preset: Preset::AuthorCode, alpha_init: Some(0.25), ..paper };
        assert_eq!(
            (author.spatial_pool(), author.unit(), author.alpha_init()),
            (SpatialPool::Halved, Unit::Full, 0.25)
        );
        assert!(author.freeze_enhancement() && author.gate_residual() && !author.noun_self_attention());
    }

    #[test]
    fn variants_of_the_tables_have_different_names() {
        let base = Config { semantic: false, spatial: false, nouns: false, ..Config::default() };
        let rows = [
            Config { fusion: Fusion::Image, decoder: Decoder::Plain, ..base.clone() },
            Config { fusion: Fusion::Image, ..base.clone() },
            Config { fusion: Fusion::Add, ..base.clone() },
            Config { fusion: Fusion::Concat, ..base.clone() },
            base.clone(),
            Config { nouns: true, ..base.clone() },
            Config { nouns: true, semantic: true, ..base.clone() },
            Config { nouns: true, spatial: true, ..base },
            Config::default(),
            Config { preset: Preset::AuthorCode, ..Config::default() },
        ];
        let names: std::collections::BTreeSet<String> = rows.iter().map(|row| row.variant(false)).collect();
        assert_eq!(names.len(), rows.len());
    }
}
