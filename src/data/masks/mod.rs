//! Object masks.
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

mod segment;

pub use segment::SegmenterRules;

/// Which pictures of an image's objects a model looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskRules {
    /// Folder of the masks, inside the dataset's unless it is absolute.
    pub folder: PathBuf,
    pub mode: MaskMode,
    /// How strongly an object's colour covers the image where `mode` is `overlay`: 0 not at all, 1 wholly.
    pub opacity: f64,
    /// Images without a mask: `segment` them or `fail`.
    pub missing: MissingMasks,
    /// How images are segmented.
    pub segmenter: SegmenterRules,
}

impl Default for MaskRules {
    fn default() -> Self {
        Self {
            folder: "masks".into(),
            mode: MaskMode::Overlay,
            opacity: 0.35,
            missing: MissingMasks::Segment,
            segmenter: SegmenterRules::default(),
        }
    }
}

/// How the objects of an image become a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskMode {
    /// Colours over the image, as Segment Anything's demonstration draws them.
    Overlay,
    /// Flat colours alone, the background black.
    Solid,
    /// The image with the outlines of its objects.
    Edges,
    /// The mask picture as it is.
    Picture,
}

/// What becomes of images without a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingMasks {
    /// They are segmented without supervision, and a warning counts them.
    Segment,
    Fail,
}
