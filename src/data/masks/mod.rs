//! Object masks: read, made where there are none, and combined with their images into pictures that an encoder sees.
//!
//! S2CPNet looks at a mask picture beside every image, made by Segment Anything ("automatic" mode) and "combined with
//! the input image"; neither pictures nor recipe are published with it. Masks are found as pictures of flat colours,
//! label maps or Segment Anything's records, and drawn by [`MaskRules`], whose default is the look of Segment
//! Anything's own demonstration.

mod draw;
mod find;
mod labels;
mod pictures;
mod records;
mod regions;
mod rle;
mod segment;

pub use draw::draw;
pub use find::Finder;
pub use labels::Labels;
pub use pictures::{Pictures, prepare, require};
pub(crate) use pictures::{write_drawn, write_solid};
pub use records::{Found, Record, parse_records, records_text};
pub use rle::{Rle, RleError, RunLengths};
pub use segment::{SegmenterRules, segment};

use crate::data::image::decode_file;
use crate::util::fs::{read_file, read_text};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Which pictures of an image's objects a model looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskRules {
    /// Folder of the masks, inside the dataset's unless it is absolute.
    pub folder: PathBuf,
    pub mode: MaskMode,
    /// How strongly an object's colour covers the image where `mode` is `overlay`: 0 not at all, 1 wholly.
    pub opacity: f64,
    /// A dataset's images without a mask: `segment` them or `fail`. Single images are always segmented.
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
    /// The mask picture as it is; for an image without one, the overlay.
    Picture,
}

/// What becomes of a dataset's images without a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingMasks {
    /// They are segmented without supervision, and a warning counts them.
    Segment,
    Fail,
}

/// Reads a mask file: records where it is JSON, else a picture of flat colours or a label map.
///
/// Errors name the file.
pub fn read(path: &Path) -> Result<Labels> {
    let shown = || format!("in the mask file '{}'", path.display());
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        let records = parse_records(&read_text(path)?).with_context(shown)?;
        return Labels::from_records(&records).with_context(shown);
    }
    let bytes = read_file(path).with_context(shown)?;
    match labels::deep_labels(&bytes) {
        Some(labels) => labels.with_context(shown),
        None => Labels::from_picture(&decode_file(path)?).with_context(shown),
    }
}
