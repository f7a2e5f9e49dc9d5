//! VGG-16 and VGG-19 without normalisation: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale
//! Image Recognition", ICLR 2015, Table 1 columns D and E. Tensor names are torchvision's.

use super::Network;
use super::layers::{Conv, ConvShape, Mlp, max_pool};
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Sizes of one member of the family.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Convolutions in each of the five stages.
    pub convs: [i64; 5],
}

impl Config {
    pub const VGG16: Self = Self { convs: [2, 2, 3, 3, 3] };
    pub const VGG19: Self = Self { convs: [2, 2, 4, 4, 4] };
}

/// A VGG network.
#[derive(Debug)]
pub struct Vgg {
    stages: Vec<Vec<Conv>>,
    classifier: Option<Mlp>,
}

impl Vgg {
    /// Channels of the feature map.
    pub const CHANNELS: i64 = 512;

    pub fn new(path: &Path, config: Config, classes: Option<i64>) -> Self {
        let features = path / "features";
        let (mut input, mut index) = (3, 0);
        let mut stages = Vec::new();
        for (count, output) in config.convs.into_iter().zip([64, 128, 256, 512, 512]) {
            let mut stage = Vec::new();
            for _ in 0..count {
                stage.push(Conv::new(&features / index, ConvShape::new(input, output, 3).padding(1), true));
                input = output;
                index += 2; // the convolution and its ReLU
            }
            index += 1; // the maximum
            stages.push(stage);
        }
        let head = |classes| Mlp::new(&(path / "classifier"), [0, 3, 6], 7, Self::CHANNELS, classes);
        Self { stages, classifier: classes.map(head) }
    }
}

impl Network for Vgg {
    fn grid(&self, images: &Tensor, _train: bool) -> Tensor {
        self.stages.iter().fold(images.shallow_clone(), |xs, stage| {
            max_pool(&stage.iter().fold(xs, |xs, conv| conv.forward_relu(&xs)), 2, 2, 0, false)
        })
    }

    fn logits(&self, grid: &Tensor, train: bool) -> Option<Tensor> {
        self.classifier.as_ref().map(|classifier| classifier.forward(grid, [false, true, true], train))
    }

    fn fold(&mut self, kind: Kind) {
        self.stages.iter_mut().flatten().for_each(|conv| conv.freeze(kind));
    }
}
