//! The `data` block of an experiment.

use super::image::Reading;
use super::image::raster::Stretch;
use crate::config::Checks;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Splits that caption files have.
const SPLITS: [&str; 4] = ["train", "restval", "val", "test"];

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
    /// Bands of the images that are shown as red, green and blue, or one as gray, counted from 1 (default: the first
    /// three but transparency, or the first).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<usize>,
    /// How samples become 8 bits: `none`, `percent` (2 to 98 % of each image), percentiles such as `1%-99%`, or two
    /// values such as `0-10000` (default: `none` for 8 bits, otherwise `percent`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub stretch: Stretch,
    /// Which field of a sentence is the caption: `tokens` or `raw`.
    #[serde(default)]
    pub text: TextField,
    #[serde(default)]
    pub vocabulary: VocabularyConfig,
    /// Images of the caption file that are absent or empty: `skip` (and count) or `fail`.
    #[serde(default)]
    pub missing: MissingPolicy,
    /// At most so many images of each split, the first of the caption file (default: all).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How images are split where the caption file does not say.
    #[serde(default)]
    pub split: SplitRule,
}

fn is_default(stretch: &Stretch) -> bool {
    *stretch == Stretch::default()
}

impl DataConfig {
    /// How the images' pixels are made of their files.
    pub fn reading(&self) -> Reading {
        Reading { bands: self.bands.clone(), stretch: self.stretch }
    }

    fn default_captions() -> PathBuf {
        crate::captions::DEFAULT.into()
    }

    /// The settings of a dataset folder of which nothing else is said.
    pub fn of_folder(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            captions: Self::default_captions(),
            images: None,
            bands: Vec::new(),
            stretch: Stretch::default(),
            limit: None,
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

impl SplitRule {
    /// Adds what is wrong with these settings, which stand under `data.split`, to `checks`.
    pub fn check(&self, checks: &mut Checks) {
        checks.fraction("data.split.train", self.train);
        checks.fraction("data.split.val", self.val);
        let sum = self.train + self.val;
        checks.require(sum <= 1.0 + 1e-9, "data.split", || {
            format!("fractions exceed 1 (expected train + val of at most 1, found {sum})")
        });
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

impl DataConfig {
    /// Adds what is wrong with these settings to `checks`.
    pub fn check(&self, checks: &mut Checks) {
        let vocabulary = &self.vocabulary;
        checks.require(self.root.as_os_str() != "", "data.root", || "empty (expected the folder of a dataset)".into());
        checks.require(self.captions.as_os_str() != "", "data.captions", || "empty (expected a caption file)".into());
        checks.at_least("data.vocabulary.min_count", vocabulary.min_count, 1);
        checks.words("data.vocabulary.max_length", vocabulary.max_length);
        checks.require(!vocabulary.splits.is_empty(), "data.vocabulary.splits", || {
            "empty (expected the splits that the vocabulary is built from, for example [train])".into()
        });
        checks.require([0, 1, 3].contains(&self.bands.len()) && !self.bands.contains(&0), "data.bands", || {
            format!("{:?} (expected one or three bands, counted from 1)", self.bands)
        });
        checks.at_least_if_set("data.limit", self.limit, 1);
        self.split.check(checks);
        for (index, split) in vocabulary.splits.iter().enumerate() {
            checks.one_of(&format!("data.vocabulary.splits.{index}"), split, &SPLITS);
        }
    }
}
