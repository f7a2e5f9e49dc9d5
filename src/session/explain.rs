//! What a model shows of itself beside a caption: attributes and where it looked.

use super::{Session, Trained};
use crate::data::Vocabulary;
use crate::data::attributes::Attributes;
use crate::models::{Captioner, Inputs, cost};
use crate::runs::{Explanation, Look};
use crate::train::PartConfig;
use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// `features` of one image, one tensor per encoder.
fn explain(
    model: &dyn Captioner,
    vocabulary: &Vocabulary,
    attributes: Option<&Attributes>,
    features: &[Tensor],
    caption: &str,
) -> Explanation {
    tch::no_grad(|| {
        let probabilities = model.attributes(features).map_or_else(Vec::new, |p| numbers(&p));
        let words = attributes.map_or(&[][..], Attributes::words);
        let mut likely: Vec<(String, f64)> =
            words.iter().cloned().zip(probabilities.into_iter().map(f64::from)).collect();
        likely.sort_by(|a, b| b.1.total_cmp(&a.1)); // stable
        let given = model.sampled_attributes(features).map_or_else(Vec::new, |sampled| numbers(&sampled));
        let given: Vec<&String> = words.iter().zip(given).filter(|(_, s)| *s >= 0.5).map(|(word, _)| word).collect();
        let sampled = likely.iter().map(|(word, _)| word).filter(|word| given.contains(word)).cloned().collect();
        let words: Vec<&str> = caption.split_whitespace().collect();
        let tokens: Vec<i64> = words.iter().map(|word| vocabulary.id(word)).collect();
        let looks = model.attention(features, &tokens).map_or_else(Vec::new, |weights| maps(&weights));
        let said = words.into_iter().chain(["<end>"]);
        let attention = said.zip(looks).map(|(word, weights)| Look { word: word.to_owned(), weights }).collect();
        let encoder = model.encoder_attention(features).map_or_else(Vec::new, |weights| maps(&weights));
        Explanation { attributes: likely, sampled, attention, encoder }
    })
}

/// Weights `[N, H, W]`, map by map.
fn maps(weights: &Tensor) -> Vec<Vec<Vec<f32>>> {
    let (height, width) = weights.size3().map_or((1, 1), |(_, height, width)| (height.max(1), width.max(1)));
    // Four digits are plenty for display, and keep files small.
    let rounded: Vec<f32> = numbers(weights).iter().map(|w| (w * 1e4).round() / 1e4).collect();
    let map = |map: &[f32]| map.chunks(width as usize).map(<[f32]>::to_vec).collect();
    rounded.chunks((height * width) as usize).map(map).collect()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    let mut numbers = vec![0f32; tensor.numel()];
    let flat = tensor.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    flat.copy_data(&mut numbers, tensor.numel());
    numbers
}

impl Trained {
    /// What the model shows of one image and a caption of it; `features` one tensor per encoder, of one row.
    pub fn explain(&self, features: &[Tensor], caption: &str) -> Explanation {
        explain(&*self.model, &self.vocabulary, self.attributes.as_ref(), features, caption)
    }
}

impl Session {
    /// The features of one image of the dataset, one tensor of one row per encoder.
    pub fn features_of(&self, image: usize) -> Result<Vec<Tensor>> {
        (0..self.features.encoders()).map(|encoder| self.features.rows(encoder, &[image])).collect()
    }

    /// Number of parameters that the captioning stage trains.
    pub fn trained_parameters(&self) -> usize {
        let parts = &self.experiment.train.parts;
        let trained = self.store.variables().into_iter().filter(|(name, _)| !PartConfig::freezes(parts, name));
        trained.map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Multiply-adds of the captioning stage's forward pass for one image and a training caption of the mean length,
    /// the encoders left out.
    pub fn multiply_adds(&self) -> Result<u64> {
        let attributes = self.attributes.as_ref().map_or(0, Attributes::len);
        let inputs = Inputs::new(&self.experiment.encoders, self.vocabulary.len(), attributes)?;
        let shapes: Vec<&[i64]> = (0..self.features.encoders()).map(|encoder| self.features.shape(encoder)).collect();
        // Pixels, for encoders that are trained, have none.
        let features = match shapes.iter().any(|shape| shape.is_empty()) {
            true => cost::encoders(&self.experiment.model, &self.experiment.encoders)?.0,
            false => shapes.iter().map(|shape| blank(shape)).collect(),
        };
        Ok(cost::captioner(&self.experiment.model, &inputs, features, cost::mean_words(&self.dataset)))
    }

    /// What the model shows of one image and a caption of it; `features` one tensor per encoder, of one row.
    pub fn explain(&self, features: &[Tensor], caption: &str) -> Explanation {
        explain(&*self.model, &self.vocabulary, self.attributes.as_ref(), features, caption)
    }
}

/// One row of features of that shape.
fn blank(shape: &[i64]) -> Tensor {
    Tensor::zeros([&[1], shape].concat(), (Kind::Float, Device::Cpu))
}
