//! The image encoder of the published models: a plain vision transformer with attention in windows, and over the whole
//! image in a few blocks (Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", ECCV 2022).

use super::attention::Attention;
use super::config::{Config, VitConfig};
use super::image_encoder::Neck;
use super::layers::{Mlp, Norm};
use tch::Tensor;
use tch::nn::Path;

/// Of every normalisation here.
const EPS: f64 = 1e-6;

/// `x + attn(norm1(x))`, then `x + mlp(norm2(x))`.
#[derive(Debug)]
struct Block {
    norm1: Norm,
    attn: Attention,
    norm2: Norm,
    mlp: Mlp,
    /// Tokens along a window; 0 for the whole image.
    window: i64,
}

impl Block {
    fn new(path: &Path, config: &VitConfig, window: i64) -> Self {
        let side = if window == 0 { config.reach } else { window };
        Self {
            norm1: Norm::new(&(path / "norm1"), config.width, EPS),
            attn: Attention::new(&(path / "attn"), config.width, config.heads, side),
            norm2: Norm::new(&(path / "norm2"), config.width, EPS),
            mlp: Mlp::new(&(path / "mlp"), config.width, config.mlp),
            window,
        }
    }

    /// `[B, H, W, D]` -> `[B, H, W, D]`.
    fn forward(&self, xs: Tensor) -> Tensor {
        let mut xs = xs;
        xs += self.attn.forward(&self.norm1.forward(&xs), self.window);
        let added = self.mlp.forward(&self.norm2.forward(&xs), |mut inner| inner.gelu_("none"));
        xs += added;
        xs
    }
}

/// Pixels to a map of features, an eighth of a second to many seconds of work: once an image.
#[derive(Debug)]
pub struct Vit {
    patches: Tensor,
    patches_bias: Tensor,
    pos_embed: Tensor,
    blocks: Vec<Block>,
    neck: Neck,
    patch: i64,
}

impl Vit {
    pub(super) fn new(path: &Path, config: &Config, sizes: &VitConfig) -> Self {
        let VitConfig { patch, width, window, .. } = *sizes;
        let proj = path / "patch_embed" / "proj";
        let block = |(index, &global): (usize, &bool)| {
            Block::new(&(path / "blocks" / index), sizes, if global { 0 } else { window })
        };
        Self {
            patches: proj.zeros("weight", &[width, 3, patch, patch]),
            patches_bias: proj.zeros("bias", &[width]),
            pos_embed: path.zeros("pos_embed", &[1, config.grid(), config.grid(), width]),
            blocks: sizes.global.iter().enumerate().map(block).collect(),
            neck: Neck::new(path, width, config.channels),
            patch,
        }
    }

    /// Normalised pixels `[B, 3, S, S]` -> features, channels last, `[B, G, G, C]`, of type Float.
    pub(super) fn forward(&self, pixels: &Tensor) -> Tensor {
        let pixels = pixels.to_kind(self.patches.kind());
        let stride = [self.patch, self.patch];
        let patches = pixels.conv2d(&self.patches, Some(&self.patches_bias), stride, [0, 0], [1, 1], 1);
        let mut xs = patches.permute([0, 2, 3, 1]).contiguous() + &self.pos_embed;
        for block in &self.blocks {
            xs = block.forward(xs);
        }
        self.neck.forward(&xs)
    }
}
