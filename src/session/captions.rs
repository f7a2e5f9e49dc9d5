//! The training captions of a session as batches.

use super::Session;
use crate::data::batch::{Batch, PackedCaptions};
use crate::features::FeatureSet;
use crate::train::TrainingSet;
use anyhow::Result;
use tch::Device;

/// Every caption of some images, encoded: one training example each.
pub(super) struct CaptionSet<'a> {
    features: &'a FeatureSet,
    device: Device,
    /// Image and `<start> words <end>` of each caption.
    captions: Vec<(usize, Vec<i64>)>,
    file_names: Vec<&'a str>,
}

impl<'a> CaptionSet<'a> {
    pub(super) fn new(session: &'a Session, images: &[usize]) -> Self {
        let mut captions = Vec::new();
        for &image in images {
            for caption in &session.dataset.images[image].captions {
                if !caption.words.is_empty() {
                    captions.push((image, session.vocabulary.encode(&caption.words)));
                }
            }
        }
        let file_names = session.dataset.images.iter().map(|image| image.file_name.as_str()).collect();
        Self { features: &session.features, device: session.device, captions, file_names }
    }
}

impl TrainingSet for CaptionSet<'_> {
    fn len(&self) -> usize {
        self.captions.len()
    }

    fn batch(&self, chosen: &[usize]) -> Result<Batch> {
        let ids: Vec<&[i64]> = chosen.iter().map(|&caption| self.captions[caption].1.as_slice()).collect();
        let captions = PackedCaptions::new(&ids, self.device);
        let images: Vec<usize> = captions.order.iter().map(|&i| self.captions[chosen[i]].0).collect();
        let features = (0..self.features.encoders()).map(|e| self.features.rows(e, &images)).collect::<Result<_>>()?;
        Ok(Batch { captions, features })
    }

    fn describe(&self, caption: usize) -> String {
        self.captions.get(caption).map_or_else(String::new, |(image, _)| self.file_names[*image].to_owned())
    }
}
