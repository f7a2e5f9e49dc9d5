//! The training captions of a session as batches.

use super::{Session, TrainingSet};
use crate::data::attributes::Attributes;
use crate::data::batch::{Batch, NounBatch, PackedCaptions};
use crate::data::{END, START, Split, UNK, Vocabulary};
use crate::features::FeatureSet;
use crate::runtime::libtorch::{fetched, upload};
use crate::train::Examples;
use crate::util::rng::Rng;
use anyhow::Result;
use std::collections::BTreeSet;
use tch::{Device, Tensor};

/// Images handed over at a time where no gradient is wanted.
const BATCH: usize = 64;

/// The captions of some images, encoded, by example: a caption, or an image with all or one of its captions.
pub(super) struct CaptionSet<'a> {
    features: &'a FeatureSet,
    device: Device,
    examples: Vec<Example<'a>>,
    /// Seed from which an epoch draws one caption an image; all captions of an example are used where there is none.
    draw: Option<u64>,
    /// Whether an image is in a batch once, however many of its captions are examples of their own.
    share_images: bool,
    /// Attributes of each image of the dataset, where the model has any.
    attributes: Option<Vec<Vec<f32>>>,
    smoothing: f64,
}

struct Example<'a> {
    /// Place in the dataset.
    image: usize,
    file_name: &'a str,
    /// `<start> words <end>` each; never empty.
    captions: Vec<Sequences>,
}

/// A caption as ids.
#[derive(Clone)]
struct Sequences {
    words: Vec<i64>,
    /// `<start> nouns <end>`; empty where the model predicts none.
    nouns: Vec<i64>,
}

/// Stream of random numbers that draw captions.
const DRAW: u64 = 3;

impl<'a> CaptionSet<'a> {
    /// `unit`: what an example is; `seed`: from which captions are drawn.
    pub(super) fn new(session: &'a Session, images: &[usize], unit: Examples, seed: u64) -> Self {
        let mut examples = Vec::new();
        for &place in images {
            let image = &session.dataset.images[place];
            let nouns = |index: usize| session.nouns.get(place).and_then(|of_image| of_image.get(index));
            let mut captions = Vec::with_capacity(image.captions.len());
            for (index, caption) in image.captions.iter().enumerate().filter(|(_, caption)| !caption.words.is_empty()) {
                let nouns = nouns(index).map_or_else(Vec::new, |nouns| encode_nouns(&session.vocabulary, nouns));
                captions.push(Sequences { words: session.vocabulary.encode(&caption.words), nouns });
            }
            let example = |captions| Example { image: place, file_name: &image.file_name, captions };
            match unit {
                Examples::Captions => examples.extend(captions.into_iter().map(|caption| example(vec![caption]))),
                Examples::Images | Examples::OneCaption if captions.is_empty() => {}
                Examples::Images | Examples::OneCaption => examples.push(example(captions)),
            }
        }
        let draw = (unit == Examples::OneCaption).then_some(seed);
        let of_images = |a: &Attributes| session.dataset.images.iter().map(|image| a.of_image(image)).collect();
        let attributes = session.attributes.as_ref().map(of_images);
        Self {
            features: &session.features,
            device: session.device,
            examples,
            draw,
            share_images: true,
            attributes,
            smoothing: 0.0,
        }
    }

    pub(super) fn sharing_images(self, share_images: bool) -> Self {
        Self { share_images, ..self }
    }

    /// With labels smoothed by this share.
    pub(super) fn smoothed(self, smoothing: f64) -> Self {
        Self { smoothing, ..self }
    }
}

impl Session {
    /// Hands over the images of a split with all their captions, some at a time.
    pub(super) fn over_batches<T>(
        &self,
        split: Split,
        read: impl FnOnce(&mut dyn Iterator<Item = Result<Batch>>) -> T,
    ) -> T {
        let set = CaptionSet::new(self, &self.split(split), Examples::Images, 0);
        let all: Vec<usize> = (0..set.len()).collect();
        read(&mut all.chunks(BATCH).map(|chunk| set.batch(chunk, 0)))
    }
}

impl TrainingSet for CaptionSet<'_> {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn captions(&self) -> usize {
        match self.draw {
            Some(_) => self.examples.len(),
            None => self.examples.iter().map(|example| example.captions.len()).sum(),
        }
    }

    fn length(&self, example: usize) -> usize {
        self.examples
            .get(example)
            .and_then(|example| example.captions.iter().map(|caption| caption.words.len()).max())
            .unwrap_or(0)
    }

    fn batch(&self, chosen: &[usize], epoch: usize) -> Result<Batch> {
        let (mut images, mut captions): (Vec<usize>, Vec<(usize, &Sequences)>) = (Vec::new(), Vec::new());
        for &index in chosen {
            let example = &self.examples[index];
            let known = images.iter().position(|&image| image == example.image).filter(|_| self.share_images);
            let row = known.unwrap_or_else(|| {
                images.push(example.image);
                images.len() - 1
            });
            let used = match self.draw {
                Some(seed) => {
                    let drawn = Rng::new(&[seed, DRAW, epoch as u64, index as u64]).below(example.captions.len());
                    &example.captions[drawn..=drawn]
                }
                None => &example.captions,
            };
            captions.extend(used.iter().map(|caption| (row, caption)));
        }
        let pack = |ids: Vec<&[i64]>| {
            let packed = PackedCaptions::new(&ids, self.device);
            let rows: Vec<i64> = packed.order.iter().map(|&caption| captions[caption].0 as i64).collect();
            (packed, upload(&rows, self.device))
        };
        let (mut words, image_rows) = pack(captions.iter().map(|(_, caption)| caption.words.as_slice()).collect());
        words.smoothing = self.smoothing;
        let nouns = captions.iter().any(|(_, caption)| !caption.nouns.is_empty()).then(|| {
            let (words, image_rows) = pack(captions.iter().map(|(_, caption)| caption.nouns.as_slice()).collect());
            NounBatch { words, image_rows }
        });
        let features = (0..self.features.encoders()).map(|e| self.features.rows(e, &images)).collect::<Result<_>>()?;
        let attributes = self.attributes.as_ref().map(|all| {
            let rows: Vec<&[f32]> = images.iter().map(|&image| all[image].as_slice()).collect();
            fetched(&Tensor::from_slice2(&rows), self.device)
        });
        Ok(Batch { captions: words, image_rows, features, attributes, augmented: None, nouns })
    }

    fn prefetch(&self, examples: &[usize]) {
        let images: BTreeSet<usize> = examples.iter().filter_map(|&e| Some(self.examples.get(e)?.image)).collect();
        self.features.prefetch(&images.into_iter().collect::<Vec<_>>());
    }

    fn describe(&self, example: usize) -> String {
        self.examples.get(example).map_or_else(String::new, |example| example.file_name.to_owned())
    }
}

/// `<start> nouns <end>`; nouns outside the vocabulary are left out.
fn encode_nouns(vocabulary: &Vocabulary, nouns: &[String]) -> Vec<i64> {
    let known = nouns.iter().map(|noun| vocabulary.id(noun)).filter(|&id| id != UNK);
    std::iter::once(START).chain(known).chain(std::iter::once(END)).collect()
}
