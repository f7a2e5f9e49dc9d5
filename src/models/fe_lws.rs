//! FE-LWS.

use serde::{Deserialize, Serialize};

/// Sizes and switches of FE-LWS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How the stacked GRUs' outputs become one.
    pub stack: Stack,
    /// Stacked GRUs (1 for `ns`).
    pub layers: usize,
    /// Width of the word embedding.
    pub embedding: usize,
    /// Units of each GRU.
    pub hidden: usize,
    /// Width of the projected image features, L1.
    pub image: usize,
    /// Width of the merge layer, L2.
    pub merge: usize,
    /// Dropout before L1, after the embedding, between GRUs and before L3.
    pub dropout: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { stack: Stack::Lws, layers: 3, embedding: 256, hidden: 256, image: 256, merge: 512, dropout: 0.5 }
    }
}

/// Section "Stacked GRUs": none, simple, concatenated, global weights, local weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stack {
    Ns,
    Ss,
    Cs,
    Gws,
    Lws,
}
