//! Which metrics to compute.

use anyhow::{Result, bail};
use std::str::FromStr;

/// A choice of metrics. Sm is their mean, and is there where all four are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricSet {
    /// BLEU-1 to BLEU-4.
    pub bleu: bool,
    pub meteor: bool,
    pub rouge_l: bool,
    pub cider: bool,
    /// CIDEr as first defined, without clipping and without the penalty on length.
    pub cider_original: bool,
    pub spice: bool,
    /// The mean of CIDEr-D and SPICE (Liu et al., ICCV 2017).
    pub spider: bool,
    /// The mean of BLEU-4, METEOR, ROUGE-L, CIDEr and SPICE, which some papers call Sm, too.
    pub sm_spice: bool,
    /// SPICE of each kind of tuples.
    pub spice_details: bool,
}

impl MetricSet {
    /// The four that Sm is the mean of: what training validates with.
    pub const SM: Self = Self { bleu: true, meteor: true, rouge_l: true, cider: true, ..Self::NONE };
    pub const ALL: Self = Self { spice: true, ..Self::SM };
    pub const NONE: Self = Self {
        bleu: false,
        meteor: false,
        rouge_l: false,
        cider: false,
        cider_original: false,
        spice: false,
        spider: false,
        sm_spice: false,
        spice_details: false,
    };
    pub const SPICE: Self = Self { spice: true, ..Self::NONE };
    /// What needs neither resources nor a corpus: enough to stop training early.
    pub const ROUGE_L: Self = Self { rouge_l: true, ..Self::NONE };
    /// What a single caption can be scored with.
    pub const SENTENCE: Self = Self { cider: false, cider_original: false, ..Self::SM };

    pub fn union(self, other: Self) -> Self {
        Self {
            bleu: self.bleu || other.bleu,
            meteor: self.meteor || other.meteor,
            rouge_l: self.rouge_l || other.rouge_l,
            cider: self.cider || other.cider,
            cider_original: self.cider_original || other.cider_original,
            spice: self.spice || other.spice,
            spider: self.spider || other.spider,
            sm_spice: self.sm_spice || other.sm_spice,
            spice_details: self.spice_details || other.spice_details,
        }
    }

    /// What is left where captions are no words: without SPICE, and what is made of it.
    #[must_use]
    pub fn without_spice(self) -> Self {
        Self { spice: false, spider: false, sm_spice: false, spice_details: false, ..self }
    }

    /// Whether all are there that Sm is the mean of.
    pub fn has_sm(self) -> bool {
        self.bleu && self.meteor && self.rouge_l && self.cider
    }
}

impl Default for MetricSet {
    fn default() -> Self {
        Self::ALL
    }
}

/// One metric's name, as on the command line; `BLEU-4` asks for all four lengths, `Sm` for the four it is the mean of.
impl FromStr for MetricSet {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "bleu" | "bleu-1" | "bleu-2" | "bleu-3" | "bleu-4" => Self { bleu: true, ..Self::NONE },
            "meteor" => Self { meteor: true, ..Self::NONE },
            "rouge_l" | "rouge-l" => Self::ROUGE_L,
            "cider" | "cider-d" => Self { cider: true, ..Self::NONE },
            "cider-original" => Self { cider_original: true, ..Self::NONE },
            "spice" => Self::SPICE,
            "spider" => Self { cider: true, spice: true, spider: true, ..Self::NONE },
            "sm" => Self::SM,
            "sm-spice" => Self { sm_spice: true, ..Self::ALL },
            "all" => Self::ALL,
            _ => {
                bail!(
                    "unknown metric '{name}'; valid: BLEU, METEOR, ROUGE_L, CIDEr, CIDEr-original, SPICE, SPIDEr, Sm, \
                     Sm-SPICE"
                )
            }
        })
    }
}
