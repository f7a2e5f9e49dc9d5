//! What the encoders are made of: convolutions with batch normalisation that can be folded for frozen use.

use super::NormMode;
use super::onednn::Packed;
use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

/// Copies a tensor `[N, C, H, W]` into channels-last memory: same shape, same values, C varies fastest.
///
/// LibTorch's CPU convolutions are about twice as fast on this layout, and every operator keeps it.
pub fn channels_last(tensor: &Tensor) -> Tensor {
    tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

/// Shape and stride of a square convolution.
#[derive(Debug, Clone, Copy)]
pub struct ConvShape {
    pub input: i64,
    pub output: i64,
    pub kernel: i64,
    pub stride: i64,
    pub padding: i64,
    pub groups: i64,
}

impl ConvShape {
    /// Stride 1, no padding, one group.
    pub fn new(input: i64, output: i64, kernel: i64) -> Self {
        Self { input, output, kernel, stride: 1, padding: 0, groups: 1 }
    }

    pub fn stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    pub fn padding(self, padding: i64) -> Self {
        Self { padding, ..self }
    }

    pub fn groups(self, groups: i64) -> Self {
        Self { groups, ..self }
    }
}

/// A convolution, `weight [O, I / groups, K, K]`, `bias [O]`.
#[derive(Debug)]
pub struct Conv {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
    pub shape: ConvShape,
    /// In place of weight and bias, where oneDNN computes them: without gradient for good, Float, on a CPU.
    packed: Option<Box<Packed>>,
}

impl Conv {
    pub fn new(path: Path, shape: ConvShape, bias: bool) -> Self {
        let dims = [shape.output, shape.input / shape.groups, shape.kernel, shape.kernel];
        let weight = path.var("weight", &dims, Init::Const(0.0));
        let bias = bias.then(|| path.zeros("bias", &[shape.output]));
        Self::of(weight, bias, shape)
    }

    /// With parameters that are there already.
    pub(super) fn of(weight: Tensor, bias: Option<Tensor>, shape: ConvShape) -> Self {
        Self { weight, bias, shape, packed: None }
    }

    /// `[B, I, H, W]` -> `[B, O, H', W']`.
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        let packed = self.packed.as_ref().and_then(|packed| packed.forward(xs));
        packed.unwrap_or_else(|| self.plain(xs))
    }

    /// [`Conv::forward`], then ReLU.
    pub fn forward_relu(&self, xs: &Tensor) -> Tensor {
        self.forward(xs).relu_()
    }

    /// `relu(sum + forward(xs))`; `sum` may be overwritten.
    pub fn forward_add_relu(&self, xs: &Tensor, sum: Tensor) -> Tensor {
        let sum = match &self.packed {
            Some(packed) => match packed.add(xs, sum) {
                Ok(mut done) => return done.relu_(),
                Err(sum) => sum,
            },
            None => sum,
        };
        (self.forward(xs) + sum).relu_()
    }

    /// By LibTorch's own choice of an algorithm.
    fn plain(&self, xs: &Tensor) -> Tensor {
        let ConvShape { stride, padding, groups, .. } = self.shape;
        let own = || (self.weight.shallow_clone(), self.bias.as_ref());
        let (weight, bias) = self.packed.as_deref().map_or_else(own, Packed::plain);
        xs.conv2d(
            &weight,
            bias,
            [stride, stride].as_slice(),
            [padding, padding].as_slice(),
            [1i64, 1].as_slice(),
            groups,
        )
    }

    /// A convolution that does what a linear layer does, at every place: oneDNN's is up to twice as fast as the matrix
    /// product of LibTorch's CPU libraries.
    pub fn pointwise(linear: &Linear, kind: Kind) -> Self {
        let [output, input] = [0, 1].map(|side| linear.weight.size().get(side).copied().unwrap_or_default());
        let weight = linear.weight.view([output, input, 1, 1]);
        let shape = ConvShape::new(input, output, 1);
        let mut conv = Self::of(weight, Some(linear.bias.shallow_clone()), shape);
        conv.freeze(kind);
        conv
    }

    /// Detaches the parameters from their store and lays them out for channels-last input of type `kind`.
    pub fn freeze(&mut self, kind: Kind) {
        if let Some(packed) = self.packed.take() {
            (self.weight, self.bias) = packed.into_plain();
        }
        self.weight = channels_last(&self.weight.detach().to_kind(kind));
        self.bias = self.bias.take().map(|bias| bias.detach().to_kind(kind).copy());
        if (self.weight.device(), kind) == (Device::Cpu, Kind::Float) && tch::utils::has_mkldnn() {
            let weight = std::mem::replace(&mut self.weight, Tensor::new());
            self.packed = Some(Box::new(Packed::new(weight, self.bias.take(), self.shape)));
        }
    }
}

/// Batch normalisation over `[B, C, H, W]` (Ioffe and Szegedy 2015).
#[derive(Debug)]
pub struct BatchNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub running_mean: Tensor,
    pub running_var: Tensor,
    pub eps: f64,
    /// What training mode means for it.
    pub mode: NormMode,
}

impl BatchNorm {
    /// PyTorch's default of `eps`.
    pub const EPS: f64 = 1e-5;

    pub fn new(path: Path, channels: i64, eps: f64) -> Self {
        Self {
            weight: path.ones("weight", &[channels]),
            bias: path.zeros("bias", &[channels]),
            running_mean: path.zeros_no_train("running_mean", &[channels]),
            running_var: path.ones_no_train("running_var", &[channels]),
            eps,
            mode: NormMode::default(),
        }
    }

    /// Keeps the shape. With `train`, and as its mode says, normalises with the batch's statistics and updates the
    /// running ones.
    pub fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let train = train
            && match self.mode {
                NormMode::Follow => self.weight.requires_grad(),
                NormMode::Train => true,
                NormMode::Eval => false,
            };
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        xs.batch_norm(weight, bias, Some(&self.running_mean), Some(&self.running_var), train, 0.1, self.eps, true)
    }

    /// `(scale, shift)`, `[C]` Double, with which evaluation mode equals `x * scale + shift`.
    pub fn scale_shift(&self) -> (Tensor, Tensor) {
        let double = |tensor: &Tensor| tensor.detach().to_kind(Kind::Double);
        let scale = double(&self.weight) / (double(&self.running_var) + self.eps).sqrt();
        let shift = double(&self.bias) - double(&self.running_mean) * &scale;
        (scale, shift)
    }
}

/// A convolution without bias and the batch normalisation after it; one convolution once folded.
#[derive(Debug)]
pub struct ConvNorm {
    conv: Conv,
    norm: Option<BatchNorm>,
}

impl ConvNorm {
    /// `conv` and `norm` are the paths of the two parts.
    pub fn new(conv: Path, norm: Path, shape: ConvShape, eps: f64) -> Self {
        Self { conv: Conv::new(conv, shape, false), norm: Some(BatchNorm::new(norm, shape.output, eps)) }
    }

    /// `[B, I, H, W]` -> `[B, O, H', W']`.
    pub fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let ys = self.conv.forward(xs);
        match &self.norm {
            Some(norm) => norm.forward(&ys, train),
            None => ys,
        }
    }

    /// [`ConvNorm::forward`], then ReLU.
    pub fn forward_relu(&self, xs: &Tensor, train: bool) -> Tensor {
        match &self.norm {
            Some(norm) => norm.forward(&self.conv.forward(xs), train).relu_(),
            None => self.conv.forward_relu(xs),
        }
    }

    /// `relu(sum + forward(xs))`; `sum` is overwritten where nothing is to be trained.
    pub fn forward_add_relu(&self, xs: &Tensor, sum: Tensor, train: bool) -> Tensor {
        match &self.norm {
            Some(norm) => {
                // Neither convolution nor batch normalisation needs its own output for the gradient: adding in place is
                // safe.
                let mut ys = norm.forward(&self.conv.forward(xs), train);
                ys += sum;
                ys.relu_()
            }
            None => self.conv.forward_add_relu(xs, sum),
        }
    }

    /// The normalisation, until it is folded.
    pub fn norm(&mut self) -> Option<&mut BatchNorm> {
        self.norm.as_mut()
    }

    /// Folds the normalisation (in evaluation mode) into the convolution, which then computes in `kind`.
    pub fn fold(&mut self, kind: Kind) {
        if let Some(norm) = self.norm.take() {
            let (scale, shift) = norm.scale_shift();
            let weight = self.conv.weight.detach().to_kind(Kind::Double) * scale.view([-1, 1, 1, 1]);
            self.conv.weight = weight.to_kind(Kind::Float);
            self.conv.bias = Some(shift.to_kind(Kind::Float));
        }
        self.conv.freeze(kind);
    }
}

/// A linear layer, `weight [O, I]`, `bias [O]`.
#[derive(Debug)]
pub struct Linear {
    pub weight: Tensor,
    pub bias: Tensor,
}

impl Linear {
    pub fn new(path: Path, input: i64, output: i64) -> Self {
        let weight = path.var("weight", &[output, input], Init::Const(0.0));
        Self { weight, bias: path.zeros("bias", &[output]) }
    }

    /// `[.., I]` -> `[.., O]`.
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        xs.linear(&self.weight, Some(&self.bias))
    }
}

/// Layer normalisation over the last dimension (Ba et al. 2016), with torchvision's ConvNeXt's `eps`, 1e-6.
#[derive(Debug)]
pub struct LayerNorm {
    affine: Option<(Tensor, Tensor)>,
    channels: i64,
}

impl LayerNorm {
    const EPS: f64 = 1e-6;

    pub fn new(path: Path, channels: i64) -> Self {
        Self { affine: Some((path.ones("weight", &[channels]), path.zeros("bias", &[channels]))), channels }
    }

    /// `[.., C]` -> `[.., C]`.
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        let (weight, bias) = self.affine.as_ref().map(|(weight, bias)| (weight, bias)).unzip();
        xs.layer_norm([self.channels], weight, bias, Self::EPS, true)
    }

    /// Detaches weight and bias, for input of type `kind`.
    pub fn freeze(&mut self, kind: Kind) {
        let cast = |tensor: Tensor| tensor.detach().to_kind(kind).copy();
        self.affine = self.affine.take().map(|(weight, bias)| (cast(weight), cast(bias)));
    }

    /// Takes out weight and bias, `[C]` Double: what follows must apply them from now on.
    pub fn take_affine(&mut self) -> Option<(Tensor, Tensor)> {
        let double = |tensor: Tensor| tensor.detach().to_kind(Kind::Double);
        self.affine.take().map(|(weight, bias)| (double(weight), double(bias)))
    }
}

/// The three linear layers of AlexNet and VGG on the grid averaged to `side x side`, with dropout of one half.
#[derive(Debug)]
pub struct Mlp {
    layers: [Linear; 3],
    side: i64,
}

impl Mlp {
    const WIDTH: i64 = 4096;

    /// `numbers` are the names of the layers under `path`; `channels` those of the grid.
    pub fn new(path: &Path, numbers: [i64; 3], side: i64, channels: i64, classes: i64) -> Self {
        let [first, second, third] = numbers;
        let layers = [
            Linear::new(path / first, channels * side * side, Self::WIDTH),
            Linear::new(path / second, Self::WIDTH, Self::WIDTH),
            Linear::new(path / third, Self::WIDTH, classes),
        ];
        Self { layers, side }
    }

    /// Grid `[B, C, H, W]` -> `[B, classes]`; `dropped` says before which layers there is dropout.
    pub fn forward(&self, grid: &Tensor, dropped: [bool; 3], train: bool) -> Tensor {
        let xs = grid.adaptive_avg_pool2d([self.side, self.side]).flatten(1, -1);
        let steps = self.layers.iter().zip(dropped).enumerate();
        steps.fold(xs, |xs, (index, (layer, dropped))| {
            let xs = if index > 0 { xs.relu() } else { xs };
            layer.forward(&if dropped { xs.dropout(0.5, train) } else { xs })
        })
    }
}

/// Mean over the grid: `[B, C, H, W]` -> `[B, C]`.
pub fn pool(grid: &Tensor) -> Tensor {
    grid.mean_dim([2i64, 3].as_slice(), false, None::<Kind>)
}

/// Maximum over `kernel x kernel` windows; `ceil` keeps the last, partial window.
pub fn max_pool(xs: &Tensor, kernel: i64, stride: i64, padding: i64, ceil: bool) -> Tensor {
    xs.max_pool2d(
        [kernel, kernel].as_slice(),
        [stride, stride].as_slice(),
        [padding, padding].as_slice(),
        [1i64, 1].as_slice(),
        ceil,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_convolution_hands_nan_on_as_libtorchs_own_does() {
        let images = channels_last(&Tensor::randn([2, 16, 9, 9], (Kind::Float, Device::Cpu)));
        let _ = images.get(1).get(3).get(4).get(4).fill_(f64::NAN);
        let weight = Tensor::randn([16, 16, 3, 3], (Kind::Float, Device::Cpu));
        let bias = Tensor::randn([16], (Kind::Float, Device::Cpu));
        let plain = Conv::of(weight.copy(), Some(bias.copy()), ConvShape::new(16, 16, 3).padding(1));
        let mut packed = Conv::of(weight, Some(bias), plain.shape);
        packed.freeze(Kind::Float);
        let sum = || channels_last(&Tensor::ones([2, 16, 9, 9], (Kind::Float, Device::Cpu)));
        for (packed, plain) in [
            (packed.forward(&images), plain.forward(&images)),
            (packed.forward_relu(&images), plain.forward_relu(&images)),
            (packed.forward_add_relu(&images, sum()), plain.forward_add_relu(&images, sum())),
        ] {
            assert_eq!(plain.isnan().sum(Kind::Int64).int64_value(&[]), 9 * 16);
            assert!(packed.isnan() == plain.isnan());
            assert!(packed.nan_to_num(0.0, None, None).allclose(&plain.nan_to_num(0.0, None, None), 1e-4, 1e-4, false));
        }
    }
}
