//! Augmented views of images, whose features are cached beside those of the images themselves.

use super::store::ImageHash;
use crate::data::augment::ImageAugment;
use crate::util::rng::Rng;

/// One of several augmented looks of every image; it depends on the settings, its number and the image's content.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub settings: ImageAugment,
    pub number: usize,
}

/// Changes whenever the same settings and number give other pixels.
const AUGMENT_VERSION: u32 = 1;

impl View {
    /// From which an image's changes are drawn.
    pub(super) fn seed(&self, image: &ImageHash) -> u64 {
        let (chunks, _) = image.as_chunks::<8>();
        let mut parts: Vec<u64> = chunks.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        parts.push(self.number as u64);
        Rng::new(&parts).next_u64()
    }

    /// What the cache's key says of the view.
    pub(super) fn key(&self) -> String {
        format!(" view {} of {:?} version {AUGMENT_VERSION}", self.number, self.settings)
    }
}
