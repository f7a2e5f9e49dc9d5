//! Segment Anything (Kirillov et al., ICCV 2023, arXiv:2304.02643; code and weights at
//! github.com/facebookresearch/segment-anything): the masks that S2CPNet looks at.
//!
//! Image encoder, prompt encoder and mask decoder under the published names, so that `sam_vit_{b,l,h}*.pth` and
//! MobileSAM's `mobile_sam.pt` (github.com/ChaoningZhang/MobileSAM) load as they are.
//! [`automatic`] asks at a grid of points. Nothing here learns.

mod attention;
pub mod automatic;
mod config;
mod frame;
mod image_encoder;
mod layers;
mod mask_decoder;
mod prompt_encoder;
mod tiny_vit;
mod two_way;
mod vit;

pub use automatic::{Candidates, GeneratorRules, Predictor, generate};
pub use config::{Config, DecoderConfig, EncoderConfig, TinyVitConfig, VitConfig};
pub use frame::Frame;
pub use image_encoder::ImageEncoder;

use crate::weights::{self, StateDict};
use ::image::RgbImage;
use anyhow::{Context, Result, bail};
use mask_decoder::MaskDecoder;
pub use prompt_encoder::Prompt;
use prompt_encoder::PromptEncoder;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use two_way::Scene;

/// Prompts that are decoded at a time on a CPU: what they make of the image stays near the processor, and its memory is
/// used again in place of being asked for anew.
const PROMPTS: usize = 2;

/// The whole model.
#[derive(Debug)]
pub struct Sam {
    pub config: Config,
    encoder: ImageEncoder,
    prompts: PromptEncoder,
    decoder: MaskDecoder,
    device: Device,
    /// The encoder's parameters, and the others: they may differ in type.
    stores: [VarStore; 2],
}

impl Sam {
    /// A model of zeros.
    pub fn new(config: Config, device: Device) -> Result<Self> {
        config.check()?;
        let stores = [VarStore::new(device), VarStore::new(device)];
        let [of_encoder, of_rest] = [&stores[0].root(), &stores[1].root()];
        Ok(Self {
            encoder: ImageEncoder::new(&(of_encoder / "image_encoder"), &config),
            prompts: PromptEncoder::new(&(of_rest / "prompt_encoder"), &config),
            decoder: MaskDecoder::new(&(of_rest / "mask_decoder"), &config),
            device,
            config,
            stores,
        })
    }

    /// The model of a weight file, whose sizes tell which it is. `half`: the image encoder works in bfloat16, which
    /// suits GPUs.
    ///
    /// Errors: not a weight file; no Segment Anything model in it; a tensor missing, unexpected or of another shape.
    pub fn load(path: &Path, device: Device, half: bool) -> Result<Self> {
        Self::of_weights(&weights::read(path)?, device, half)
    }

    /// As [`Self::load`].
    pub fn of_weights(dict: &StateDict, device: Device, half: bool) -> Result<Self> {
        let Some(config) = Config::recognise(dict) else {
            bail!(
                "'{}' is not a Segment Anything model; download one with `rsic weights fetch sam_vit_b` (or sam_vit_l, \
                sam_vit_h, mobile_sam)",
                dict.path.display()
            );
        };
        Self::of_sizes(config, dict, device, half)
    }

    /// As [`Self::load`], of a model whose sizes are known.
    pub fn of_sizes(config: Config, dict: &StateDict, device: Device, half: bool) -> Result<Self> {
        let context = || format!("in '{}'", dict.path.display());
        let mut sam = Self::new(config, device).with_context(context)?;
        weights::load_variables(&sam.variables(), dict).check(&dict.path)?;
        sam.stores.iter_mut().for_each(VarStore::freeze);
        sam.encoder.fold(if half { Kind::BFloat16 } else { Kind::Float });
        if half {
            sam.stores[0].bfloat16();
        }
        Ok(sam)
    }

    /// Every parameter by its published name, sorted.
    pub fn variables(&self) -> Vec<(String, Tensor)> {
        let mut variables: Vec<_> = self.stores.iter().flat_map(VarStore::variables).collect();
        variables.sort_by(|(one, _), (other, _)| one.cmp(other));
        variables
    }

    /// Normalised pixels `[1, 3, S, S]` -> the image embedding, `[1, C, G, G]`.
    pub fn embed(&self, pixels: &Tensor) -> Tensor {
        tch::no_grad(|| self.encoder.forward(&pixels.to_device(self.device)).permute([0, 3, 1, 2]))
    }

    /// An image embedding, `[1, C, G, G]`, ready for prompts. `mask`: logits to begin with, `[4G, 4G]`, as an answer to
    /// an earlier prompt has them.
    pub fn ready(&self, embedding: &Tensor, mask: Option<&Tensor>) -> Ready<'_> {
        tch::no_grad(|| {
            let over = match mask {
                Some(logits) => self.prompts.mask(&logits.to_device(self.device)),
                None => self.prompts.no_mask.shallow_clone(),
            };
            let image = embedding.squeeze_dim(0).flatten(1, 2).transpose(0, 1).contiguous() + over;
            Ready { sam: self, scene: self.decoder.scene(&image, &self.prompts.positions()) }
        })
    }

    /// What [`generate`] asks.
    pub fn predictor(&self) -> SamPredictor<'_> {
        SamPredictor { sam: self, seen: None }
    }
}

/// An image that prompts are asked about.
#[derive(Debug)]
pub struct Ready<'a> {
    sam: &'a Sam,
    scene: Scene,
}

impl Ready<'_> {
    /// Three masks for each point on an object, `(x, y)` in pixels of the encoder's square: those whose expected IoU is
    /// greater than `above`. Masks that are not wanted are never drawn.
    pub fn masks(&self, points: &[[f64; 2]], above: Option<f32>) -> Result<Candidates> {
        let at_a_time = if self.sam.device == Device::Cpu { PROMPTS } else { points.len().max(1) };
        let (mut which, mut ious, mut logits) = (Vec::new(), Vec::new(), Vec::new());
        for (batch, points) in points.chunks(at_a_time).enumerate() {
            let part = tch::no_grad(|| self.batch(&self.sam.prompts.points(points), above))?;
            which.extend(part.points.into_iter().map(|point| batch * at_a_time + point));
            ious.extend(part.ious);
            if part.logits.numel() > 0 {
                logits.push(part.logits);
            }
        }
        let side = 4 * self.sam.config.grid();
        let logits = match logits.is_empty() {
            true => Tensor::zeros([0, side, side], (Kind::Float, self.sam.device)),
            false => Tensor::cat(&logits, 0),
        };
        Ok(Candidates { points: which, ious, logits })
    }

    /// Three masks of one object that points or a box tell of.
    pub fn object(&self, prompt: &Prompt) -> Result<Candidates> {
        tch::no_grad(|| self.batch(&self.sam.prompts.prompt(prompt), None))
    }

    /// Tokens of prompts, `[P, N, C]`.
    fn batch(&self, prompts: &Tensor, above: Option<f32>) -> Result<Candidates> {
        let decoder = &self.sam.decoder;
        let decoded = decoder.forward(&self.scene, prompts);
        let many = decoded.iou.size().last().copied().unwrap_or(1).max(1) as usize;
        let all: Vec<f32> = decoded.iou.reshape([-1]).try_into()?;
        let kept: Vec<usize> = (0..all.len()).filter(|&mask| above.is_none_or(|above| all[mask] > above)).collect();
        let mut drawn: Vec<i64> = kept.iter().map(|&mask| (mask / many) as i64).collect();
        drawn.dedup();
        if drawn.is_empty() {
            return Ok(Candidates {
                points: Vec::new(),
                ious: Vec::new(),
                logits: Tensor::zeros([0], (Kind::Float, self.sam.device)),
            });
        }
        let masks = decoder.draw(&decoded, &Tensor::from_slice(&drawn).to_device(self.sam.device)).flatten(0, 1);
        let place = |&mask: &usize| {
            let row = drawn.partition_point(|&point| point < (mask / many) as i64);
            (row * many + mask % many) as i64
        };
        let places: Vec<i64> = kept.iter().map(place).collect();
        let logits = masks.index_select(0, &Tensor::from_slice(&places).to_device(self.sam.device));
        Ok(Candidates {
            points: kept.iter().map(|&mask| mask / many).collect(),
            ious: kept.iter().map(|&mask| all[mask]).collect(),
            logits,
        })
    }
}

/// The model with an image before it.
#[derive(Debug)]
pub struct SamPredictor<'a> {
    sam: &'a Sam,
    seen: Option<(Frame, Ready<'a>)>,
}

impl Predictor for SamPredictor<'_> {
    fn look(&mut self, image: &RgbImage) -> Result<Frame> {
        self.seen = None; // the last image's memory is free for this one
        let frame = Frame::new(self.sam.config.image_size, image.width(), image.height());
        let ready = self.sam.ready(&self.sam.embed(&frame.pixels(image)?), None);
        self.seen = Some((frame, ready));
        Ok(frame)
    }

    fn predict(&mut self, points: &[[f64; 2]], above: Option<f32>) -> Result<Candidates> {
        let Some((frame, ready)) = &self.seen else { bail!("prompts were given before an image was encoded") };
        let points: Vec<[f64; 2]> = points.iter().map(|&point| frame.point(point)).collect();
        ready.masks(&points, above)
    }
}
