//! Other looks of the same image and other words for the same caption, for training.

pub mod image;
pub mod paraphrases;
pub mod text;

pub use image::ImageAugment;
pub use paraphrases::Paraphrases;
pub use text::{Synonyms, TextAugment, TextAugmenter};

use serde::{Deserialize, Serialize};

/// How pairs of images and captions are augmented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Augmented views kept of each training image; an epoch draws one of them. The encoder is frozen, so its features
    /// of each view are computed once and cached (a DenseNet-169 grid of 7 x 7 takes 0.3 MB a view).
    ///
    /// Deviation: the paper augments anew in every epoch, which a frozen encoder would have to follow.
    pub views: usize,
    pub images: ImageAugment,
    pub text: TextAugment,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self { views: 8, images: ImageAugment::default(), text: TextAugment::default() }
    }
}
