//! Pairs of images and captions with augmented forms of both: the examples of a contrastive first stage.

use super::looking::features;
use super::{Session, TrainingSet, synonyms};
use crate::data::augment::{AugmentConfig, Synonyms, TextAugmenter};
use crate::data::batch::{Batch, PackedCaptions};
use crate::features::view::View;
use crate::features::{FeatureProgress, FeatureSet, Images};
use crate::train::Examples;
use crate::util::rng::Rng;
use anyhow::Result;
use tch::Tensor;

/// Images with a caption each; an epoch draws one of an image's views and new words for the caption.
///
/// The other pairs of a batch are wrong answers to the contrastive loss, also where they show the same image or say the
/// same; with [`Examples::OneCaption`] no batch has an image twice.
pub(super) struct PairSet<'a> {
    session: &'a Session,
    /// Places in the dataset.
    images: Vec<usize>,
    /// Captions as words, of each of `images`.
    captions: Vec<Vec<&'a [String]>>,
    examples: Vec<Pair>,
    /// Features of each view of `images`, in this order.
    views: Vec<FeatureSet>,
    text: TextAugmenter,
    seed: u64,
}

/// One example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    /// Index of [`PairSet::images`].
    image: usize,
    /// Which of its captions; none: drawn anew each epoch.
    caption: Option<usize>,
}

/// The pairs of an epoch over images with so many captions each.
fn pairs(captions: &[usize], unit: Examples) -> Vec<Pair> {
    let images = captions.iter().enumerate();
    match unit {
        Examples::Captions | Examples::Images => {
            let of_image = |(image, &count)| (0..count).map(move |caption| Pair { image, caption: Some(caption) });
            images.flat_map(of_image).collect()
        }
        Examples::OneCaption => images.map(|(image, _)| Pair { image, caption: None }).collect(),
    }
}

/// Stream of random numbers that draw pairs.
const PAIR: u64 = 4;

impl<'a> PairSet<'a> {
    /// `unit`: whether an epoch sees all captions of an image or one. Takes the images' views through the frozen
    /// encoders, or from the cache; of tuned ones the pixels.
    pub(super) fn new(
        session: &'a Session,
        images: &[usize],
        unit: Examples,
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
        let reading = experiment.data.reading();
        let views = (0..augment.views).map(|number| {
            let view = View { settings: augment.images.clone(), number };
            let images = Images { paths: &paths, reading: &reading };
            features(experiment, Some(&view), images, session.device, progress)
        });
        let views = views.collect::<Result<_>>()?;
        let synonyms = match augment.text.synonyms > 0.0 {
            true => synonyms::of_vocabulary(&session.vocabulary)?,
            false => Synonyms::new(),
        };
        let text = TextAugmenter::new(&augment.text, synonyms)?;
        let examples = pairs(&captions.iter().map(Vec::len).collect::<Vec<_>>(), unit);
        Ok(Self { session, images, captions, examples, views, text, seed: experiment.train.seed })
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
        self.examples.len()
    }

    fn captions(&self) -> usize {
        self.examples.len()
    }

    fn batch(&self, chosen: &[usize], epoch: usize) -> Result<Batch> {
        let (mut places, mut originals, mut rewritten, mut views) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for &example in chosen {
            let Pair { image, caption } = self.examples[example];
            let captions = &self.captions[image];
            let mut rng = Rng::new(&[self.seed, PAIR, epoch as u64, example as u64]);
            // Drawn whatever is used, so that the setting does not move the other numbers.
            let drawn = rng.below(captions.len());
            let caption = caption.unwrap_or(drawn);
            views.push((rng.below(self.views.len()), image));
            places.push(self.images[image]);
            originals.push(self.session.vocabulary.encode(captions[caption]));
            rewritten.push(self.session.vocabulary.encode(&self.text.rewrite(captions, caption, &mut rng)));
        }
        let encoders = || 0..self.session.features.encoders();
        let features = encoders().map(|e| self.session.features.rows(e, &places)).collect::<Result<_>>()?;
        let changed = match self.views.is_empty() {
            true => Vec::new(),
            false => encoders().map(|e| FeatureSet::gather(&self.views, e, &views)).collect::<Result<_>>()?,
        };
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
        let place = self.examples.get(example).and_then(|pair| self.images.get(pair.image));
        let image = place.and_then(|&place| self.session.dataset.images.get(place));
        image.map_or_else(String::new, |image| image.file_name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_of_pairs_sees_every_caption_or_one_of_each_image() {
        let pair = |image, caption| Pair { image, caption };
        let all = [pair(0, Some(0)), pair(0, Some(1)), pair(1, Some(0))];
        assert_eq!(pairs(&[2, 1], Examples::Captions), all);
        assert_eq!(pairs(&[2, 1], Examples::OneCaption), [pair(0, None), pair(1, None)]);
    }
}
