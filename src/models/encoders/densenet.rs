//! DenseNet-121/169/201: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, Table 1. Tensor names are
//! torchvision's.

use super::Network;
use super::layers::{BatchNorm, Conv, ConvNorm, ConvShape, Linear, max_pool, pool};
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Channels that a layer adds.
const GROWTH: i64 = 32;
/// Channels between the two convolutions of a layer.
const BOTTLENECK: i64 = 4 * GROWTH;

/// Sizes of one member of the family.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Layers in each of the four dense blocks.
    pub layers: [i64; 4],
}

impl Config {
    pub const DENSENET121: Self = Self { layers: [6, 12, 24, 16] };
    pub const DENSENET169: Self = Self { layers: [6, 12, 32, 32] };
    pub const DENSENET201: Self = Self { layers: [6, 12, 48, 32] };

    /// Channels of the feature map.
    pub const fn channels(self) -> i64 {
        let mut channels = 64;
        let mut block = 0;
        while block < 4 {
            channels += self.layers[block] * GROWTH;
            if block < 3 {
                channels /= 2;
            }
            block += 1;
        }
        channels
    }
}

/// Batch normalisation, ReLU and a 1x1 convolution, in this order.
#[derive(Debug)]
enum NormReluConv {
    Separate {
        norm: BatchNorm,
        conv: Conv,
    },
    /// Evaluation mode as a clamp to `low..high` per channel, `[1, C, 1, 1]`, and one convolution.
    ///
    /// `relu(s x + t)` is `s clamp(x) + t`, with the clamp from below at `-t / s` where `s > 0` and from above where
    /// `s < 0`; a 1x1 convolution takes up `s` in its weight and `t` in its bias. One pass over the memory, not two.
    Folded {
        low: Tensor,
        high: Tensor,
        conv: Conv,
    },
}

impl NormReluConv {
    fn new(norm: Path, conv: Path, input: i64, output: i64) -> Self {
        Self::Separate {
            norm: BatchNorm::new(norm, input, BatchNorm::EPS),
            conv: Conv::new(conv, ConvShape::new(input, output, 1), false),
        }
    }

    /// `[B, I, H, W]` -> `[B, O, H, W]`.
    fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        match self {
            Self::Separate { norm, conv } => conv.forward(&norm.forward(xs, train).relu_()),
            Self::Folded { low, high, conv } => conv.forward(&xs.clamp_tensor(Some(low), Some(high))),
        }
    }

    /// [`Self::forward`], then ReLU.
    fn forward_relu(&self, xs: &Tensor, train: bool) -> Tensor {
        match self {
            Self::Separate { .. } => self.forward(xs, train).relu_(),
            Self::Folded { low, high, conv } => conv.forward_relu(&xs.clamp_tensor(Some(low), Some(high))),
        }
    }

    fn norm(&mut self) -> Option<&mut BatchNorm> {
        match self {
            Self::Separate { norm, .. } => Some(norm),
            Self::Folded { .. } => None,
        }
    }

    /// `after` is the normalisation that follows the convolution, which takes it up too.
    fn fold(&mut self, after: Option<BatchNorm>, kind: Kind) {
        let Self::Separate { norm, conv } = self else { return };
        let (scale, shift) = norm.scale_shift();
        // A channel with next to no scale is a constant, relu(shift): its clamp is to 0.
        let none = scale.abs().lt(1e-20);
        let edge = (-&shift / &scale).masked_fill(&none, 0.0);
        let low = edge.masked_fill(&scale.lt(0.0).logical_and(&none.logical_not()), f64::NEG_INFINITY);
        let high = edge.masked_fill(&scale.gt(0.0).logical_and(&none.logical_not()), f64::INFINITY);
        let constant = shift.where_self(&none.logical_not(), &shift.relu());
        let weight = conv.weight.detach().to_kind(Kind::Double);
        let bias = (&weight * constant.view([1, -1, 1, 1])).sum_dim_intlist([1i64, 2, 3].as_slice(), false, None);
        let mut weight = weight * scale.view([1, -1, 1, 1]);
        let mut bias = bias;
        if let Some((scale, shift)) = after.map(|norm| norm.scale_shift()) {
            weight *= scale.view([-1, 1, 1, 1]);
            bias = bias * scale + shift;
        }
        let mut conv = Conv::of(weight.to_kind(Kind::Float), Some(bias.to_kind(Kind::Float)), conv.shape);
        conv.freeze(kind);
        let edge = |edge: Tensor| edge.view([1, -1, 1, 1]).to_kind(kind);
        *self = Self::Folded { low: edge(low), high: edge(high), conv };
    }
}

/// One layer of a dense block: `GROWTH` new channels from all before it.
#[derive(Debug)]
struct DenseLayer {
    /// `norm1`, `relu1`, `conv1`.
    squeeze: NormReluConv,
    norm2: Option<BatchNorm>,
    conv2: Conv,
}

impl DenseLayer {
    fn new(path: Path, input: i64) -> Self {
        Self {
            squeeze: NormReluConv::new(&path / "norm1", &path / "conv1", input, BOTTLENECK),
            norm2: Some(BatchNorm::new(&path / "norm2", BOTTLENECK, BatchNorm::EPS)),
            conv2: Conv::new(&path / "conv2", ConvShape::new(BOTTLENECK, GROWTH, 3).padding(1), false),
        }
    }

    /// `[B, I, H, W]` -> `[B, GROWTH, H, W]`.
    fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let ys = match &self.norm2 {
            Some(norm) => norm.forward(&self.squeeze.forward(xs, train), train).relu_(),
            None => self.squeeze.forward_relu(xs, train),
        };
        self.conv2.forward(&ys)
    }

    fn fold(&mut self, kind: Kind) {
        self.squeeze.fold(self.norm2.take(), kind);
        self.conv2.freeze(kind);
    }
}

/// A DenseNet.
#[derive(Debug)]
pub struct DenseNet {
    conv0: ConvNorm,
    blocks: Vec<Vec<DenseLayer>>,
    /// Between the blocks: half the channels, half the resolution.
    transitions: Vec<NormReluConv>,
    norm5: BatchNorm,
    classifier: Option<Linear>,
    folded: bool,
}

impl DenseNet {
    pub fn new(path: &Path, config: Config, classes: Option<i64>) -> Self {
        let features = path / "features";
        let shape = ConvShape::new(3, 64, 7).stride(2).padding(3);
        let conv0 = ConvNorm::new(&features / "conv0", &features / "norm0", shape, BatchNorm::EPS);
        let mut channels = 64;
        let (mut blocks, mut transitions) = (Vec::new(), Vec::new());
        for (index, count) in (1..).zip(config.layers) {
            let block = &features / format!("denseblock{index}");
            let layer = |i: i64| DenseLayer::new(&block / format!("denselayer{}", i + 1), channels + i * GROWTH);
            blocks.push((0..count).map(layer).collect());
            channels += count * GROWTH;
            if index < config.layers.len() {
                let path = &features / format!("transition{index}");
                transitions.push(NormReluConv::new(&path / "norm", &path / "conv", channels, channels / 2));
                channels /= 2;
            }
        }
        Self {
            conv0,
            blocks,
            transitions,
            norm5: BatchNorm::new(&features / "norm5", channels, BatchNorm::EPS),
            classifier: classes.map(|classes| Linear::new(path / "classifier", channels, classes)),
            folded: false,
        }
    }

    /// `[B, C, H, W]` -> `[B, C + layers x GROWTH, H, W]`.
    fn block(&self, layers: &[DenseLayer], xs: Tensor, train: bool) -> Tensor {
        if !self.folded {
            return layers.iter().fold(xs, |xs, layer| Tensor::cat(&[&xs, &layer.forward(&xs, train)], 1));
        }
        // One buffer for the block: concatenating after every layer would copy all channels each time.
        let (batch, channels, height, width) = (xs.size()[0], xs.size()[1], xs.size()[2], xs.size()[3]);
        let total = channels + layers.len() as i64 * GROWTH;
        let buffer = Tensor::empty([batch, height, width, total], (xs.kind(), xs.device())).permute([0, 3, 1, 2]);
        buffer.narrow(1, 0, channels).copy_(&xs);
        for (index, layer) in layers.iter().enumerate() {
            let filled = channels + index as i64 * GROWTH;
            buffer.narrow(1, filled, GROWTH).copy_(&layer.forward(&buffer.narrow(1, 0, filled), false));
        }
        buffer
    }
}

impl Network for DenseNet {
    fn grid(&self, images: &Tensor, train: bool) -> Tensor {
        let mut xs = max_pool(&self.conv0.forward_relu(images, train), 3, 2, 1, false);
        for (index, layers) in self.blocks.iter().enumerate() {
            xs = self.block(layers, xs, train);
            if let Some(transition) = self.transitions.get(index) {
                let halved = transition.forward(&xs, train);
                xs = halved.avg_pool2d(
                    [2i64, 2].as_slice(),
                    [2i64, 2].as_slice(),
                    [0i64, 0].as_slice(),
                    false,
                    true,
                    None,
                );
            }
        }
        self.norm5.forward(&xs, train).relu_()
    }

    fn logits(&self, grid: &Tensor, _train: bool) -> Option<Tensor> {
        self.classifier.as_ref().map(|classifier| classifier.forward(&pool(grid)))
    }

    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        let layers = self.blocks.iter_mut().flatten().flat_map(|layer| [layer.squeeze.norm(), layer.norm2.as_mut()]);
        let transitions = self.transitions.iter_mut().map(NormReluConv::norm);
        let ends = [self.conv0.norm(), Some(&mut self.norm5)];
        ends.into_iter().chain(layers).chain(transitions).flatten().collect()
    }

    fn fold(&mut self, kind: Kind) {
        self.conv0.fold(kind);
        self.blocks.iter_mut().flatten().for_each(|layer| layer.fold(kind));
        self.transitions.iter_mut().for_each(|transition| transition.fold(None, kind));
        self.folded = true;
    }
}
