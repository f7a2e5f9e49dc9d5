//! CSSA: a grid Transformer with a geometry bias that decays from layer to layer, trained first to tell pairs of images
//! and captions apart, then to caption.
//!
//! Paper: Han, Wu, Li, Zhang, Wang and Hou, "CSSA: A Cross-Modal Spatial-Semantic Alignment Framework for Remote
//! Sensing Image Captioning", Remote Sensing 2026, 18, 522 (DG-former, MCCL, RSIC); Tables 1-5, Figs. 4, 7, 9. No
//! public code is known.
//!
//! The text encoder of the first stage is the decoder without its attention to the image: the same parameters, so that
//! "initialised with the parameters of the previous stage" is no copying; what is new in the second stage, the
//! attention to the image and the output, is untouched by the first.

pub mod config;
pub mod contrastive;
mod decoder;
mod encoder;
pub mod geometry;

pub use config::{Config, ContrastiveConfig, Geometry, Sentence};

use super::layers::transformer::Sizes;
use super::layers::{PackedLayout, linear};
use super::losses::token_cross_entropy;
use super::{Captioner, FirstStage, Inputs, Losses, State};
use crate::data::batch::{Batch, PackedCaptions};
use crate::eval::{Scores, retrieval};
use anyhow::Result;
use contrastive::{contrastive_loss, unit};
use decoder::Decoder;
use encoder::ImageEncoder;
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// The CSSA captioner over grid features of one or several encoders.
#[derive(Debug)]
pub struct Cssa {
    image_encoder: ImageEncoder,
    decoder: Decoder,
    /// Into the common space of the first stage: images, captions.
    projections: Option<[nn::Linear; 2]>,
    contrastive: ContrastiveConfig,
    transfer_text: bool,
}

impl Cssa {
    pub fn new(path: &nn::Path, config: &Config, inputs: &Inputs) -> Self {
        let width = config.width as i64;
        let sizes = Sizes { width, heads: config.heads as i64, inner: config.inner as i64, dropout: config.dropout };
        let projection = |name: &str| linear(path / "projection" / name, width, width);
        Self {
            image_encoder: ImageEncoder::new(&(path / "image_encoder"), config, sizes, inputs.features.iter().sum()),
            decoder: Decoder::new(&(path / "decoder"), config.decoder_layers, sizes, inputs.vocabulary),
            projections: config.contrastive.projection.then(|| [projection("image"), projection("text")]),
            contrastive: config.contrastive.clone(),
            transfer_text: config.transfer_text,
        }
    }

    /// Vectors of images in the common space, of length one: `[I, D]`. The mean over the grid stands for an image.
    fn image_vectors(&self, features: &[Tensor], train: bool) -> Tensor {
        let mean = self.image_encoder.forward(features, train).mean_dim([1i64].as_slice(), false, Kind::Float);
        unit(&self.projections.as_ref().map_or_else(|| mean.shallow_clone(), |[image, _]| image.forward(&mean)))
    }

    /// Vectors of captions in the common space, of length one: `[B, D]`, in the order of the packed rows.
    fn caption_vectors(&self, captions: &PackedCaptions, train: bool) -> Tensor {
        // `<start> w1 .. wn <end>`: what is fed, and behind it what is predicted.
        let (rows, _) = captions.shape();
        let words = Tensor::cat(&[captions.inputs.narrow(0, 0, rows), captions.targets.shallow_clone()], 0);
        let layout = PackedLayout::new(&[&[rows], captions.batch_sizes.as_slice()].concat(), words.device());
        let outputs = self.decoder.words(&words, &layout, None, train);
        let vectors = match self.contrastive.sentence {
            Sentence::End => outputs.index_select(0, &layout.last),
            Sentence::Mean => {
                let lengths = layout.pad(&outputs.narrow(1, 0, 1).ones_like()).sum_dim_intlist(
                    [1i64].as_slice(),
                    false,
                    Kind::Float,
                );
                layout.pad(&outputs).sum_dim_intlist([1i64].as_slice(), false, Kind::Float) / lengths
            }
        };
        unit(&self.projections.as_ref().map_or_else(|| vectors.shallow_clone(), |[_, text]| text.forward(&vectors)))
    }

    /// `[rows, D]` of captions, in the order of their images.
    fn by_image(vectors: &Tensor, image_rows: &Tensor) -> Tensor {
        vectors.index_select(0, &image_rows.argsort(0, false))
    }
}

impl Captioner for Cssa {
    /// `L_cap`, cross-entropy.
    ///
    /// Deviation: the mean over the tokens of a batch, where the paper sums over those of a caption.
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        let memory = self.image_encoder.forward(&batch.features, train);
        let layout = PackedLayout::new(&batch.captions.batch_sizes, memory.device());
        let words = &batch.captions.inputs;
        let outputs = self.decoder.words(words, &layout, Some((&memory, &batch.image_rows)), train);
        let loss = token_cross_entropy(&self.decoder.logits(&outputs), &batch.captions);
        Losses::new(vec![("cross_entropy", loss)])
    }

    fn start(&self, features: &[Tensor]) -> State {
        self.decoder.start(&self.image_encoder.forward(features, false))
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        self.decoder.step(tokens, state)
    }

    fn attention(&self, features: &[Tensor], tokens: &[i64]) -> Option<Tensor> {
        let (height, width) = self.image_encoder.grid(features);
        let memory = self.image_encoder.forward(features, false);
        Some(self.decoder.looks(&memory, tokens).view([-1, height, width]))
    }

    fn encoder_attention(&self, features: &[Tensor]) -> Option<Tensor> {
        Some(self.image_encoder.looks(features))
    }

    fn first_stage(&self) -> Option<&dyn FirstStage> {
        Some(self)
    }
}

impl FirstStage for Cssa {
    /// `L = L_cl(f1, T1) + gamma_i L_cl(f1, f1') + gamma_s L_cl(T1, T1')`, each term weighted. Branches of weight 0 are
    /// not computed.
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        let ContrastiveConfig { temperature, direction, image_weight, text_weight, .. } = self.contrastive;
        let augmented = batch.augmented.as_deref();
        let views = augmented.filter(|a| image_weight > 0.0 && !a.features.is_empty());
        let images = match views {
            // Both views in one pass: twice the rows a product.
            Some(views) => {
                let pairs = batch.features.iter().zip(&views.features);
                let both: Vec<Tensor> = pairs.map(|(one, other)| Tensor::cat(&[one, other], 0)).collect();
                self.image_vectors(&both, train)
            }
            None => self.image_vectors(&batch.features, train),
        };
        let count = batch.image_rows.size()[0];
        let own = images.narrow(0, 0, count);
        let texts = Self::by_image(&self.caption_vectors(&batch.captions, train), &batch.image_rows);
        let loss = |x: &Tensor, y: &Tensor| contrastive_loss(x, y, temperature, direction);
        let mut terms = vec![("image_text", loss(&own, &texts))];
        if views.is_some() {
            terms.push(("image_image", loss(&own, &images.narrow(0, count, count)) * image_weight));
        }
        if let Some(rewritten) = augmented.filter(|_| text_weight > 0.0) {
            let vectors = self.caption_vectors(&rewritten.captions, train);
            terms.push(("text_text", loss(&texts, &Self::by_image(&vectors, &rewritten.image_rows)) * text_weight));
        }
        Losses::new(terms)
    }

    fn compares_examples(&self) -> bool {
        true
    }

    /// Recall of captions by images and of images by captions.
    fn scores(&self, batches: &mut dyn Iterator<Item = Result<Batch>>) -> Result<Scores> {
        let (mut images, mut captions, mut image_of) = (Vec::new(), Vec::new(), Vec::new());
        let mut count = 0;
        for batch in batches {
            let batch = batch?;
            tch::no_grad(|| {
                images.push(self.image_vectors(&batch.features, false));
                captions.push(self.caption_vectors(&batch.captions, false));
            });
            let rows: Vec<i64> = Vec::try_from(batch.image_rows.to_device(tch::Device::Cpu))?;
            image_of.extend(rows.iter().map(|&row| row as usize + count));
            count += batch.features.first().map_or(0, |f| f.size()[0] as usize);
        }
        if image_of.is_empty() {
            return Ok(retrieval::recall(&[], &[]));
        }
        let likeness = Tensor::cat(&images, 0).matmul(&Tensor::cat(&captions, 0).tr()).flatten(0, -1);
        Ok(retrieval::recall(&Vec::<f32>::try_from(likeness.to_device(tch::Device::Cpu))?, &image_of))
    }

    fn transfers(&self, parameter: &str) -> bool {
        self.transfer_text || !parameter.starts_with("decoder.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, nn::VarStore};

    fn model(geometry: Geometry) -> Cssa {
        tch::manual_seed(1);
        let config = Config { width: 8, heads: 2, inner: 8, encoder_layers: 3, geometry, ..Config::default() };
        let inputs = Inputs { features: vec![4], vocabulary: 9, attributes: 0 };
        Cssa::new(&VarStore::new(Device::Cpu).root(), &config, &inputs)
    }

    #[test]
    fn every_layer_of_the_encoder_shows_where_its_cells_look() {
        let features = [Tensor::randn([1, 4, 2, 3], (Kind::Float, Device::Cpu))];
        for geometry in [Geometry::Exp, Geometry::None] {
            let looks = tch::no_grad(|| model(geometry).encoder_attention(&features)).unwrap();
            assert_eq!(looks.size(), [3, 2, 3]);
            let sums = Vec::<f32>::try_from(looks.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Float)).unwrap();
            assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
        }
        let plain = |geometry| tch::no_grad(|| model(geometry).encoder_attention(&features)).unwrap().get(0);
        assert_ne!(plain(Geometry::Exp), plain(Geometry::None), "the geometry bias counts");
    }
}
