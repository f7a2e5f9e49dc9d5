//! The prompt encoder: points to tokens, and the positions of the image's own tokens in the same code.

use super::config::Config;
use std::f64::consts::TAU;
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Points become tokens; a grid of points becomes the positions of the image embedding.
///
/// Only points are asked for here. The embeddings of box corners and of masks given as prompts are held so that public weight
/// files load whole.
#[derive(Debug)]
pub struct PromptEncoder {
    /// `[2, C / 2]`: random frequencies (Tancik et al. 2020).
    frequencies: Tensor,
    /// `[1, C]`: of a point on the object.
    point: Tensor,
    /// `[1, C]`: stands where a box would, when there is none.
    not_a_point: Tensor,
    /// `[1, C]`: added to the image embedding when no mask is given.
    pub(super) no_mask: Tensor,
    image_size: i64,
    grid: i64,
}

impl PromptEncoder {
    pub(super) fn new(path: &Path, config: &Config) -> Self {
        let channels = config.channels;
        let embedding = |path: Path| path.zeros("weight", &[1, channels]);
        let points = path / "point_embeddings";
        let [_, point, ..] = [0, 1, 2, 3].map(|kind| embedding(&points / kind));
        mask_prompts(&(path / "mask_downscaling"), config);
        Self {
            frequencies: (path / "pe_layer").zeros("positional_encoding_gaussian_matrix", &[2, channels / 2]),
            point,
            not_a_point: embedding(path / "not_a_point_embed"),
            no_mask: embedding(path / "no_mask_embed"),
            image_size: config.image_size,
            grid: config.grid(),
        }
    }

    /// One point on the object for each prompt, `(x, y)` in pixels of the encoder's image -> `[P, 2, C]`: the point, and that
    /// there is no more.
    pub fn points(&self, points: &[[f64; 2]]) -> Tensor {
        // A point stands for the middle of its pixel. Single precision begins where the published model has it begin.
        let part = |at: f64| ((at + 0.5) / self.image_size as f64) as f32;
        let parts: Vec<f32> = points.iter().flatten().map(|&at| part(at)).collect();
        let parts = Tensor::from_slice(&parts).view([-1, 2]).to_device(self.point.device());
        let points = (self.encode(&parts) + &self.point).unsqueeze(1);
        let rest = self.not_a_point.unsqueeze(0).expand_as(&points);
        Tensor::cat(&[points, rest], 1)
    }

    /// Where the tokens of the image embedding lie, row by row: `[G * G, C]`.
    pub fn positions(&self) -> Tensor {
        let like = (Kind::Float, self.point.device());
        let middles = (Tensor::arange(self.grid, like) + 0.5) / self.grid as f64;
        let along = middles.view([1, -1]).expand([self.grid, self.grid], false);
        let parts = Tensor::stack(&[&along, &along.transpose(0, 1)], -1).view([-1, 2]);
        self.encode(&parts)
    }

    /// Parts of the image, 0 to 1, `[N, 2]` -> `[N, C]`.
    fn encode(&self, parts: &Tensor) -> Tensor {
        let phases = (parts * 2.0 - 1.0).matmul(&self.frequencies) * TAU;
        Tensor::cat(&[phases.sin(), phases.cos()], -1)
    }
}

/// Parameters that embed a mask given as a prompt.
fn mask_prompts(path: &Path, config: &Config) {
    let (channels, inner) = (config.channels, config.decoder.mask_channels);
    for (layer, to, from, side) in [(0, inner / 4, 1, 2), (3, inner, inner / 4, 2), (6, channels, inner, 1)] {
        let conv = path / layer;
        let _ = (conv.zeros("weight", &[to, from, side, side]), conv.zeros("bias", &[to]));
    }
    for (layer, width) in [(1, inner / 4), (4, inner)] {
        let norm = path / layer;
        let _ = (norm.zeros("weight", &[width]), norm.zeros("bias", &[width]));
    }
}
