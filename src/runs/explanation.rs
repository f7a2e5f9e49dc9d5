//! What a model shows of itself beside a caption, as results hold it.

use serde::{Deserialize, Serialize};

/// Attributes of an image and the regions behind each word of its caption, as far as the model has them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Attribute words and their probabilities, the likeliest first; equal ones in the order of the attributes.
    pub attributes: Vec<(String, f64)>,
    /// Those of them that the decoder was given, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sampled: Vec<String>,
    pub attention: Vec<Look>,
    /// Where each layer of the model's image encoder looked: weights of the grid, row by row from the top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encoder: Vec<Vec<Vec<f32>>>,
}

/// Where a model looked when it said a word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The word; `<end>` for the caption's end.
    pub word: String,
    /// Weight of each place of the feature grid, row by row from the top; their sum is one.
    pub weights: Vec<Vec<f32>>,
}

impl Explanation {
    /// Whether the model has nothing to show.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.attention.is_empty() && self.encoder.is_empty()
    }

    /// Whether the decoder was given an attribute.
    pub fn is_sampled(&self, word: &str) -> bool {
        self.sampled.iter().any(|sampled| sampled == word)
    }

    /// The attributes of a probability of one half or more.
    pub fn likely_attributes(&self) -> impl Iterator<Item = &(String, f64)> {
        self.attributes.iter().filter(|(_, probability)| *probability >= 0.5)
    }
}
