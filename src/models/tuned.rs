//! Encoders that are trained within a captioning model: pixels come in the batch where features would, and the
//! encoder's parameters lie in the model's store under `encoder.` (`encoder.0.`, `encoder.1.`, .. where there are
//! several).

use super::encoders::{EncoderConfig, RANDOM, Trainable, Tuning};
use super::{Captioner, FirstStage, Inputs, Losses, ModelConfig, State};
use crate::data::batch::Batch;
use crate::eval::Scores;
use crate::weights;
use anyhow::{Context, Result};
use std::path::Path;
use tch::nn::VarStore;
use tch::{Kind, Tensor};

/// Where the parameters of the tuned encoders come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From the weight files that the experiment names: for training.
    Files,
    /// From a checkpoint, which follows.
    Checkpoint,
}

/// A model on these encoders, with those that are tuned.
///
/// Errors: an unknown encoder or stage, weight files that do not fit.
pub fn assemble(
    model: &ModelConfig,
    encoders: &[EncoderConfig],
    store: &VarStore,
    inputs: &Inputs,
    start: Start,
) -> Result<Box<dyn Captioner>> {
    let inner = model.build(&store.root(), inputs);
    if encoders.iter().all(|encoder| encoder.tune.is_none()) {
        return Ok(inner);
    }
    let several = encoders.len() > 1;
    let encoder = |(index, config): (usize, &EncoderConfig)| -> Result<Option<(Trainable, i64)>> {
        let Some(tune) = &config.tune else { return Ok(None) };
        let prefix = if several { format!("encoder.{index}") } else { "encoder".into() };
        let tuning = Tuning { trainable: Some(tune.stages.clone()), norms: tune.norms };
        let encoder = Trainable::new(&config.name, store, &prefix, None, &tuning)?;
        if start == Start::Files {
            fill(&encoder, config).with_context(|| format!("weights of the encoder '{}'", config.name))?;
        }
        Ok(Some((encoder, config.image_size.into())))
    };
    let encoders = encoders.iter().enumerate().map(encoder).collect::<Result<_>>()?;
    Ok(Box::new(Tuned { encoders, inner }))
}

/// Takes the weights of the file, or seeded random ones.
fn fill(encoder: &Trainable, config: &EncoderConfig) -> Result<()> {
    if config.weights != RANDOM {
        encoder.load(&weights::read(Path::new(&config.weights))?)?;
        return Ok(());
    }
    let made = VarStore::new(encoder.device());
    let _network = encoder.spec().network(&made.root(), None);
    weights::randomise(&made);
    let values = made.variables();
    tch::no_grad(|| {
        for (name, tensor) in encoder.variables() {
            let value = values.get(name).with_context(|| format!("there is no tensor '{name}'"))?;
            tensor.shallow_clone().copy_(value);
        }
        Ok(())
    })
}

/// `[B, 3, H, W]` -> `[B, 3, size, size]` by PyTorch's bilinear filter, as it is where the size fits.
fn resized(images: Tensor, size: i64) -> Tensor {
    if images.size().ends_with(&[size, size]) {
        return images;
    }
    images.upsample_bilinear2d([size, size], false, None, None)
}

/// A captioner with its encoders before it.
struct Tuned {
    /// By place in `encoders`, with the side of its images; `None` where features come ready.
    encoders: Vec<Option<(Trainable, i64)>>,
    inner: Box<dyn Captioner>,
}

impl Tuned {
    /// Grids of pixels, `[I, H, W, 3]` bytes each; other features, and what was prepared, stay. The list repeats the
    /// encoders for every kind of picture: images, then masks. Each goes through on its own, so that batch
    /// normalisation sees one kind.
    fn look(&self, features: &[Tensor], train: bool) -> Vec<Tensor> {
        let encoders = self.encoders.iter().cycle();
        let look = |(features, encoder): (&Tensor, &Option<(Trainable, i64)>)| match encoder {
            Some((encoder, size)) if features.kind() == Kind::Uint8 => {
                let pixels = resized(encoder.spec().preprocessing.apply(features), *size);
                if train { encoder.grid(&pixels, true) } else { encoder.evaluate(&pixels) }
            }
            _ => features.shallow_clone(),
        };
        features.iter().zip(encoders).map(look).collect()
    }

    /// A batch as the inner model is to see it, without gradient.
    fn seen(&self, batch: &Batch) -> Batch {
        tch::no_grad(|| batch.with_features(self.look(&batch.features, false)))
    }
}

impl Captioner for Tuned {
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        self.inner.losses(&batch.with_features(self.look(&batch.features, train)), train)
    }

    fn prepare(&self, features: &[Tensor]) -> Vec<Tensor> {
        self.inner.prepare(&self.look(features, false))
    }

    fn start(&self, features: &[Tensor]) -> State {
        self.inner.start(&self.look(features, false))
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        self.inner.step(tokens, state)
    }

    fn attention(&self, features: &[Tensor], tokens: &[i64]) -> Option<Tensor> {
        tch::no_grad(|| self.inner.attention(&self.look(features, false), tokens))
    }

    fn encoder_attention(&self, features: &[Tensor]) -> Option<Tensor> {
        tch::no_grad(|| self.inner.encoder_attention(&self.look(features, false)))
    }

    fn attributes(&self, features: &[Tensor]) -> Option<Tensor> {
        tch::no_grad(|| self.inner.attributes(&self.look(features, false)))
    }

    fn sampled_attributes(&self, features: &[Tensor]) -> Option<Tensor> {
        tch::no_grad(|| self.inner.sampled_attributes(&self.look(features, false)))
    }

    fn told_attributes(&self) -> Option<Box<dyn Captioner + '_>> {
        Some(Box::new(Through { encoders: self, inner: self.inner.told_attributes()? }))
    }

    fn attribute_scores(&self, batches: &mut dyn Iterator<Item = Result<Batch>>) -> Result<Option<Scores>> {
        self.inner.attribute_scores(&mut batches.map(|batch| Ok(self.seen(&batch?))))
    }

    fn nouns(&self) -> Option<Box<dyn Captioner + '_>> {
        let nouns = self.inner.nouns()?;
        Some(Box::new(Through { encoders: self, inner: nouns }))
    }

    fn first_stage(&self) -> Option<&dyn FirstStage> {
        self.inner.first_stage().map(|_| self as &dyn FirstStage)
    }
}

/// The inner model's first stage, if it has one, in which the encoders are trained, too.
impl FirstStage for Tuned {
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        let mut seen = batch.with_features(self.look(&batch.features, train));
        let augmented = batch.augmented.as_deref();
        seen.augmented = augmented.map(|other| Box::new(other.with_features(self.look(&other.features, train))));
        self.inner.first_stage().map_or_else(Losses::default, |stage| stage.losses(&seen, train))
    }

    fn compares_examples(&self) -> bool {
        self.inner.first_stage().is_some_and(FirstStage::compares_examples)
    }

    fn scores(&self, batches: &mut dyn Iterator<Item = Result<Batch>>) -> Result<Scores> {
        let stage = self.inner.first_stage().context("the model has no first training stage")?;
        stage.scores(&mut batches.map(|batch| Ok(self.seen(&batch?))))
    }

    fn transfers(&self, parameter: &str) -> bool {
        self.inner.first_stage().is_none_or(|stage| stage.transfers(parameter))
    }
}

/// Another captioner behind the same encoders.
struct Through<'a> {
    encoders: &'a Tuned,
    inner: Box<dyn Captioner + 'a>,
}

impl Captioner for Through<'_> {
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        self.inner.losses(&batch.with_features(self.encoders.look(&batch.features, train)), train)
    }

    fn start(&self, features: &[Tensor]) -> State {
        self.inner.start(&self.encoders.look(features, false))
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        self.inner.step(tokens, state)
    }
}
