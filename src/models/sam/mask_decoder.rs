//! The mask decoder: tokens of prompts and an image embedding to masks, and how well each is likely to fit.

use super::config::Config;
use super::layers::{Linear, Norm};
use super::two_way::{Scene, TwoWay};
use crate::models::layers::dense;
use tch::Tensor;
use tch::nn::Path;

/// Linear layers with rectifiers between them, named `layers.0`, `layers.1`, ...
#[derive(Debug)]
struct Perceptron {
    layers: Vec<Linear>,
}

impl Perceptron {
    fn new(path: &Path, from: i64, inner: i64, to: i64, depth: i64) -> Self {
        let layer = |index: i64| {
            let from = if index == 0 { from } else { inner };
            Linear::new(&(path / "layers" / index), from, if index + 1 == depth { to } else { inner })
        };
        Self { layers: (0..depth).map(layer).collect() }
    }

    /// `[.., from]` -> `[.., to]`.
    fn forward(&self, xs: &Tensor) -> Tensor {
        let mut xs = xs.shallow_clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                xs = xs.relu_();
            }
            xs = layer.forward(&xs);
        }
        xs
    }
}

/// A transposed convolution of 2 x 2 with stride 2: every place becomes four, each by a linear layer of its own.
#[derive(Debug)]
struct Quadruple {
    /// `[from, to, 2, 2]`
    weight: Tensor,
    bias: Tensor,
}

impl Quadruple {
    fn new(path: &Path, from: i64, to: i64) -> Self {
        Self { weight: path.zeros("weight", &[from, to, 2, 2]), bias: path.zeros("bias", &[to]) }
    }

    /// `[N, from]` -> `[N, 4, to]`: upper left, upper right, lower left, lower right.
    fn forward(&self, xs: &Tensor) -> Tensor {
        let size = self.weight.size();
        let (from, to) = (size[0], size[1]);
        let weight = self.weight.permute([2, 3, 1, 0]).reshape([4 * to, from]);
        dense(xs, &weight, Some(&self.bias.repeat([4]))).view([-1, 4, to])
    }
}

/// What the transformer made of prompts: enough to judge their masks before any is drawn.
#[derive(Debug)]
pub(super) struct Decoded {
    /// `[P, M]`: the IoU that each mask is likely to have with its object; three masks a prompt.
    pub iou: Tensor,
    /// `[P, M + 1, C]`: tokens of the masks.
    tokens: Tensor,
    /// `[P, T, C]`
    image: Tensor,
}

#[derive(Debug)]
pub(super) struct MaskDecoder {
    transformer: TwoWay,
    iou_token: Tensor,
    mask_tokens: Tensor,
    upscale: [Quadruple; 2],
    upscale_norm: Norm,
    hypernetworks: Vec<Perceptron>,
    iou_prediction_head: Perceptron,
    masks: i64,
    grid: i64,
}

impl MaskDecoder {
    pub(super) fn new(path: &Path, config: &Config) -> Self {
        let (width, decoder) = (config.channels, &config.decoder);
        let (upscaling, hypernetworks) = (path / "output_upscaling", path / "output_hypernetworks_mlps");
        let hypernetwork = |mask: i64| Perceptron::new(&(&hypernetworks / mask), width, width, width / 8, 3);
        let head = path / "iou_prediction_head";
        Self {
            transformer: TwoWay::new(&(path / "transformer"), config),
            iou_token: (path / "iou_token").zeros("weight", &[1, width]),
            mask_tokens: (path / "mask_tokens").zeros("weight", &[decoder.masks, width]),
            upscale: [
                Quadruple::new(&(&upscaling / 0), width, width / 4),
                Quadruple::new(&(&upscaling / 3), width / 4, width / 8),
            ],
            upscale_norm: Norm::new(&(&upscaling / 1), width / 4, 1e-6),
            hypernetworks: (0..decoder.masks).map(hypernetwork).collect(),
            iou_prediction_head: Perceptron::new(&head, width, decoder.iou_width, decoder.masks, decoder.iou_depth),
            masks: decoder.masks,
            grid: config.grid(),
        }
    }

    /// What is the same for all prompts of an image: its embedding and positions, `[T, C]` each.
    pub(super) fn scene(&self, image: &Tensor, positions: &Tensor) -> Scene {
        self.transformer.scene(image, positions)
    }

    /// Prompts `[P, N, C]` in a scene.
    pub(super) fn forward(&self, scene: &Scene, prompts: &Tensor) -> Decoded {
        let count = prompts.size().first().copied().unwrap_or(0);
        let own = Tensor::cat(&[&self.iou_token, &self.mask_tokens], 0).unsqueeze(0);
        let tokens = Tensor::cat(&[own.expand([count, -1, -1], false), prompts.shallow_clone()], 1);
        let (tokens, image) = self.transformer.forward(scene, &tokens);
        let iou = self.iou_prediction_head.forward(&tokens.select(1, 0));
        // The first mask is for prompts that leave no doubt; one point always does.
        Decoded { iou: iou.narrow(1, 1, self.masks - 1), tokens: tokens.narrow(1, 1, self.masks), image }
    }

    /// The logits of all masks of the prompts `which` (indices, Int64 `[K]`): `[K, M, 4G, 4G]`.
    pub(super) fn draw(&self, decoded: &Decoded, which: &Tensor) -> Tensor {
        let count = which.size().first().copied().unwrap_or(0);
        let tokens = decoded.tokens.index_select(0, which);
        let image = decoded.image.index_select(0, which);
        let [first, second] = &self.upscale;
        let width = image.size().last().copied().unwrap_or(1);
        let fine = self.upscale_norm.forward(&first.forward(&image.view([-1, width]))).gelu_("none");
        let fine = second.forward(&fine.view([-1, width / 4])).gelu_("none"); // [K * T * 4, 4, C / 8]
        let weights: Vec<Tensor> = (1..self.masks)
            .zip(self.hypernetworks.iter().skip(1))
            .map(|(mask, network)| network.forward(&tokens.select(1, mask)))
            .collect();
        let weights = Tensor::stack(&weights, 2); // [K, C / 8, M]
        let masks = fine.view([count, -1, width / 8]).bmm(&weights);
        let (grid, many) = (self.grid, self.masks - 1);
        // Rows lie in the grid, in the first quadrupling, in the second.
        masks.view([count, grid, grid, 2, 2, 2, 2, many].as_slice()).permute([0, 7, 1, 3, 5, 2, 4, 6]).reshape([
            count,
            many,
            4 * grid,
            4 * grid,
        ])
    }
}
