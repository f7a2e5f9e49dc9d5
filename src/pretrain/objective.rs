//! Scene classes, as the training loop takes them.

use super::config::{ACCURACY, Pretraining};
use super::confusion::Confusion;
use super::data::{Labelled, Scenes};
use crate::data::Split;
use crate::data::loader::{Loader, LoaderOptions};
use crate::eval::Scores;
use crate::models::Losses;
use crate::models::encoders::Trainable;
use crate::runtime::guard::halving_images;
use crate::runtime::libtorch::upload;
use crate::train::{Objective, Prepared, Streams, Unit};
use crate::util::rng::Rng;
use anyhow::{Context, Result, anyhow};
use std::cell::RefCell;
use std::path::PathBuf;
use tch::{Kind, Reduction, Tensor};

/// Stream of the random numbers that vary images; the training loop's are [`Objective::streams`].
const AUGMENT: u64 = 12;
/// Images in a batch of an evaluation.
const EVALUATED: usize = 32;

/// An encoder that learns scene classes.
///
/// The order of images, crops and dropout depend on (seed, epoch, step, image) alone. Every process of a group trains;
/// batch normalisation goes by the images of each process, and the running statistics that are kept are those of the
/// first.
pub struct SceneObjective<'a> {
    /// With a head for the classes of `scenes`.
    encoder: &'a Trainable,
    scenes: &'a Scenes,
    config: &'a Pretraining,
    /// Places of the training images.
    examples: Vec<usize>,
    /// Told of every batch of an evaluation: the split, images done, and in all.
    evaluating: &'a dyn Fn(Split, usize, usize),
    ahead: RefCell<Option<Ahead>>,
}

/// A batch whose images are being read.
struct Ahead {
    examples: Vec<usize>,
    epoch: usize,
    pixels: Loader,
}

impl<'a> SceneObjective<'a> {
    pub fn new(
        encoder: &'a Trainable,
        scenes: &'a Scenes,
        config: &'a Pretraining,
        evaluating: &'a dyn Fn(Split, usize, usize),
    ) -> Self {
        let examples = scenes.split(Split::Train);
        Self { encoder, scenes, config, examples, evaluating, ahead: RefCell::default() }
    }

    fn image(&self, example: usize) -> Option<(usize, &Labelled)> {
        let place = *self.examples.get(example)?;
        Some((place, self.scenes.images.get(place)?))
    }

    /// The pixels of training images, varied, in this order, made ahead on other threads.
    fn read(&self, examples: &[usize], epoch: usize) -> Ahead {
        let (seed, size) = (self.config.train.seed, self.config.encoder.image_size);
        let images = examples.iter().filter_map(|&example| self.image(example));
        let jobs: Vec<(PathBuf, u64)> = images.map(|(place, image)| (image.path.clone(), place as u64)).collect();
        let augment = self.config.augment.clone();
        let (workers, ahead) = (self.config.train.workers, jobs.len());
        let options = LoaderOptions { workers, ahead, ..LoaderOptions::new(size, ahead) };
        let pixels = Loader::with(jobs.len(), options, move |at| {
            let (path, image) = jobs.get(at).context("there is no such image")?;
            augment.load(path, size, &mut Rng::new(&[seed, AUGMENT, epoch as u64, *image]))
        });
        Ahead { examples: examples.to_vec(), epoch, pixels }
    }

    /// The classes that the network, in evaluation mode, gives the images of a split, each resized whole.
    pub fn evaluate(&self, split: Split) -> Result<Confusion> {
        let images = self.scenes.split(split);
        let size = self.config.encoder.image_size;
        let jobs: Vec<PathBuf> =
            images.iter().filter_map(|&image| Some(self.scenes.images.get(image)?.path.clone())).collect();
        let filter = self.encoder.spec().preprocessing.filter;
        let mut pixels = Loader::new(jobs, LoaderOptions { filter, ..LoaderOptions::new(size, EVALUATED) });
        let mut confusion = Confusion::new(self.scenes.classes.clone());
        let mut done = 0;
        for places in images.chunks(EVALUATED) {
            let bytes = gather(&mut pixels, places.len())?;
            let predicted = halving_images(&[pixels_of(&bytes, places.len(), size)?], &mut |pixels| {
                tch::no_grad(|| {
                    let images = pixels.first().context("there are no images")?;
                    let grid = self.encoder.evaluate(&normalised(self.encoder, images));
                    let logits = self.encoder.logits(&grid, false).context("the encoder has no classification head")?;
                    Ok(Vec::<i64>::try_from(logits.argmax(-1, false).to_device(tch::Device::Cpu))?)
                })
            })?;
            for (&place, predicted) in places.iter().zip(predicted) {
                let image = self.scenes.images.get(place).context("there is no such image")?;
                confusion.add(image.class, usize::try_from(predicted)?)?;
            }
            done += places.len();
            (self.evaluating)(split, done, images.len());
        }
        Ok(confusion)
    }
}

impl Objective for SceneObjective<'_> {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn unit(&self) -> Unit {
        Unit::Images
    }

    fn batch(&self, examples: &[usize], epoch: usize) -> Result<Prepared<'_>> {
        let ahead = self.ahead.take().filter(|ahead| ahead.examples == examples && ahead.epoch == epoch);
        let mut pixels = ahead.unwrap_or_else(|| self.read(examples, epoch)).pixels;
        let bytes = gather(&mut pixels, examples.len())?;
        let input = normalised(self.encoder, &pixels_of(&bytes, examples.len(), self.config.encoder.image_size)?);
        let class = |&example: &usize| Some(self.image(example)?.1.class as i64);
        let classes: Option<Vec<i64>> = examples.iter().map(class).collect();
        let labels = upload(&classes.context("there is no such image")?, input.device());
        let losses = move || {
            let grid = self.encoder.grid(&input, true);
            let logits = self.encoder.logits(&grid, true).context("the encoder has no classification head")?;
            let smoothing = self.config.train.label_smoothing;
            let loss = logits.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, smoothing);
            Ok(Losses::new(vec![("cross-entropy", loss)]))
        };
        Ok(Prepared { weight: examples.len() as i64, losses: Box::new(losses) })
    }

    fn prefetch(&self, examples: &[usize], epoch: usize) {
        self.ahead.replace(Some(self.read(examples, epoch)));
    }

    fn describe(&self, example: usize) -> String {
        self.image(example).map_or_else(String::new, |(_, image)| image.path.display().to_string())
    }

    fn scores(&self) -> Result<Scores> {
        Ok(Scores(vec![(ACCURACY.into(), self.evaluate(Split::Val)?.accuracy())]))
    }

    fn streams(&self) -> Streams {
        Streams { order: 11, step: 13 }
    }
}

/// The pixels of the next `count` images, one after the other.
fn gather(loader: &mut Loader, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.extend(loader.next().ok_or_else(|| anyhow!("an image is missing from the list"))??);
    }
    Ok(bytes)
}

/// `count` images as they were read, `[count, size, size, 3]`, on the host.
fn pixels_of(bytes: &[u8], count: usize, size: u32) -> Result<Tensor> {
    let (count, side) = (count as i64, i64::from(size));
    Ok(Tensor::f_from_data_size(bytes, &[count, side, side, 3], Kind::Uint8)?)
}

/// Images as the encoder wants them, on its device: `[B, H, W, 3]` -> `[B, 3, H, W]`.
fn normalised(encoder: &Trainable, pixels: &Tensor) -> Tensor {
    encoder.spec().preprocessing.apply(&pixels.to_device(encoder.device()))
}
