//! What one finished run leaves for tables and pages: `result.json` in its folder.

use super::Environment;
use super::{Explanation, StageScores};
use crate::decode::DecodeConfig;
use crate::eval::Scores;
use crate::eval::memory::Memory;
use crate::util::fs::{read_text, write_atomic};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// File name of a result in its run folder.
pub const FILE: &str = "result.json";

/// One trained run (one experiment, one seed) and everything measured on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// Identity of the experiment, [`crate::experiment::Experiment::identity`].
    pub experiment: String,
    pub seed: u64,
    /// Metric of the validation split by which the best epoch was chosen.
    pub selected_by: String,
    /// Epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Wall time of training, seconds.
    pub seconds: f64,
    /// What the run cost, under the names that tables of costs give their columns: `params_M`, `pretraining_s`,
    /// `train_s_per_epoch`, `train_s_total`; see [`RunResult::cost`].
    #[serde(default)]
    pub costs: BTreeMap<String, f64>,
    /// `cpu`, `cuda:0 (NVIDIA H100)`, ...
    pub device: String,
    #[serde(default)]
    pub environment: Environment,
    pub encoders: Vec<EncoderUsed>,
    /// Training and validation, one entry an epoch.
    pub curve: Vec<CurveRecord>,
    /// The first training stage, where there was one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_stage: Vec<CurveRecord>,
    /// What it was worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_scores: Option<StageScores>,
    /// The images that were captioned, in the order of the dataset.
    pub images: Vec<ImageRecord>,
    /// Images of the scored split that could not be used.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    pub decodings: Vec<DecodingResult>,
    /// What the same images score without any model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<Baseline>,
}

/// Captions of the test images that no model made: what a model does not pass, it has not learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// `nearest image`: a caption of the training image that is nearest by the encoders' pooled features; `consensus`:
    /// for every image the training caption of the greatest mean CIDEr-D against the training images.
    pub name: String,
    pub scores: Scores,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// An encoder as it was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EncoderUsed {
    pub name: String,
    /// Weight file, or `random`.
    pub weights: String,
    /// SHA-256 of the weight file.
    #[serde(default)]
    pub sha256: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Means of its terms before their weights, where it has several.
    #[serde(default, skip_serializing_if = "no_scores")]
    pub terms: Scores,
    /// Scores of the validation split.
    #[serde(default)]
    pub validation: Scores,
}

fn no_scores(scores: &Scores) -> bool {
    scores.0.is_empty()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// File name in the dataset: how reports call it.
    pub name: String,
    /// Where the file lies, for thumbnails.
    pub path: PathBuf,
    pub references: Vec<String>,
    /// The mask picture that the model saw beside the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub image: String,
    pub reason: String,
}

/// One way of decoding the run's test split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodingResult {
    /// [`DecodeConfig::label`] of the settings.
    pub name: String,
    pub decode: DecodeConfig,
    /// Wall time, seconds.
    pub seconds: f64,
    /// Corpus scores.
    pub scores: Scores,
    /// Those of word ids, of experiments whose epochs are chosen by such.
    #[serde(default, skip_serializing_if = "no_scores")]
    pub on_ids: Scores,
    /// What part of them may be memory of the training captions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// What they were computed with, as `rsic score` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Images for which no caption ended, where such are not scored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unfinished: usize,
    /// One per image of [`RunResult::images`], in that order.
    pub captions: Vec<CaptionRecord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaptionRecord {
    pub caption: String,
    /// This image's own scores.
    #[serde(default)]
    pub scores: Scores,
    /// Nouns that the model predicts of the image, where it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nouns: Vec<String>,
    /// Attributes of the image and where the model looked, of the worst and best images of models that have such.
    #[serde(default, skip_serializing_if = "Explanation::is_empty")]
    pub shown: Explanation,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl RunResult {
    /// The result in a run folder; `None` where there is none yet. Errors name the file.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let mend = || format!("'{}' is not a valid result file; delete it and rerun", path.display());
        let result: Self =
            serde_json::from_str(&read_text(&path)?).map_err(crate::util::json::error).with_context(mend)?;
        result.check().with_context(mend)?;
        Ok(Some(result))
    }

    /// Writes the result into a run folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.check()?;
        write_atomic(&folder.join(FILE), &serde_json::to_vec(self).context("cannot write a result as JSON")?)
    }

    fn check(&self) -> Result<()> {
        for decoding in &self.decodings {
            if decoding.captions.len() != self.images.len() {
                bail!(
                    "decoding '{}' has {} captions for {} images",
                    decoding.name,
                    decoding.captions.len(),
                    self.images.len()
                );
            }
        }
        Ok(())
    }

    /// A cost by the name of its column; `test_s_per_epoch` is the time of a decoding.
    pub fn cost(&self, column: &str, decoding: &DecodingResult) -> Option<f64> {
        match column {
            "test_s_per_epoch" => Some(decoding.seconds),
            column => self.costs.get(column).copied(),
        }
    }

    /// The result of decoding with these settings, if it is there.
    pub fn decoding(&self, decode: &DecodeConfig) -> Option<&DecodingResult> {
        let wanted = decode.canonical();
        self.decodings.iter().find(|decoding| decoding.decode.canonical() == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_result_is_one_sentence_that_says_how_to_mend() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RunResult::load(folder.path()).unwrap().is_none());
        std::fs::write(folder.path().join(FILE), "{\"experiment\":").unwrap();
        let error = format!("{:#}", RunResult::load(folder.path()).unwrap_err());
        assert!(error.contains("delete it and rerun"), "{error}");
    }
}
