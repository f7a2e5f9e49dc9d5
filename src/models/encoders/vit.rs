//! The vision transformer of CLIP (Radford et al. 2021; Dosovitskiy et al. 2021), under OpenAI's names.

use super::Network;
use super::layers::{Conv, ConvShape, Linear, pool};
use crate::models::layers::pre_norm::{freeze_norm, frozen, norm};
use crate::models::layers::{Activation, Mask, PreNormBlock};
use tch::nn::{self, Init, Module, Path};
use tch::{Kind, Tensor};

#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Side of a patch, pixels.
    pub patch: i64,
    pub width: i64,
    pub layers: i64,
    /// Side of the images of the pre-training, pixels.
    pub size: i64,
    pub activation: Activation,
}

impl Config {
    pub const B32: Self = Self { patch: 32, width: 768, layers: 12, size: 224, activation: Activation::QuickGelu };
    pub const B16: Self = Self { patch: 16, ..Self::B32 };
    pub const L14: Self = Self { patch: 14, width: 1024, layers: 24, ..Self::B32 };

    /// The same network with the activation of OpenCLIP.
    pub const fn gelu(self) -> Self {
        Self { activation: Activation::Gelu, ..self }
    }
}

/// Patches and a class token through blocks with the norm first.
#[derive(Debug)]
pub struct Vit {
    conv1: Conv,
    class_embedding: Tensor,
    /// `[1 + h w, D]`, the class token's first.
    positional_embedding: Tensor,
    ln_pre: nn::LayerNorm,
    blocks: Vec<PreNormBlock>,
    ln_post: nn::LayerNorm,
    /// A linear layer on the mean of the patches' tokens; CLIP has none.
    head: Option<Linear>,
    patch: i64,
}

impl Vit {
    pub fn new(path: &Path, config: Config, classes: Option<i64>) -> Self {
        let Config { patch, width, layers, size, activation } = config;
        let tokens = 1 + (size / patch).pow(2);
        Self {
            conv1: Conv::new(path / "conv1", ConvShape::new(3, width, patch).stride(patch), false),
            class_embedding: path.var("class_embedding", &[width], Init::Const(0.0)),
            positional_embedding: path.var("positional_embedding", &[tokens, width], Init::Const(0.0)),
            ln_pre: norm(path / "ln_pre", width),
            blocks: PreNormBlock::stack(&(path / "transformer"), layers, width, activation),
            ln_post: norm(path / "ln_post", width),
            head: classes.map(|classes| Linear::new(path / "head", width, classes)),
            patch,
        }
    }

    /// `[B, 3, H, W]` -> every token after the last norm, `[B, 1 + h w, D]`, the class token first: OpenCLIP's
    /// `output_tokens`.
    fn tokens(&self, images: &Tensor) -> Tensor {
        let patches = self.conv1.forward(images);
        let [batch, width, height, breadth] = sides(&patches);
        let patches = patches.permute([0, 2, 3, 1]).reshape([batch, height * breadth, width]);
        let class = self.class_embedding.view([1, 1, width]).expand([batch, 1, width], false);
        let tokens = Tensor::cat(&[class, patches], 1) + self.positions(height, breadth);
        let tokens = self.ln_pre.forward(&tokens);
        let tokens = self.blocks.iter().fold(tokens, |tokens, block| block.forward(&tokens, Mask::None));
        self.ln_post.forward(&tokens)
    }

    /// The embedding of each place, `[1 + h w, D]`: that of the pre-training's grid, bicubic where images are of
    /// another size.
    fn positions(&self, height: i64, breadth: i64) -> Tensor {
        let embedding = &self.positional_embedding;
        let [tokens, width, ..] = sides(embedding);
        let side = ((tokens - 1) as f64).sqrt().round() as i64;
        if (height, breadth) == (side, side) {
            return embedding.shallow_clone();
        }
        let grid = embedding.narrow(0, 1, tokens - 1).view([1, side, side, width]).permute([0, 3, 1, 2]);
        let kind = grid.kind();
        let grid = grid.to_kind(Kind::Float).upsample_bicubic2d([height, breadth], false, None, None).to_kind(kind);
        let grid = grid.permute([0, 2, 3, 1]).reshape([height * breadth, width]);
        Tensor::cat(&[embedding.narrow(0, 0, 1), grid], 0)
    }

    /// `[B, 3, H, W]` -> the class token after the last norm, `[B, D]`.
    pub fn class_token(&self, images: &Tensor) -> Tensor {
        self.tokens(images).select(1, 0)
    }
}

/// The first four sides; 1 where there are fewer.
fn sides(tensor: &Tensor) -> [i64; 4] {
    let size = tensor.size();
    std::array::from_fn(|side| size.get(side).copied().unwrap_or(1))
}

impl Network for Vit {
    /// The patches' tokens at their places.
    fn grid(&self, images: &Tensor, _train: bool) -> Tensor {
        let [_, _, height, breadth] = sides(images);
        let tokens = self.tokens(images);
        let [batch, count, width, _] = sides(&tokens);
        let patches = tokens.narrow(1, 1, count - 1).transpose(1, 2);
        patches.reshape([batch, width, height / self.patch, breadth / self.patch])
    }

    fn logits(&self, grid: &Tensor, _train: bool) -> Option<Tensor> {
        self.head.as_ref().map(|head| head.forward(&pool(grid)))
    }

    fn pooled(&self, images: &Tensor) -> Option<Tensor> {
        Some(self.class_token(images))
    }

    fn fold(&mut self, kind: Kind) {
        self.conv1.freeze(kind);
        self.class_embedding = frozen(&self.class_embedding, kind);
        self.positional_embedding = frozen(&self.positional_embedding, kind);
        freeze_norm(&mut self.ln_pre, kind);
        self.blocks.iter_mut().for_each(|block| block.freeze(kind));
        freeze_norm(&mut self.ln_post, kind);
    }
}
