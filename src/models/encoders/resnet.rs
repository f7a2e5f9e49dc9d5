//! ResNet-50/101/152: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1, and
//! ResNeXt-50-32x4d, ResNeXt-101-32x8d: Xie et al., "Aggregated Residual Transformations for Deep Neural Networks",
//! CVPR 2017, Table 1. Tensor names are torchvision's.
//!
//! The stride of a block is in its 3x3 convolution, as in torchvision ("ResNet v1.5"), not in the first 1x1.

use super::Network;
use super::layers::{BatchNorm, ConvNorm, ConvShape, Linear, max_pool, pool};
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Sizes of one member of the family.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Blocks in each of the four stages.
    pub blocks: [i64; 4],
    /// Groups of the 3x3 convolutions.
    pub groups: i64,
    /// Channels of a group in the first stage.
    pub width: i64,
}

impl Config {
    pub const RESNET50: Self = Self { blocks: [3, 4, 6, 3], groups: 1, width: 64 };
    pub const RESNET101: Self = Self { blocks: [3, 4, 23, 3], groups: 1, width: 64 };
    pub const RESNET152: Self = Self { blocks: [3, 8, 36, 3], groups: 1, width: 64 };
    pub const RESNEXT50_32X4D: Self = Self { blocks: [3, 4, 6, 3], groups: 32, width: 4 };
    pub const RESNEXT101_32X8D: Self = Self { blocks: [3, 4, 23, 3], groups: 32, width: 8 };
}

/// 1x1 down, 3x3, 1x1 up, and the input added.
#[derive(Debug)]
struct Bottleneck {
    conv1: ConvNorm,
    conv2: ConvNorm,
    conv3: ConvNorm,
    downsample: Option<ConvNorm>,
}

impl Bottleneck {
    const EXPANSION: i64 = 4;

    fn new(path: Path, input: i64, planes: i64, stride: i64, config: Config) -> Self {
        let width = planes * config.width / 64 * config.groups;
        let output = planes * Self::EXPANSION;
        let unit = |index: usize, shape: ConvShape| {
            ConvNorm::new(&path / format!("conv{index}"), &path / format!("bn{index}"), shape, BatchNorm::EPS)
        };
        let downsample = (stride != 1 || input != output).then(|| {
            let path = &path / "downsample";
            let shape = ConvShape::new(input, output, 1).stride(stride);
            ConvNorm::new(&path / 0, &path / 1, shape, BatchNorm::EPS)
        });
        Self {
            conv1: unit(1, ConvShape::new(input, width, 1)),
            conv2: unit(2, ConvShape::new(width, width, 3).stride(stride).padding(1).groups(config.groups)),
            conv3: unit(3, ConvShape::new(width, output, 1)),
            downsample,
        }
    }

    /// May overwrite its input.
    fn forward(&self, xs: Tensor, train: bool) -> Tensor {
        let ys = self.conv1.forward_relu(&xs, train);
        let ys = self.conv2.forward_relu(&ys, train);
        let sum = match &self.downsample {
            Some(downsample) => downsample.forward(&xs, train),
            None => xs,
        };
        self.conv3.forward_add_relu(&ys, sum, train)
    }

    fn units(&mut self) -> impl Iterator<Item = &mut ConvNorm> {
        [&mut self.conv1, &mut self.conv2, &mut self.conv3].into_iter().chain(&mut self.downsample)
    }
}

/// A ResNet or ResNeXt.
#[derive(Debug)]
pub struct ResNet {
    conv1: ConvNorm,
    blocks: Vec<Bottleneck>,
    fc: Option<Linear>,
}

impl ResNet {
    /// Channels of the feature map.
    pub const CHANNELS: i64 = 2048;

    pub fn new(path: &Path, config: Config, classes: Option<i64>) -> Self {
        let shape = ConvShape::new(3, 64, 7).stride(2).padding(3);
        let conv1 = ConvNorm::new(path / "conv1", path / "bn1", shape, BatchNorm::EPS);
        let mut blocks = Vec::new();
        let mut input = 64;
        for (stage, (count, planes)) in config.blocks.into_iter().zip([64, 128, 256, 512]).enumerate() {
            let stage_path = path / format!("layer{}", stage + 1);
            for block in 0..count {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                blocks.push(Bottleneck::new(&stage_path / block, input, planes, stride, config));
                input = planes * Bottleneck::EXPANSION;
            }
        }
        Self { conv1, blocks, fc: classes.map(|classes| Linear::new(path / "fc", Self::CHANNELS, classes)) }
    }
}

impl Network for ResNet {
    fn grid(&self, images: &Tensor, train: bool) -> Tensor {
        let mut xs = max_pool(&self.conv1.forward_relu(images, train), 3, 2, 1, false);
        for block in &self.blocks {
            xs = block.forward(xs, train);
        }
        xs
    }

    fn logits(&self, grid: &Tensor, _train: bool) -> Option<Tensor> {
        self.fc.as_ref().map(|fc| fc.forward(&pool(grid)))
    }

    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        let units = std::iter::once(&mut self.conv1).chain(self.blocks.iter_mut().flat_map(Bottleneck::units));
        units.filter_map(ConvNorm::norm).collect()
    }

    fn fold(&mut self, kind: Kind) {
        self.conv1.fold(kind);
        self.blocks.iter_mut().flat_map(Bottleneck::units).for_each(|unit| unit.fold(kind));
    }
}
