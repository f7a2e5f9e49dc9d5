//! Scores of captions, and what they are worth.

use super::Session;
use crate::data::Split;
use crate::eval::memory::{Memory, Training};
use crate::eval::protocol::Smoothing;
use crate::eval::{Evaluation, MetricSet, Protocol, Signature, Tables, tokenize_all};
use anyhow::Result;

/// The captions of some images, judged.
pub(super) struct Judged {
    pub(super) evaluation: Evaluation,
    pub(super) memory: Option<Memory>,
    pub(super) signature: String,
}

impl Session {
    /// Scores a caption of each of these images of the dataset.
    pub(super) fn judge(&self, images: &[usize], captions: &[String]) -> Result<Judged> {
        let metrics = MetricSet::ALL;
        let references = self.references(images);
        let cleaned = tokenize_all(captions);
        let segments = references.segments(&cleaned, metrics)?;
        let evaluation = references.evaluation(&segments, metrics);
        let memory = self.training_captions();
        let memory = memory.map(|training| Memory::new(&training, &references, &cleaned, &segments, metrics));
        let groups: Vec<(String, Vec<String>)> = images.iter().filter_map(|&image| self.raw(image)).collect();
        let named = groups.iter().map(|(id, captions)| (id.clone(), captions.as_slice()));
        let signature =
            Signature::new(Protocol::Coco, Smoothing::default(), metrics, named, Tables::of(&references)).to_string();
        Ok(Judged { evaluation, memory, signature })
    }

    /// The captions of all training images, usable or not.
    pub(super) fn training_captions(&self) -> Option<Training> {
        let train = self.dataset.images.iter().filter(|image| image.split == Split::Train);
        let texts: Vec<&String> = train.flat_map(|image| &image.captions).map(|caption| &caption.text).collect();
        (!texts.is_empty()).then(|| Training::new(&texts))
    }

    /// The id of an image and its references, as predictions are written.
    fn raw(&self, image: usize) -> Option<(String, Vec<String>)> {
        let entry = self.dataset.images.get(image)?;
        Some((entry.id.to_string(), entry.captions.iter().map(|caption| caption.text.clone()).collect()))
    }
}
