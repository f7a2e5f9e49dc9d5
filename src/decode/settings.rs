//! The `decode` block of an experiment.

use crate::config::Checks;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use tch::Device;

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
    /// Never choose `<pad>` and `<start>`, which are no words.
    #[serde(skip_serializing_if = "is_true")]
    pub suppress_specials: bool,
    /// What becomes of hypotheses that have not ended at the greatest length.
    #[serde(skip_serializing_if = "Unfinished::is_ranked")]
    pub unfinished: Unfinished,
    /// Number format of the search.
    #[serde(skip_serializing_if = "DecodePrecision::is_exact")]
    pub precision: DecodePrecision,
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
            suppress_specials: true,
            unfinished: Unfinished::Rank,
            precision: DecodePrecision::Float32,
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

/// Hypotheses that have not ended when the search does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfinished {
    /// Ranked among the others.
    Rank,
    /// Never captions. An image for which no hypothesis has ended has none, and is not scored.
    Drop,
}

impl Unfinished {
    fn is_ranked(&self) -> bool {
        *self == Self::Rank
    }
}

/// Number format in which a model searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodePrecision {
    Float32,
    /// bfloat16 where LibTorch's autocast deems that safe; CUDA devices only. Log-probabilities are float32.
    Bf16,
}

impl DecodePrecision {
    fn is_exact(&self) -> bool {
        *self == Self::Float32
    }
}

/// What new settings are by default is not written, so that experiments keep their identity.
fn is_true(value: &bool) -> bool {
    *value
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

impl DecodeConfig {
    /// The settings that decide the captions, the others at their defaults.
    pub fn canonical(&self) -> Self {
        let default = Self::default();
        let mut canonical = Self { batch_size: default.batch_size, ..self.clone() };
        if self.method == DecodeMethod::Greedy {
            canonical.beam = default.beam;
        }
        if self.method != DecodeMethod::Comparison {
            canonical.comparison = default.comparison;
        }
        canonical
    }

    /// Hypotheses that the search keeps of an image; `None` for comparison-based search, which is more than a search.
    pub fn width(&self) -> Option<usize> {
        match self.method {
            DecodeMethod::Greedy => Some(1),
            DecodeMethod::Beam => Some(self.beam),
            DecodeMethod::Comparison => None,
        }
    }

    /// How tables call a decoding: `greedy`, `beam 5`, `comparison 5, k=4`.
    pub fn label(&self) -> String {
        let mut label = match self.method {
            DecodeMethod::Greedy => "greedy".to_owned(),
            DecodeMethod::Beam => format!("beam {}", self.beam),
            DecodeMethod::Comparison => {
                let ComparisonConfig { neighbours, pool, greedy } = &self.comparison;
                let pool = if *pool == ComparisonPool::Union { ", union" } else { "" };
                let greedy = if *greedy { "" } else { ", no greedy" };
                format!("comparison {}, k={neighbours}{pool}{greedy}", self.beam)
            }
        };
        if let Some(length) = self.max_length {
            label.push_str(&format!(", {length} words"));
        }
        if self.precision == DecodePrecision::Bf16 {
            label.push_str(", bf16");
        }
        label
    }

    /// Errors: a number format that is not for that device.
    pub fn check_device(&self, device: Device) -> Result<()> {
        if self.precision == DecodePrecision::Bf16 && !matches!(device, Device::Cuda(_)) {
            bail!("decode.precision is bf16, which is for CUDA devices; set decode.precision=float32 on a CPU");
        }
        Ok(())
    }

    /// Adds what is wrong with these settings to `checks`.
    pub fn check(&self, checks: &mut Checks) {
        checks.beam("decode.beam", self.beam);
        checks.size("decode.batch_size", self.batch_size);
        checks.words("decode.max_length", self.max_length);
        checks.zero_or_more("decode.length_penalty", self.length_penalty);
        let compares = self.method == DecodeMethod::Comparison;
        checks.require(!(compares && self.unfinished == Unfinished::Drop), "decode.unfinished", || {
            "not 'drop' with decode.method comparison, which needs a caption of every image (expected rank)".into()
        });
        checks.size("decode.comparison.neighbours", self.comparison.neighbours);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_change_captions_do_not_tell_decodings_apart() {
        let greedy = |beam, batch_size| DecodeConfig {
            method: DecodeMethod::Greedy,
            beam,
            batch_size,
            ..DecodeConfig::default()
        };
        assert_eq!(greedy(3, 1).canonical(), greedy(5, 64).canonical());
        let beam = DecodeConfig { beam: 3, ..DecodeConfig::default() };
        assert_ne!(beam.canonical(), DecodeConfig::default().canonical());
        assert_eq!(beam.label(), "beam 3");
        let rounded = DecodeConfig { precision: DecodePrecision::Bf16, ..beam.clone() };
        assert_ne!(beam.canonical(), rounded.canonical());
        assert_eq!(rounded.label(), "beam 3, bf16");
        assert!(rounded.check_device(Device::Cuda(0)).is_ok() && beam.check_device(Device::Cpu).is_ok());
        assert!(rounded.check_device(Device::Cpu).unwrap_err().to_string().contains("decode.precision=float32"));
    }
}
