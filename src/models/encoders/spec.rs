//! The encoders by name: sizes, published preprocessing, and how to tell their weight files apart.

use super::Network;
use super::densenet::{self, DenseNet};
use super::resnet::{self, ResNet};
use anyhow::{Result, bail};
use tch::nn::Path;

/// How pixels become numbers: RGB scaled to 0..1, then `(x - mean) / std` per channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocessing {
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// Side of the square images of the published evaluation, pixels.
    pub size: u32,
}

impl Preprocessing {
    /// Of every ImageNet model of torchvision.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], size: 224 };
}

#[derive(Debug, Clone, Copy)]
enum Family {
    ResNet(resnet::Config),
    DenseNet(densenet::Config),
}

/// One encoder.
#[derive(Debug)]
pub struct Spec {
    /// torchvision's name.
    pub name: &'static str,
    /// Channels of the feature map.
    pub channels: i64,
    pub preprocessing: Preprocessing,
    family: Family,
    /// A tensor that its weight files have, with its shape, and one that they do not have.
    present: (&'static str, &'static [i64]),
    absent: &'static str,
}

const fn spec(
    name: &'static str,
    family: Family,
    present: (&'static str, &'static [i64]),
    absent: &'static str,
) -> Spec {
    let channels = match family {
        Family::ResNet(_) => ResNet::CHANNELS,
        Family::DenseNet(config) => config.channels(),
    };
    Spec { name, channels, preprocessing: Preprocessing::IMAGENET, family, present, absent }
}

/// Every encoder, family by family.
pub static SPECS: [Spec; 6] = [
    spec(
        "resnet50",
        Family::ResNet(resnet::Config::RESNET50),
        ("layer3.5.conv2.weight", &[256, 256, 3, 3]),
        "layer3.6.conv2.weight",
    ),
    spec(
        "resnet101",
        Family::ResNet(resnet::Config::RESNET101),
        ("layer3.22.conv2.weight", &[256, 256, 3, 3]),
        "layer3.23.conv2.weight",
    ),
    spec(
        "resnet152",
        Family::ResNet(resnet::Config::RESNET152),
        ("layer3.35.conv2.weight", &[256, 256, 3, 3]),
        "layer3.36.conv2.weight",
    ),
    spec(
        "densenet121",
        Family::DenseNet(densenet::Config::DENSENET121),
        ("features.denseblock3.denselayer24.conv2.weight", &[32, 128, 3, 3]),
        "features.denseblock3.denselayer25.conv2.weight",
    ),
    spec(
        "densenet169",
        Family::DenseNet(densenet::Config::DENSENET169),
        ("features.denseblock3.denselayer32.conv2.weight", &[32, 128, 3, 3]),
        "features.denseblock3.denselayer33.conv2.weight",
    ),
    spec(
        "densenet201",
        Family::DenseNet(densenet::Config::DENSENET201),
        ("features.denseblock3.denselayer48.conv2.weight", &[32, 128, 3, 3]),
        "features.denseblock3.denselayer49.conv2.weight",
    ),
];

/// The names of every encoder.
pub fn names() -> impl Iterator<Item = &'static str> {
    SPECS.iter().map(|spec| spec.name)
}

/// The encoder of that name; the error of an unknown one names the nearest.
pub fn find(name: &str) -> Result<&'static Spec> {
    match SPECS.iter().find(|spec| spec.name == name) {
        Some(spec) => Ok(spec),
        None => bail!("there is no encoder '{name}'{}", crate::util::suggest::hint(name, names())),
    }
}

/// The encoder to which a set of tensors belongs, `shape` giving the shape of a tensor by name; `None` where it is none
/// of ours.
pub fn recognise(shape: impl Fn(&str) -> Option<Vec<i64>>) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| shape(spec.present.0).is_some_and(|s| s == spec.present.1) && shape(spec.absent).is_none())
}

impl Spec {
    /// The network with unset parameters under `path`; with a classification head where `classes` says how many.
    pub fn network(&self, path: &Path, classes: Option<i64>) -> Box<dyn Network> {
        match self.family {
            Family::ResNet(config) => Box::new(ResNet::new(path, config, classes)),
            Family::DenseNet(config) => Box::new(DenseNet::new(path, config, classes)),
        }
    }
}
