//! What a model must pass: captions of training images for the test images.

use super::Session;
use super::judge::Judged;
use crate::data::Split;
use crate::decode::neighbours::Gallery;
use crate::runs::result::Baseline;
use anyhow::Result;

/// Images whose features are read at a time.
const BATCH: usize = 256;

impl Session {
    /// The baselines of the test split; none where there is nothing to compare with, and no nearest image where an
    /// encoder is tuned, whose features of the images are not kept.
    pub(super) fn baselines(&self) -> Result<Vec<Baseline>> {
        let (train, test) = (self.split(Split::Train), self.split(Split::Test));
        if train.is_empty() || test.is_empty() {
            return Ok(Vec::new());
        }
        let mut baselines = Vec::new();
        let encoders = &self.experiment.encoders;
        if !encoders.is_empty() && encoders.iter().all(|encoder| encoder.tune.is_none()) {
            baselines.push(self.baseline("nearest image", &test, &self.of_nearest(&train, &test)?)?);
        }
        if let Some(caption) = self.references(&train).consensus() {
            baselines.push(self.baseline("consensus", &test, &vec![caption.to_owned(); test.len()])?);
        }
        Ok(baselines)
    }

    fn baseline(&self, name: &str, test: &[usize], captions: &[String]) -> Result<Baseline> {
        let Judged { evaluation, memory, signature } = self.judge(test, captions)?;
        Ok(Baseline { name: name.into(), scores: evaluation.corpus, memory, signature: Some(signature) })
    }

    /// Of each test image the first caption of the training image that is nearest to it by the encoders' features.
    fn of_nearest(&self, train: &[usize], test: &[usize]) -> Result<Vec<String>> {
        // Masks, where a model looks at them, come behind the images.
        let features = |images: &[usize]| {
            (0..self.experiment.encoders.len())
                .map(|encoder| self.features.rows(encoder, images))
                .collect::<Result<_>>()
        };
        let gallery = Gallery::new(train, BATCH, features)?;
        let mut captions = Vec::with_capacity(test.len());
        for batch in test.chunks(BATCH) {
            for nearest in gallery.nearest(&features(batch)?, &[], 1) {
                let image = nearest.first().and_then(|&place| self.dataset.images.get(*train.get(place)?));
                let caption = image.and_then(|image| image.captions.first());
                captions.push(caption.map(|caption| caption.text.clone()).unwrap_or_default());
            }
        }
        Ok(captions)
    }
}
