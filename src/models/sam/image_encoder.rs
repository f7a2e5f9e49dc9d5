//! The image encoder: pixels to the image embedding, by one of two networks with the same end.

use super::config::{Config, EncoderConfig};
use super::layers::Norm;
use super::tiny_vit::TinyVit;
use super::vit::Vit;
use crate::models::layers::dense;
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Pixels to a map of features.
#[derive(Debug)]
pub enum ImageEncoder {
    Vit(Vit),
    TinyVit(Box<TinyVit>),
}

impl ImageEncoder {
    pub(super) fn new(path: &Path, config: &Config) -> Self {
        match &config.encoder {
            EncoderConfig::Vit(sizes) => Self::Vit(Vit::new(path, config, sizes)),
            EncoderConfig::TinyVit(sizes) => Self::TinyVit(Box::new(TinyVit::new(path, config, sizes))),
        }
    }

    /// Once all parameters are loaded: makes of the network its fastest equal, which computes in `kind` as its store
    /// does.
    pub(super) fn fold(&mut self, kind: Kind) {
        if let Self::TinyVit(network) = self {
            network.fold(kind);
        }
    }

    /// Normalised pixels `[B, 3, S, S]` -> features, channels last, `[B, G, G, C]`, of type Float.
    pub fn forward(&self, pixels: &Tensor) -> Tensor {
        match self {
            Self::Vit(network) => network.forward(pixels),
            Self::TinyVit(network) => network.forward(pixels),
        }
    }
}

/// The end: 1 x 1, then 3 x 3, each with a normalisation over channels.
#[derive(Debug)]
pub(super) struct Neck {
    convs: [Tensor; 2],
    norms: [Norm; 2],
}

impl Neck {
    pub(super) fn new(path: &Path, width: i64, channels: i64) -> Self {
        let neck = path / "neck";
        Self {
            convs: [
                (&neck / 0).zeros("weight", &[channels, width, 1, 1]),
                (&neck / 2).zeros("weight", &[channels, channels, 3, 3]),
            ],
            norms: [1, 3].map(|index| Norm::new(&(&neck / index), channels, 1e-6)),
        }
    }

    /// `[B, G, G, D]` -> `[B, G, G, C]`, of type Float.
    pub(super) fn forward(&self, xs: &Tensor) -> Tensor {
        let [squeeze, smooth] = &self.convs;
        let [first, second] = &self.norms;
        let xs = first.forward(&dense(xs, &squeeze.flatten(1, 3), None));
        let map = xs.permute([0, 3, 1, 2]).conv2d(smooth, None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1);
        second.forward(&map.permute([0, 2, 3, 1]).contiguous()).to_kind(Kind::Float)
    }
}
