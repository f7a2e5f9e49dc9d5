//! The encoders by name: sizes, published preprocessing, and how to tell their weight files apart.

use super::Network;
use super::alexnet::AlexNet;
use super::convnext::{self, ConvNext};
use super::densenet::{self, DenseNet};
use super::googlenet::GoogLeNet;
use super::resnet::{self, ResNet};
use super::vgg::{self, Vgg};
use super::vit::{self, Vit};
use crate::data::image::Filter;
use crate::runtime::libtorch::upload;
use crate::weights::{StateDict, openai_names};
use anyhow::{Result, bail};
use tch::nn::Path;
use tch::{Kind, Tensor};

/// How pixels become numbers: RGB scaled to 0..1, then `(x - mean) / std` per channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocessing {
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// Side of the square images of the published evaluation, pixels.
    pub size: u32,
    /// How images come to that size.
    pub filter: Filter,
}

impl Preprocessing {
    /// Bytes `[B, H, W, 3]` -> `[B, 3, H, W]` Float, normalised, in channels-last memory.
    pub fn apply(&self, pixels: &Tensor) -> Tensor {
        let row = |value: &dyn Fn(f64, f64) -> f64| {
            let values = std::array::from_fn::<f32, 3, _>(|i| value(self.mean[i].into(), self.std[i].into()) as f32);
            upload(&values, pixels.device())
        };
        // In place: a batch is larger than the caches.
        let mut values = pixels.to_kind(Kind::Float);
        let _ = values.g_mul_(&row(&|_, std| 1.0 / (255.0 * std)));
        let _ = values.g_sub_(&row(&|mean, std| mean / std));
        values.permute([0, 3, 1, 2])
    }

    /// Of the ImageNet models of torchvision.
    pub const IMAGENET: Self =
        Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], size: 224, filter: Filter::Bilinear };
    /// Of its GoogLeNet, whose weights come from another framework: there it is the network that rescales its input
    /// (`transform_input`), which together comes to this.
    pub const HALF: Self = Self { mean: [0.5; 3], std: [0.5; 3], ..Self::IMAGENET };
    /// Of every CLIP, OpenAI's and OpenCLIP's.
    pub const CLIP: Self = Self {
        mean: [0.48145466, 0.4578275, 0.40821073],
        std: [0.26862954, 0.2613026, 0.2757771],
        size: 224,
        filter: Filter::Bicubic,
    };
}

#[derive(Debug, Clone, Copy)]
enum Family {
    AlexNet,
    Vgg(vgg::Config),
    GoogLeNet,
    ResNet(resnet::Config),
    DenseNet(densenet::Config),
    ConvNext(convnext::Config),
    Clip(vit::Config),
}

/// One encoder.
#[derive(Debug)]
pub struct Spec {
    /// torchvision's name; of CLIP's, whose it is and its size.
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
        Family::AlexNet => AlexNet::CHANNELS,
        Family::Vgg(_) => Vgg::CHANNELS,
        Family::GoogLeNet => GoogLeNet::CHANNELS,
        Family::ResNet(_) => ResNet::CHANNELS,
        Family::DenseNet(config) => config.channels(),
        Family::ConvNext(config) => config.channels[3],
        Family::Clip(config) => config.width,
    };
    let preprocessing = match family {
        Family::GoogLeNet => Preprocessing::HALF,
        Family::Clip(_) => Preprocessing::CLIP,
        _ => Preprocessing::IMAGENET,
    };
    Spec { name, channels, preprocessing, family, present, absent }
}

/// A CLIP's; the convolution that cuts the patches tells their size.
const fn clip(name: &'static str, config: vit::Config, conv1: &'static [i64]) -> Spec {
    spec(name, Family::Clip(config), ("conv1.weight", conv1), "layer1.0.conv1.weight")
}

/// Every encoder, family by family. `clip_*` is for OpenAI's weights and others with its activation, `openclip_*` for
/// weights trained with the usual GELU: the tensors are the same.
pub static SPECS: [Spec; 22] = [
    spec("alexnet", Family::AlexNet, ("features.0.weight", &[64, 3, 11, 11]), "features.12.weight"),
    spec("vgg16", Family::Vgg(vgg::Config::VGG16), ("features.28.weight", &[512, 512, 3, 3]), "features.34.weight"),
    spec("vgg19", Family::Vgg(vgg::Config::VGG19), ("features.34.weight", &[512, 512, 3, 3]), "features.40.weight"),
    spec(
        "googlenet",
        Family::GoogLeNet,
        ("inception5b.branch1.conv.weight", &[384, 832, 1, 1]),
        "inception6a.branch1.conv.weight",
    ),
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
        "resnext50_32x4d",
        Family::ResNet(resnet::Config::RESNEXT50_32X4D),
        ("layer3.5.conv2.weight", &[512, 16, 3, 3]),
        "layer3.6.conv2.weight",
    ),
    spec(
        "resnext101_32x8d",
        Family::ResNet(resnet::Config::RESNEXT101_32X8D),
        ("layer3.22.conv2.weight", &[1024, 32, 3, 3]),
        "layer3.23.conv2.weight",
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
    spec(
        "convnext_tiny",
        Family::ConvNext(convnext::Config::TINY),
        ("features.5.8.layer_scale", &[384, 1, 1]),
        "features.5.9.layer_scale",
    ),
    spec(
        "convnext_small",
        Family::ConvNext(convnext::Config::SMALL),
        ("features.5.26.layer_scale", &[384, 1, 1]),
        "features.5.27.layer_scale",
    ),
    spec(
        "convnext_base",
        Family::ConvNext(convnext::Config::BASE),
        ("features.5.26.layer_scale", &[512, 1, 1]),
        "features.5.27.layer_scale",
    ),
    spec(
        "convnext_large",
        Family::ConvNext(convnext::Config::LARGE),
        ("features.5.26.layer_scale", &[768, 1, 1]),
        "features.5.27.layer_scale",
    ),
    clip("clip_vit_b32", vit::Config::B32, &[768, 3, 32, 32]),
    clip("clip_vit_b16", vit::Config::B16, &[768, 3, 16, 16]),
    clip("clip_vit_l14", vit::Config::L14, &[1024, 3, 14, 14]),
    clip("openclip_vit_b32", vit::Config::B32.gelu(), &[768, 3, 32, 32]),
    clip("openclip_vit_b16", vit::Config::B16.gelu(), &[768, 3, 16, 16]),
    clip("openclip_vit_l14", vit::Config::L14.gelu(), &[1024, 3, 14, 14]),
];

/// The names of every encoder.
pub fn names() -> impl Iterator<Item = &'static str> {
    SPECS.iter().map(|spec| spec.name)
}

/// The encoder of that name; the error of an unknown one names the nearest.
pub fn find(name: &str) -> Result<&'static Spec> {
    match SPECS.iter().find(|spec| spec.name == name) {
        Some(spec) => Ok(spec),
        None => bail!("unknown encoder '{name}'{}", crate::util::suggest::hint(name, names())),
    }
}

/// The encoder to which a set of tensors belongs, `shape` giving the shape of a tensor by name; `None` where it is none
/// of ours.
fn recognise(shape: impl Fn(&str) -> Option<Vec<i64>>) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| shape(spec.present.0).is_some_and(|s| s == spec.present.1) && shape(spec.absent).is_none())
}

/// The encoder to which a weight file belongs.
pub fn of_file(dict: &StateDict) -> Option<&'static Spec> {
    let renamed = openai_names(dict);
    let dict = renamed.as_ref().unwrap_or(dict);
    recognise(|tensor| dict.shape_of(tensor))
}

impl Spec {
    /// The network with unset parameters under `path`; with a classification head where `classes` says how many.
    pub fn network(&self, path: &Path, classes: Option<i64>) -> Box<dyn Network> {
        match self.family {
            Family::AlexNet => Box::new(AlexNet::new(path, classes)),
            Family::Vgg(config) => Box::new(Vgg::new(path, config, classes)),
            Family::GoogLeNet => Box::new(GoogLeNet::new(path, classes)),
            Family::ResNet(config) => Box::new(ResNet::new(path, config, classes)),
            Family::DenseNet(config) => Box::new(DenseNet::new(path, config, classes)),
            Family::ConvNext(config) => Box::new(ConvNext::new(path, config, classes)),
            Family::Clip(config) => Box::new(Vit::new(path, config, classes)),
        }
    }

    /// Images that a CPU takes at a time: their largest activations should fit its caches, and the more images, the
    /// less weighs the repacking of weights for each batch.
    pub fn cpu_batch(&self) -> usize {
        match self.family {
            Family::Vgg(_) => 2,
            Family::ConvNext(_) | Family::Clip(_) => 8,
            _ => 16,
        }
    }

    /// The name before every tensor of the classification head.
    pub fn head_prefix(&self) -> &'static str {
        match self.family {
            Family::GoogLeNet | Family::ResNet(_) => "fc.",
            Family::AlexNet | Family::Vgg(_) | Family::DenseNet(_) | Family::ConvNext(_) => "classifier.",
            Family::Clip(_) => "head.",
        }
    }

    /// The tensor of the classification head whose first side is the number of classes.
    pub fn head(&self) -> &'static str {
        match self.family {
            Family::AlexNet | Family::Vgg(_) => "classifier.6.weight",
            Family::GoogLeNet | Family::ResNet(_) => "fc.weight",
            Family::DenseNet(_) => "classifier.weight",
            Family::ConvNext(_) => "classifier.2.weight",
            Family::Clip(_) => "head.weight",
        }
    }
}
