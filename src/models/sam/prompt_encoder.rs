//! The prompt encoder: points, boxes and masks to tokens, and the positions of the image's own tokens in the same code.

use super::config::Config;
use super::layers::Norm;
use std::f64::consts::TAU;
use tch::nn::Path;
use tch::{Kind, Tensor};

/// What is asked about one object. Places are `(x, y)` in pixels of the encoder's square ([`super::Frame::point`]).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    /// Each with whether it lies on the object.
    pub points: Vec<([f64; 2], bool)>,
    /// The upper left and the lower right corner of a box around the object.
    pub corners: Option<[[f64; 2]; 2]>,
}

/// Points and the corners of boxes become tokens; a mask is laid over the image embedding; a grid of points becomes the
/// positions of that embedding.
#[derive(Debug)]
pub(super) struct PromptEncoder {
    /// `[2, C / 2]`: random frequencies (Tancik et al. 2020).
    frequencies: Tensor,
    /// `[1, C]` each: of a point beside the object, of one on it, of a box's upper left corner and of its lower right
    /// one.
    kinds: [Tensor; 4],
    /// `[1, C]`: stands where a box would, when there is none.
    not_a_point: Tensor,
    /// `[1, C]`: added to the image embedding when no mask is given.
    pub(super) no_mask: Tensor,
    mask: MaskDownscaling,
    image_size: i64,
    grid: i64,
}

impl PromptEncoder {
    pub(super) fn new(path: &Path, config: &Config) -> Self {
        let channels = config.channels;
        let embedding = |path: Path| path.zeros("weight", &[1, channels]);
        let points = path / "point_embeddings";
        Self {
            frequencies: (path / "pe_layer").zeros("positional_encoding_gaussian_matrix", &[2, channels / 2]),
            kinds: [0, 1, 2, 3].map(|kind| embedding(&points / kind)),
            not_a_point: embedding(path / "not_a_point_embed"),
            no_mask: embedding(path / "no_mask_embed"),
            mask: MaskDownscaling::new(&(path / "mask_downscaling"), config),
            image_size: config.image_size,
            grid: config.grid(),
        }
    }

    /// One point on the object for each prompt, `(x, y)` in pixels of the encoder's image -> `[P, 2, C]`: the point,
    /// and that there is no more.
    pub(super) fn points(&self, points: &[[f64; 2]]) -> Tensor {
        let [_, on_the_object, ..] = &self.kinds;
        let points = (self.places(points) + on_the_object).unsqueeze(1);
        let rest = self.not_a_point.unsqueeze(0).expand_as(&points);
        Tensor::cat(&[points, rest], 1)
    }

    /// All that is asked about one object -> `[1, N, C]`: its points, and its box's corners or that there is no box.
    pub(super) fn prompt(&self, prompt: &Prompt) -> Tensor {
        let [beside, on, upper_left, lower_right] = &self.kinds;
        let points = prompt.points.iter().map(|&(at, within)| (at, if within { on } else { beside }));
        let corners = prompt.corners.into_iter().flat_map(|[first, last]| [(first, upper_left), (last, lower_right)]);
        let (places, kinds): (Vec<[f64; 2]>, Vec<&Tensor>) = points.chain(corners).unzip();
        let mut tokens: Vec<Tensor> =
            self.places(&places).split(1, 0).iter().zip(kinds).map(|(place, kind)| place + kind).collect();
        if prompt.corners.is_none() {
            tokens.push(self.not_a_point.shallow_clone());
        }
        Tensor::cat(&tokens, 0).unsqueeze(0)
    }

    /// Logits of a mask to begin with, `[4G, 4G]` -> what is added to the image embedding, `[G * G, C]`.
    pub(super) fn mask(&self, logits: &Tensor) -> Tensor {
        self.mask.forward(logits)
    }

    /// Where the tokens of the image embedding lie, row by row: `[G * G, C]`.
    pub(super) fn positions(&self) -> Tensor {
        let like = (Kind::Float, self.no_mask.device());
        let middles = (Tensor::arange(self.grid, like) + 0.5) / self.grid as f64;
        let along = middles.view([1, -1]).expand([self.grid, self.grid], false);
        let parts = Tensor::stack(&[&along, &along.transpose(0, 1)], -1).view([-1, 2]);
        self.encode(&parts)
    }

    /// Pixels of the encoder's image -> `[N, C]`.
    fn places(&self, pixels: &[[f64; 2]]) -> Tensor {
        // A point stands for the middle of its pixel. Single precision begins where the published model has it begin.
        let part = |at: f64| ((at + 0.5) / self.image_size as f64) as f32;
        let parts: Vec<f32> = pixels.iter().flatten().map(|&at| part(at)).collect();
        self.encode(&Tensor::from_slice(&parts).view([-1, 2]).to_device(self.no_mask.device()))
    }

    /// Parts of the image, 0 to 1, `[N, 2]` -> `[N, C]`.
    fn encode(&self, parts: &Tensor) -> Tensor {
        let phases = (parts * 2.0 - 1.0).matmul(&self.frequencies) * TAU;
        Tensor::cat(&[phases.sin(), phases.cos()], -1)
    }
}

/// A convolution whose windows lie side by side.
#[derive(Debug)]
struct Patches {
    /// `[to, from, side, side]`
    weight: Tensor,
    bias: Tensor,
    side: i64,
}

impl Patches {
    fn new(path: &Path, from: i64, to: i64, side: i64) -> Self {
        Self { weight: path.zeros("weight", &[to, from, side, side]), bias: path.zeros("bias", &[to]), side }
    }

    /// Channels last: `[1, H, W, from]` -> `[1, H / side, W / side, to]`.
    fn forward(&self, map: &Tensor) -> Tensor {
        let map = map.permute([0, 3, 1, 2]);
        map.conv2d(&self.weight, Some(&self.bias), self.side, 0, 1, 1).permute([0, 2, 3, 1])
    }
}

/// Brings a mask to the size and the channels of the image embedding.
#[derive(Debug)]
struct MaskDownscaling {
    halves: [(Patches, Norm); 2],
    last: Patches,
}

impl MaskDownscaling {
    fn new(path: &Path, config: &Config) -> Self {
        let inner = config.decoder.mask_channels;
        let half = |layer: i64, from: i64, to: i64| {
            (Patches::new(&(path / layer), from, to, 2), Norm::new(&(path / (layer + 1)), to, 1e-6))
        };
        Self {
            halves: [half(0, 1, inner / 4), half(3, inner / 4, inner)],
            last: Patches::new(&(path / 6), inner, config.channels, 1),
        }
    }

    /// `[4G, 4G]` -> `[G * G, C]`.
    fn forward(&self, logits: &Tensor) -> Tensor {
        let mut map = logits.unsqueeze(0).unsqueeze(-1);
        for (patches, norm) in &self.halves {
            map = norm.forward(&patches.forward(&map)).gelu("none");
        }
        self.last.forward(&map).flatten(0, 2)
    }
}
