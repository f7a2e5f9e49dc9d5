//! The image encoder of MobileSAM (Zhang et al. 2023, arXiv:2306.14289): TinyViT-5M (Wu et al., "TinyViT: Fast
//! Pretraining Distillation for Small Vision Transformers", ECCV 2022), distilled from ViT-H. It runs on a CPU.

use super::config::{Config, TinyVitConfig};
use super::image_encoder::Neck;
use super::layers::{Linear, Norm};
use crate::models::encoders::layers::{BatchNorm, ConvNorm, ConvShape, channels_last};
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Of the normalisations over channels.
const EPS: f64 = 1e-5;
/// Strides of the three [`Merging`]s: the last one keeps the resolution, in place of TinyViT's 2.
const STRIDES: [i64; 3] = [2, 2, 1];

fn conv(path: &Path, shape: ConvShape) -> ConvNorm {
    ConvNorm::new(path / "c", path / "bn", shape, BatchNorm::EPS)
}

/// 3 x 3, each channel by itself.
fn depthwise(path: &Path, channels: i64, stride: i64) -> ConvNorm {
    conv(path, ConvShape::new(channels, channels, 3).padding(1).stride(stride).groups(channels))
}

fn activated(mut xs: Tensor) -> Tensor {
    xs.gelu_("none")
}

/// An inverted bottleneck: wider, depthwise, narrower, and the input added.
#[derive(Debug)]
struct MbConv {
    convs: [ConvNorm; 3],
}

impl MbConv {
    fn new(path: &Path, channels: i64, inner: i64) -> Self {
        let point = |name: &str, from: i64, to: i64| conv(&(path / name), ConvShape::new(from, to, 1));
        Self {
            convs: [
                point("conv1", channels, inner),
                depthwise(&(path / "conv2"), inner, 1),
                point("conv3", inner, channels),
            ],
        }
    }

    /// `[B, C, H, W]` -> the same.
    fn forward(&self, xs: Tensor) -> Tensor {
        let [wider, middle, narrower] = &self.convs;
        let inner = activated(middle.forward(&activated(wider.forward(&xs, false)), false));
        activated(narrower.forward(&inner, false) + xs)
    }
}

/// Between two stages: more channels, and half the resolution where its stride is 2.
#[derive(Debug)]
struct Merging {
    convs: [ConvNorm; 3],
}

impl Merging {
    fn new(path: &Path, from: i64, to: i64, stride: i64) -> Self {
        let point = |name: &str, from: i64| conv(&(path / name), ConvShape::new(from, to, 1));
        Self { convs: [point("conv1", from), depthwise(&(path / "conv2"), to, stride), point("conv3", to)] }
    }

    /// `[B, C, H, W]` -> `[B, C', H / stride, W / stride]`.
    fn forward(&self, xs: &Tensor) -> Tensor {
        let [first, middle, last] = &self.convs;
        last.forward(&activated(middle.forward(&activated(first.forward(xs, false)), false)), false)
    }
}

/// Attention within windows, with a learnt bias for each distance in rows and columns.
#[derive(Debug)]
struct Attention {
    norm: Norm,
    qkv: Linear,
    proj: Linear,
    /// `[heads, window * window]`: of so many rows and columns apart, whichever comes first.
    attention_biases: Tensor,
    heads: i64,
    window: i64,
}

impl Attention {
    fn new(path: &Path, width: i64, heads: i64, window: i64) -> Self {
        Self {
            norm: Norm::new(&(path / "norm"), width, EPS),
            qkv: Linear::new(&(path / "qkv"), width, 3 * width),
            proj: Linear::new(&(path / "proj"), width, width),
            attention_biases: path.zeros("attention_biases", &[heads, window * window]),
            heads,
            window,
        }
    }

    /// `[1, heads, T, T]` for the `T` tokens of a window, row by row.
    fn bias(&self) -> Tensor {
        let places = Tensor::arange(self.window, (Kind::Int64, self.attention_biases.device()));
        let apart = (places.view([-1, 1]) - &places).abs();
        let (rows, columns) =
            (apart.view([self.window, 1, self.window, 1]), apart.view([1, self.window, 1, self.window]));
        let tokens = self.window * self.window;
        let index = (rows * self.window + columns).view([-1]);
        self.attention_biases.index_select(1, &index).view([1, self.heads, tokens, tokens])
    }

    /// `[B, H, W, C]` -> `[B, H, W, C]`. The map is filled up to whole windows with tokens of zeros, which are seen as
    /// keys too, as the published model does.
    fn forward(&self, xs: &Tensor) -> Tensor {
        let size = xs.size();
        let [batch, height, width, channels] = [0, 1, 2, 3].map(|side| size.get(side).copied().unwrap_or(1));
        let (window, heads) = (self.window, self.heads);
        let (rows, columns) = ((height + window - 1) / window, (width + window - 1) / window);
        let (tall, wide) = (rows * window, columns * window);
        let filled = xs.constant_pad_nd([0, 0, 0, wide - width, 0, tall - height]);
        let windows = filled
            .view([batch, rows, window, columns, window, channels].as_slice())
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch * rows * columns, window * window, channels]);
        let qkv = self.qkv.forward(&self.norm.forward(&windows));
        // Each head has its query, key and value side by side.
        let qkv = qkv.view([-1, window * window, heads, 3, channels / heads]).permute([3, 0, 2, 1, 4]);
        let (queries, keys, values) = (qkv.get(0), qkv.get(1), qkv.get(2));
        let attended =
            Tensor::scaled_dot_product_attention(&queries, &keys, &values, Some(self.bias()), 0.0, false, None, false);
        let attended = self.proj.forward(&attended.transpose(1, 2).reshape([-1, window * window, channels]));
        let map = attended
            .view([batch, rows, columns, window, window, channels].as_slice())
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch, tall, wide, channels]);
        map.narrow(1, 0, height).narrow(2, 0, width)
    }
}

/// `x + attn(x)`, a depthwise convolution, `x + mlp(x)`.
#[derive(Debug)]
struct Block {
    attn: Attention,
    local_conv: ConvNorm,
    norm: Norm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn new(path: &Path, width: i64, heads: i64, window: i64, inner: i64) -> Self {
        let mlp = path / "mlp";
        Self {
            attn: Attention::new(&(path / "attn"), width, heads, window),
            local_conv: depthwise(&(path / "local_conv"), width, 1),
            norm: Norm::new(&(&mlp / "norm"), width, EPS),
            fc1: Linear::new(&(&mlp / "fc1"), width, inner),
            fc2: Linear::new(&(&mlp / "fc2"), inner, width),
        }
    }

    /// `[B, C, H, W]` -> the same.
    fn forward(&self, xs: &Tensor) -> Tensor {
        let last = xs.permute([0, 2, 3, 1]);
        let map = (&last + self.attn.forward(&last)).permute([0, 3, 1, 2]);
        let last = self.local_conv.forward(&map, false).permute([0, 2, 3, 1]).contiguous();
        let added = self.fc2.forward(&activated(self.fc1.forward(&self.norm.forward(&last))));
        (last + added).permute([0, 3, 1, 2])
    }
}

/// Pixels to a map of features.
#[derive(Debug)]
pub struct TinyVit {
    stem: [ConvNorm; 2],
    bottlenecks: Vec<MbConv>,
    /// Each after a [`Merging`].
    stages: Vec<(Merging, Vec<Block>)>,
    neck: Neck,
    kind: Kind,
}

impl TinyVit {
    pub(super) fn new(path: &Path, config: &Config, sizes: &TinyVitConfig) -> Self {
        let [first, .., last] = sizes.widths;
        let (stem, layers) = (path / "patch_embed" / "seq", path / "layers");
        let halving =
            |name: i64, from: i64, to: i64| conv(&(&stem / name), ConvShape::new(from, to, 3).stride(2).padding(1));
        let bottleneck = |block: i64| MbConv::new(&(&layers / 0 / "blocks" / block), first, sizes.expansion * first);
        let stage = |index: usize| {
            let (from, to) = (sizes.widths[index], sizes.widths[index + 1]);
            let merging = Merging::new(&(&layers / index / "downsample"), from, to, STRIDES[index]);
            let block = |block: i64| {
                let path = &layers / (index + 1) / "blocks" / block;
                Block::new(&path, to, sizes.heads[index], sizes.windows[index], sizes.expansion * to)
            };
            (merging, (0..sizes.depths[index + 1]).map(block).collect())
        };
        // The head for classes: held so that public weight files load whole.
        let _ = (Norm::new(&(path / "norm_head"), last, EPS), Linear::new(&(path / "head"), last, sizes.classes));
        Self {
            stem: [halving(0, 3, first / 2), halving(2, first / 2, first)],
            bottlenecks: (0..sizes.depths[0]).map(bottleneck).collect(),
            stages: (0..STRIDES.len()).map(stage).collect(),
            neck: Neck::new(path, last, config.channels),
            kind: Kind::Float,
        }
    }

    /// Folds batch normalisation into the convolutions, for good, which then compute in `kind`.
    pub(super) fn fold(&mut self, kind: Kind) {
        self.kind = kind;
        let bottlenecks = self.bottlenecks.iter_mut().flat_map(|bottleneck| &mut bottleneck.convs);
        let stages = self.stages.iter_mut().flat_map(|(merging, blocks)| {
            merging.convs.iter_mut().chain(blocks.iter_mut().map(|block| &mut block.local_conv))
        });
        self.stem.iter_mut().chain(bottlenecks).chain(stages).for_each(|conv| conv.fold(kind));
    }

    /// Normalised pixels `[B, 3, S, S]` -> features, channels last, `[B, G, G, C]`, of type Float.
    pub(super) fn forward(&self, pixels: &Tensor) -> Tensor {
        let [first, second] = &self.stem;
        let pixels = channels_last(&pixels.to_kind(self.kind));
        let mut xs = second.forward(&activated(first.forward(&pixels, false)), false);
        for bottleneck in &self.bottlenecks {
            xs = bottleneck.forward(xs);
        }
        for (merging, blocks) in &self.stages {
            xs = merging.forward(&xs);
            for block in blocks {
                xs = block.forward(&xs);
            }
        }
        self.neck.forward(&xs.permute([0, 2, 3, 1]))
    }
}
