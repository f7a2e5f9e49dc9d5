//! GoogLeNet: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, Table 1, with batch normalisation and
//! without the auxiliary heads. Tensor names are torchvision's.
//!
//! Deviation: the third branch has a 3x3 convolution where the paper has 5x5, as in torchvision, whose weights it
//! loads.

use super::Network;
use super::layers::{BatchNorm, ConvNorm, ConvShape, Linear, max_pool, pool};
use tch::nn::Path;
use tch::{Kind, Tensor};

/// `eps` of its batch normalisation.
const EPS: f64 = 1e-3;

fn unit(path: Path, shape: ConvShape) -> ConvNorm {
    ConvNorm::new(&path / "conv", &path / "bn", shape, EPS)
}

/// Channels of one module: the 1x1 branch, the two 3x3 branches (inside, out), the pooling branch.
type Channels = (i64, [i64; 2], [i64; 2], i64);

/// Window and stride of a maximum.
type Pooling = Option<(i64, i64)>;

/// Name, channels, and the window and stride of the maximum after it, if there is one.
const MODULES: [(&str, Channels, Pooling); 9] = [
    ("inception3a", (64, [96, 128], [16, 32], 32), None),
    ("inception3b", (128, [128, 192], [32, 96], 64), Some((3, 2))),
    ("inception4a", (192, [96, 208], [16, 48], 64), None),
    ("inception4b", (160, [112, 224], [24, 64], 64), None),
    ("inception4c", (128, [128, 256], [24, 64], 64), None),
    ("inception4d", (112, [144, 288], [32, 64], 64), None),
    ("inception4e", (256, [160, 320], [32, 128], 128), Some((2, 2))),
    ("inception5a", (256, [160, 320], [32, 128], 128), None),
    ("inception5b", (384, [192, 384], [48, 128], 128), None),
];

/// Four branches side by side.
#[derive(Debug)]
struct Inception {
    branch1: ConvNorm,
    branch2: [ConvNorm; 2],
    branch3: [ConvNorm; 2],
    /// After a 3x3 maximum.
    branch4: ConvNorm,
}

impl Inception {
    fn new(path: Path, input: i64, (one, two, three, four): Channels) -> Self {
        let pair = |name: &str, [inside, output]: [i64; 2]| {
            let path = &path / name;
            [
                unit(&path / 0, ConvShape::new(input, inside, 1)),
                unit(&path / 1, ConvShape::new(inside, output, 3).padding(1)),
            ]
        };
        Self {
            branch1: unit(&path / "branch1", ConvShape::new(input, one, 1)),
            branch2: pair("branch2", two),
            branch3: pair("branch3", three),
            branch4: unit(&path / "branch4" / 1, ConvShape::new(input, four, 1)),
        }
    }

    fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let pair = |[first, second]: &[ConvNorm; 2]| second.forward_relu(&first.forward_relu(xs, train), train);
        let one = self.branch1.forward_relu(xs, train);
        let four = self.branch4.forward_relu(&max_pool(xs, 3, 1, 1, true), train);
        Tensor::cat(&[one, pair(&self.branch2), pair(&self.branch3), four], 1)
    }

    fn units(&mut self) -> impl Iterator<Item = &mut ConvNorm> {
        let pairs = self.branch2.iter_mut().chain(&mut self.branch3);
        std::iter::once(&mut self.branch1).chain(pairs).chain([&mut self.branch4])
    }
}

/// GoogLeNet.
#[derive(Debug)]
pub struct GoogLeNet {
    conv1: ConvNorm,
    conv2: ConvNorm,
    conv3: ConvNorm,
    modules: Vec<(Inception, Pooling)>,
    fc: Option<Linear>,
}

impl GoogLeNet {
    /// Channels of the feature map.
    pub const CHANNELS: i64 = 1024;

    pub fn new(path: &Path, classes: Option<i64>) -> Self {
        let mut input = 192;
        let mut modules = Vec::new();
        for (name, channels, pooled) in MODULES {
            modules.push((Inception::new(path / name, input, channels), pooled));
            let (one, [_, two], [_, three], four) = channels;
            input = one + two + three + four;
        }
        Self {
            conv1: unit(path / "conv1", ConvShape::new(3, 64, 7).stride(2).padding(3)),
            conv2: unit(path / "conv2", ConvShape::new(64, 64, 1)),
            conv3: unit(path / "conv3", ConvShape::new(64, 192, 3).padding(1)),
            modules,
            fc: classes.map(|classes| Linear::new(path / "fc", Self::CHANNELS, classes)),
        }
    }
}

impl GoogLeNet {
    fn units(&mut self) -> impl Iterator<Item = &mut ConvNorm> {
        let stem = [&mut self.conv1, &mut self.conv2, &mut self.conv3];
        stem.into_iter().chain(self.modules.iter_mut().flat_map(|(module, _)| module.units()))
    }
}

impl Network for GoogLeNet {
    fn grid(&self, images: &Tensor, train: bool) -> Tensor {
        let xs = max_pool(&self.conv1.forward_relu(images, train), 3, 2, 0, true);
        let xs = self.conv3.forward_relu(&self.conv2.forward_relu(&xs, train), train);
        self.modules.iter().fold(max_pool(&xs, 3, 2, 0, true), |xs, (module, pooled)| {
            let ys = module.forward(&xs, train);
            match *pooled {
                Some((window, stride)) => max_pool(&ys, window, stride, 0, true),
                None => ys,
            }
        })
    }

    fn logits(&self, grid: &Tensor, train: bool) -> Option<Tensor> {
        self.fc.as_ref().map(|fc| fc.forward(&pool(grid).dropout(0.2, train)))
    }

    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        self.units().filter_map(ConvNorm::norm).collect()
    }

    fn fold(&mut self, kind: Kind) {
        self.units().for_each(|unit| unit.fold(kind));
    }
}
