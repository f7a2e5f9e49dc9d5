use serde::{Deserialize, Serialize};

/// Settings of the segmenter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmenterRules {
    /// Regions grow larger with it: the slack of Felzenszwalb and Huttenlocher's rule.
    pub scale: f64,
    /// Width of the Gaussian that smooths the image first, pixels.
    pub sigma: f64,
    /// Smaller regions are merged with a neighbour: part of the image's pixels.
    pub min_area: f64,
    /// Larger images are segmented at this side, pixels.
    pub max_side: u32,
}

impl Default for SegmenterRules {
    fn default() -> Self {
        Self { scale: 300.0, sigma: 0.8, min_area: 0.002, max_side: 512 }
    }
}
