//! ConvNeXt tiny, small, base and large: Liu et al., "A ConvNet for the 2020s", CVPR 2022, Sections 2 and 3. Tensor
//! names are torchvision's.

use super::Network;
use super::layers::{Conv, ConvShape, LayerNorm, Linear, pool};
use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

/// Sizes of one member of the family.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Blocks in each of the four stages.
    pub blocks: [i64; 4],
    /// Channels of each stage.
    pub channels: [i64; 4],
    /// Chance with which the last block is left out in training; it grows linearly from 0 at the first.
    pub drop: f64,
}

impl Config {
    pub const TINY: Self = Self { blocks: [3, 3, 9, 3], channels: [96, 192, 384, 768], drop: 0.1 };
    pub const SMALL: Self = Self { blocks: [3, 3, 27, 3], channels: [96, 192, 384, 768], drop: 0.4 };
    pub const BASE: Self = Self { blocks: [3, 3, 27, 3], channels: [128, 256, 512, 1024], drop: 0.5 };
    pub const LARGE: Self = Self { blocks: [3, 3, 27, 3], channels: [192, 384, 768, 1536], drop: 0.5 };
}

/// `[B, C, H, W]` -> `[B, H, W, C]`: no copy of channels-last memory.
fn channels_to_end(xs: &Tensor) -> Tensor {
    xs.permute([0, 2, 3, 1])
}

/// `[B, H, W, C]` -> `[B, C, H, W]`.
fn channels_to_front(xs: &Tensor) -> Tensor {
    xs.permute([0, 3, 1, 2])
}

/// 7x7 depthwise convolution, layer normalisation, two linear layers, and the input added.
#[derive(Debug)]
struct Block {
    depthwise: Conv,
    norm: LayerNorm,
    mlp: Mlp,
    drop: f64,
}

/// The two linear layers over the channels, and the scale of the branch.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // a few dozen in a model
enum Mlp {
    Separate {
        up: Linear,
        down: Linear,
        /// `[C, 1, 1]`.
        layer_scale: Tensor,
    },
    /// As convolutions, the scale in the second one.
    Folded { up: Conv, down: Conv },
}

impl Block {
    fn new(path: Path, channels: i64, drop: f64) -> Self {
        let block = &path / "block";
        Self {
            depthwise: Conv::new(&block / 0, ConvShape::new(channels, channels, 7).padding(3).groups(channels), true),
            norm: LayerNorm::new(&block / 2, channels),
            mlp: Mlp::Separate {
                up: Linear::new(&block / 3, channels, 4 * channels),
                down: Linear::new(&block / 5, 4 * channels, channels),
                layer_scale: path.var("layer_scale", &[channels, 1, 1], Init::Const(1e-6)),
            },
            drop,
        }
    }

    fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let ys = self.norm.forward(&channels_to_end(&self.depthwise.forward(xs)));
        let ys = match &self.mlp {
            Mlp::Separate { up, down, layer_scale } => {
                channels_to_front(&down.forward(&up.forward(&ys).gelu("none"))) * layer_scale
            }
            Mlp::Folded { up, down } => {
                // Nothing here needs a gradient: in place, the memory stays in the cache.
                let mut ys = down.forward(&up.forward(&channels_to_front(&ys)).gelu_("none"));
                ys += xs;
                return ys;
            }
        };
        if train && self.drop > 0.0 {
            // Stochastic depth (Huang et al. 2016): the whole branch of an image is left out.
            let kept = Tensor::ones([xs.size()[0], 1, 1, 1], (xs.kind(), xs.device())).dropout(self.drop, true);
            return ys * kept + xs;
        }
        ys + xs
    }

    /// The affine part of the normalisation goes into `up`, the layer scale into `down`.
    fn fold(&mut self, kind: Kind) {
        self.depthwise.freeze(kind);
        let Mlp::Separate { up, down, layer_scale } = &mut self.mlp else { return };
        if let Some((weight, bias)) = self.norm.take_affine() {
            let matrix = up.weight.detach().to_kind(Kind::Double);
            up.bias = (matrix.matmul(&bias) + &up.bias.detach()).to_kind(Kind::Float);
            up.weight = (matrix * weight).to_kind(Kind::Float);
        }
        let scale = layer_scale.detach().view(-1);
        down.bias = down.bias.detach() * &scale;
        down.weight = down.weight.detach() * scale.unsqueeze(1);
        self.mlp = Mlp::Folded { up: Conv::pointwise(up, kind), down: Conv::pointwise(down, kind) };
    }
}

/// Layer normalisation and a 2x2 convolution between the stages: half the resolution, more channels.
#[derive(Debug)]
struct Downsample {
    norm: LayerNorm,
    conv: Conv,
}

/// A ConvNeXt.
#[derive(Debug)]
pub struct ConvNext {
    stem: Conv,
    stem_norm: LayerNorm,
    stages: Vec<Vec<Block>>,
    downsamples: Vec<Downsample>,
    head: Option<(LayerNorm, Linear)>,
}

impl ConvNext {
    pub fn new(path: &Path, config: Config, classes: Option<i64>) -> Self {
        let features = path / "features";
        let [first, .., last] = config.channels;
        let stem = Conv::new(&features / 0 / 0, ConvShape::new(3, first, 4).stride(4), true);
        let stem_norm = LayerNorm::new(&features / 0 / 1, first);
        let total: i64 = config.blocks.iter().sum();
        let (mut stages, mut downsamples) = (Vec::new(), Vec::new());
        let mut built = 0;
        for (stage, (count, channels)) in (0i64..).zip(config.blocks.into_iter().zip(config.channels)) {
            let path = &features / (2 * stage + 1);
            let block = |i: i64| Block::new(&path / i, channels, config.drop * (built + i) as f64 / (total - 1) as f64);
            stages.push((0..count).map(block).collect());
            built += count;
            if let Some(&next) = config.channels.get(stage as usize + 1) {
                let path = &features / (2 * stage + 2);
                let conv = Conv::new(&path / 1, ConvShape::new(channels, next, 2).stride(2), true);
                downsamples.push(Downsample { norm: LayerNorm::new(&path / 0, channels), conv });
            }
        }
        let head = |classes| {
            let path = path / "classifier";
            (LayerNorm::new(&path / 0, last), Linear::new(&path / 2, last, classes))
        };
        Self { stem, stem_norm, stages, downsamples, head: classes.map(head) }
    }
}

impl Network for ConvNext {
    fn grid(&self, images: &Tensor, train: bool) -> Tensor {
        let over_channels = |norm: &LayerNorm, xs: &Tensor| channels_to_front(&norm.forward(&channels_to_end(xs)));
        let mut xs = over_channels(&self.stem_norm, &self.stem.forward(images));
        for (stage, blocks) in self.stages.iter().enumerate() {
            xs = blocks.iter().fold(xs, |xs, block| block.forward(&xs, train));
            if let Some(Downsample { norm, conv }) = self.downsamples.get(stage) {
                xs = conv.forward(&over_channels(norm, &xs));
            }
        }
        xs
    }

    fn logits(&self, grid: &Tensor, _train: bool) -> Option<Tensor> {
        self.head.as_ref().map(|(norm, linear)| linear.forward(&norm.forward(&pool(grid))))
    }

    fn fold(&mut self, kind: Kind) {
        self.stem.freeze(kind);
        self.stem_norm.freeze(kind);
        self.stages.iter_mut().flatten().for_each(|block| block.fold(kind));
        for downsample in &mut self.downsamples {
            downsample.norm.freeze(kind);
            downsample.conv.freeze(kind);
        }
    }
}
