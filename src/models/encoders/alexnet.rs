//! AlexNet in one column: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014. Tensor
//! names are torchvision's.

use super::Network;
use super::layers::{Conv, ConvShape, Mlp, max_pool};
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Number in `features`, shape, and whether a maximum over 3x3 windows follows.
const CONVS: [(i64, ConvShape, bool); 5] = [
    (0, ConvShape { input: 3, output: 64, kernel: 11, stride: 4, padding: 2, groups: 1 }, true),
    (3, ConvShape { input: 64, output: 192, kernel: 5, stride: 1, padding: 2, groups: 1 }, true),
    (6, ConvShape { input: 192, output: 384, kernel: 3, stride: 1, padding: 1, groups: 1 }, false),
    (8, ConvShape { input: 384, output: 256, kernel: 3, stride: 1, padding: 1, groups: 1 }, false),
    (10, ConvShape { input: 256, output: 256, kernel: 3, stride: 1, padding: 1, groups: 1 }, true),
];

/// AlexNet.
#[derive(Debug)]
pub struct AlexNet {
    convs: Vec<(Conv, bool)>,
    classifier: Option<Mlp>,
}

impl AlexNet {
    /// Channels of the feature map.
    pub const CHANNELS: i64 = 256;

    pub fn new(path: &Path, classes: Option<i64>) -> Self {
        let features = path / "features";
        let convs = CONVS.map(|(index, shape, pooled)| (Conv::new(&features / index, shape, true), pooled));
        let head = |classes| Mlp::new(&(path / "classifier"), [1, 4, 6], 6, Self::CHANNELS, classes);
        Self { convs: convs.into(), classifier: classes.map(head) }
    }
}

impl Network for AlexNet {
    fn grid(&self, images: &Tensor, _train: bool) -> Tensor {
        self.convs.iter().fold(images.shallow_clone(), |xs, (conv, pooled)| {
            let ys = conv.forward_relu(&xs);
            if *pooled { max_pool(&ys, 3, 2, 0, false) } else { ys }
        })
    }

    fn logits(&self, grid: &Tensor, train: bool) -> Option<Tensor> {
        self.classifier.as_ref().map(|classifier| classifier.forward(grid, [true, true, false], train))
    }

    fn fold(&mut self, kind: Kind) {
        self.convs.iter_mut().for_each(|(conv, _)| conv.freeze(kind));
    }
}
