//! Image encoders: images `[B, 3, H, W]` to a feature map `[B, C, h, w]`, by torchvision's names and tensor names, or
//! CLIP's.
//!
//! Adding a family is one file with a [`Network`] and its rows in [`spec`].

pub mod alexnet;
pub mod convnext;
pub mod densenet;
pub mod googlenet;
pub mod layers;
mod onednn;
pub mod resnet;
mod settings;
pub mod spec;
mod trainable;
pub mod vgg;
pub mod vit;

pub use settings::{EncoderConfig, Resize, TuneConfig};
pub use spec::{Preprocessing, Spec};
pub use trainable::{NormMode, Trainable, Tuning};

use crate::weights::{self, LoadReport};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// An image network.
pub trait Network: std::fmt::Debug + Send {
    /// `[B, 3, H, W]`, normalised -> feature map `[B, C, h, w]`, after the last activation. `train` puts batch
    /// normalisation and dropout in training mode.
    fn grid(&self, images: &Tensor, train: bool) -> Tensor;

    /// Feature map `[B, C, h, w]` -> class scores `[B, classes]`, where there is a classification head.
    fn logits(&self, grid: &Tensor, train: bool) -> Option<Tensor>;

    /// `[B, 3, H, W]` -> the network's own vector of an image, `[B, C]`, where that is not the mean of the feature map.
    fn pooled(&self, _images: &Tensor) -> Option<Tensor> {
        None
    }

    /// Every batch normalisation; none where the network has none or is folded.
    fn norms(&mut self) -> Vec<&mut layers::BatchNorm> {
        Vec::new()
    }

    /// Turns the network, in evaluation mode for good, into its fastest equal: normalisation folded into convolutions,
    /// parameters detached, everything computed in `kind` (Float or BFloat16).
    fn fold(&mut self, kind: Kind);
}

/// The word that asks for seeded random weights in place of a file.
pub const RANDOM: &str = "random";

/// A frozen encoder, ready to run.
#[derive(Debug)]
pub struct Encoder {
    spec: &'static Spec,
    network: Box<dyn Network>,
    device: Device,
    kind: Kind,
    report: LoadReport,
}

/// The encoder `name` with its parameters from the weight file `weights` ([`RANDOM`]: seeded random ones), frozen, and
/// without its classification head.
///
/// Errors: an unknown name, an unreadable file, weights that do not fit.
pub fn build(name: &str, weights: &str, device: Device) -> Result<Encoder> {
    build_in(name, weights, device, Precision::default())
}

/// [`build`] with a choice of how it computes.
pub fn build_in(name: &str, weights: &str, device: Device, precision: Precision) -> Result<Encoder> {
    build_with(name, weights, device, precision, |_, _| Ok(None))
}

/// How a frozen encoder computes; what it gives is Float either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    Float32,
    /// Weights and activations with 8 bits of mantissa, for GPUs. On a CPU it changes pooled features by 0.3 to 0.5
    /// percent of their norm; on a GPU it is not measured.
    Bfloat16,
}

impl Precision {
    fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Bfloat16 => Kind::BFloat16,
        }
    }
}

/// [`build`] with the classification head of the file, of any number of classes ([`RANDOM`]: 1000).
///
/// Errors: those of [`build`], and a file without a head.
pub fn build_classifier(name: &str, weights: &str, device: Device) -> Result<Encoder> {
    build_with(name, weights, device, Precision::default(), |spec, dict| {
        let Some(dict) = dict else { return Ok(Some(1000)) };
        let head = dict.shape_of(spec.head()).and_then(|shape| shape.first().copied());
        let missing = || format!("'{}' has no classification head ({})", dict.path.display(), spec.head());
        head.with_context(missing).map(Some)
    })
}

/// `classes` tells the size of the head from the weight file; no file means random weights.
fn build_with(
    name: &str,
    weights: &str,
    device: Device,
    precision: Precision,
    classes: impl FnOnce(&Spec, Option<&weights::StateDict>) -> Result<Option<i64>>,
) -> Result<Encoder> {
    let spec = spec::find(name)?;
    let mut store = VarStore::new(device);
    let attempt = || -> Result<_> {
        if weights == RANDOM {
            let network = spec.network(&store.root(), classes(spec, None)?);
            weights::randomise(&store);
            return Ok((network, LoadReport::default()));
        }
        let dict = weights::read(Path::new(weights))?;
        let network = spec.network(&store.root(), classes(spec, Some(&dict))?);
        let report = weights::load(&mut store, &dict);
        check(spec, &dict, &report)?;
        Ok((network, report))
    };
    let (mut network, report) = attempt().with_context(|| format!("weights of the encoder '{name}'"))?;
    let kind = precision.kind();
    tch::no_grad(|| network.fold(kind));
    Ok(Encoder { spec, network, device, kind, report })
}

/// An error where the tensors of a weight file are not those of the encoder.
pub fn check(spec: &Spec, dict: &weights::StateDict, report: &LoadReport) -> Result<()> {
    let Err(error) = report.check(&dict.path) else { return Ok(()) };
    match spec::of_file(dict) {
        Some(other) if other.name != spec.name => anyhow::bail!(
            "'{}' contains weights of {}, not of {}; set the encoder name to '{}' or use weights of {}",
            dict.path.display(),
            other.name,
            spec.name,
            other.name,
            spec.name
        ),
        _ => Err(error),
    }
}

impl Encoder {
    pub fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// Channels of the feature map and length of the pooled vector.
    pub fn channels(&self) -> i64 {
        self.spec.channels
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// What became of each tensor of the weight file; empty for random weights.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    /// `[B, 3, H, W]` Float, normalised as [`Spec::preprocessing`] says -> feature map `[B, C, h, w]`, without
    /// gradient.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        tch::no_grad(|| self.network.grid(&self.input(images), false).to_kind(Kind::Float))
    }

    /// `[B, 3, H, W]` -> mean of the feature map over its grid, or the class token of a transformer, `[B, C]`, without
    /// gradient.
    pub fn pooled(&self, images: &Tensor) -> Tensor {
        let images = self.input(images);
        let mean = || layers::pool(&self.network.grid(&images, false).to_kind(Kind::Float));
        tch::no_grad(|| self.network.pooled(&images).unwrap_or_else(mean).to_kind(Kind::Float))
    }

    fn input(&self, images: &Tensor) -> Tensor {
        layers::channels_last(&images.to_device(self.device).to_kind(self.kind))
    }

    /// `[B, 3, H, W]` -> class scores `[B, classes]`, without gradient; `None` where it was built without a head.
    pub fn logits(&self, images: &Tensor) -> Option<Tensor> {
        tch::no_grad(|| self.network.logits(&self.forward(images), false))
    }
}
