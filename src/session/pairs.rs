//! Pairs of images and captions with augmented forms of both: the examples of a contrastive first stage.

use super::looking::features;
use super::{Session, TrainingSet, synonyms};
use crate::data::augment::{AugmentConfig, Synonyms, TextAugmenter};
use crate::data::batch::{Batch, PackedCaptions};
use crate::features::view::View;
use crate::features::{FeatureProgress, FeatureSet};
use crate::util::rng::Rng;
use anyhow::Result;
use tch::Tensor;

/// Every image once; an epoch draws one of its captions, one of its views and new words for the caption.
pub(super) struct PairSet<'a> {
    session: &'a Session,
    /// Places in the dataset.
    images: Vec<usize>,
    /// Captions as words, of each of `images`.
    captions: Vec<Vec<&'a [String]>>,
    /// Features of each view of `images`, in this order.
    views: Vec<FeatureSet>,
    text: TextAugmenter,
    seed: u64,
}

/// Stream of random numbers that draw pairs.
const PAIR: u64 = 4;

impl<'a> PairSet<'a> {
    /// Takes the images' views through the frozen encoders, or from the cache; of tuned ones the pixels.
    pub(super) fn new(
        session: &'a Session,
        images: &[usize],
        augment: &AugmentConfig,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<Self> {
        let of = |&place: &usize| -> Vec<&'a [String]> {
            let captions = session.dataset.images[place].captions.iter();
            captions.map(|caption| caption.words.as_slice()).filter(|words| !words.is_empty()).collect()
        };
        let (images, captions): (Vec<usize>, Vec<_>) =
            images.iter().map(|place| (*place, of(place))).filter(|(_, captions)| !captions.is_empty()).unzip();
        let paths: Vec<_> = images.iter().map(|&place| session.dataset.images[place].path.clone()).collect();
        let experiment = &session.experiment;
        let views = (0..augment.views).map(|number| {
            let view = View { settings: augment.images.clone(), number };
            features(experiment, Some(&view), &paths, session.device, progress)
        });
        let views = views.collect::<Result<_>>()?;
        let synonyms = match augment.text.synonyms > 0.0 {
            true => synonyms::of_vocabulary(&session.vocabulary)?,
            false => Synonyms::new(),
        };
        let text = TextAugmenter::new(&augment.text, synonyms)?;
        Ok(Self { session, images, captions, views, text, seed: experiment.train.seed })
    }

    /// Packs caption `i` of the list to image `i`.
    fn pack(&self, captions: &[Vec<i64>]) -> (PackedCaptions, Tensor) {
        let ids: Vec<&[i64]> = captions.iter().map(Vec::as_slice).collect();
        let packed = PackedCaptions::new(&ids, self.session.device);
        let rows: Vec<i64> = packed.order.iter().map(|&caption| caption as i64).collect();
        (packed, Tensor::from_slice(&rows).to_device(self.session.device))
    }
}

impl TrainingSet for PairSet<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn captions(&self) -> usize {
        self.images.len()
    }

    fn batch(&self, chosen: &[usize], epoch: usize) -> Result<Batch> {
        let (mut originals, mut rewritten, mut views) = (Vec::new(), Vec::new(), Vec::new());
        for &index in chosen {
            let captions = &self.captions[index];
            let mut rng = Rng::new(&[self.seed, PAIR, epoch as u64, index as u64]);
            let caption = rng.below(captions.len());
            views.push((rng.below(self.views.len()), index));
            originals.push(self.session.vocabulary.encode(captions[caption]));
            rewritten.push(self.session.vocabulary.encode(&self.text.rewrite(captions, caption, &mut rng)));
        }
        let places: Vec<usize> = chosen.iter().map(|&index| self.images[index]).collect();
        let (mut features, mut changed) = (Vec::new(), Vec::new());
        for encoder in 0..self.session.features.encoders() {
            features.push(self.session.features.rows(encoder, &places)?);
            if !self.views.is_empty() {
                let rows = views.iter().map(|&(view, index)| self.views[view].rows(encoder, &[index]));
                changed.push(Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0));
            }
        }
        let (captions, image_rows) = self.pack(&rewritten);
        let augmented = Some(Box::new(Batch {
            captions,
            image_rows,
            features: changed,
            attributes: None,
            augmented: None,
            nouns: None,
        }));
        let (captions, image_rows) = self.pack(&originals);
        Ok(Batch { captions, image_rows, features, attributes: None, augmented, nouns: None })
    }

    fn describe(&self, example: usize) -> String {
        let image = self.images.get(example).and_then(|&place| self.session.dataset.images.get(place));
        image.map_or_else(String::new, |image| image.file_name.clone())
    }
}
