//! What a model sees of pictures that are in no file.

use super::{Decoded, Trained};
use crate::data::masks::{MaskRules, draw, segment};
use crate::decode::DecodeConfig;
use crate::features::{Intake, LiveEncoder};
use anyhow::Result;
use image::RgbImage;
use tch::{Device, Kind, Tensor};

/// A trained model behind its encoders, over pictures as they come: no cache, no dataset, nothing kept.
pub struct Live {
    trained: Trained,
    encoders: Vec<LiveEncoder>,
    preparation: Preparation,
}

/// Makes of a picture what the encoders take, on any thread.
#[derive(Debug, Clone)]
pub struct Preparation {
    intakes: Vec<Intake>,
    masks: Option<MaskRules>,
}

/// A picture as each encoder takes it, then its mask picture likewise where the model looks at those.
pub type Prepared = Vec<Vec<u8>>;

/// Words with their probabilities.
pub type Likely = Vec<(String, f64)>;

impl Preparation {
    pub fn prepare(&self, picture: &RgbImage) -> Result<Prepared> {
        let masked = match &self.masks {
            Some(rules) => Some(draw(picture, &segment(picture, &rules.segmenter)?, rules.mode, rules.opacity)),
            None => None,
        };
        let looks = std::iter::once(picture).chain(&masked);
        looks.flat_map(|look| self.intakes.iter().map(move |intake| intake.pixels(look))).collect()
    }
}

impl Live {
    pub fn new(trained: Trained) -> Result<Self> {
        let (experiment, device) = (&trained.experiment, trained.device);
        // However many there will be.
        let encoder = |config| LiveEncoder::new(config, experiment.model.features(), device, usize::MAX);
        let encoders: Vec<LiveEncoder> = experiment.encoders.iter().map(encoder).collect::<Result<_>>()?;
        let intakes = encoders.iter().map(LiveEncoder::intake).collect();
        let preparation = Preparation { intakes, masks: experiment.model.masks().cloned() };
        Ok(Self { trained, encoders, preparation })
    }

    pub fn trained(&self) -> &Trained {
        &self.trained
    }

    pub fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// One tensor per encoder, then one per encoder of the mask pictures. `name` says what a picture is called.
    ///
    /// # Errors
    /// Features that are no numbers.
    pub fn encode(&self, pictures: &[&[Vec<u8>]], name: &dyn Fn(usize) -> String) -> Result<Vec<Tensor>> {
        let looks = self.encoders.len() * (1 + usize::from(self.preparation.masks.is_some()));
        let look = |(look, encoder): (usize, &LiveEncoder)| {
            let pixels: Vec<&[u8]> = pictures.iter().filter_map(|p| p.get(look).map(Vec::as_slice)).collect();
            encoder.encode(&pixels, name)
        };
        (0..looks).zip(self.encoders.iter().cycle()).map(look).collect()
    }

    /// Captions of pictures given their features, with `nouns` also the nouns of models that predict them.
    pub fn decode(&self, features: &[Tensor], decode: &DecodeConfig, nouns: bool) -> Result<Vec<Decoded>> {
        self.trained.decode(features, decode, nouns)
    }

    /// The attribute words of each picture that are likelier than not, the likeliest first, with their probabilities;
    /// `None` for models without attributes.
    pub fn attributes(&self, features: &[Tensor]) -> Result<Option<Vec<Likely>>> {
        let (Some(words), Some(likely)) =
            (&self.trained.attributes, tch::no_grad(|| self.trained.model.attributes(features)))
        else {
            return Ok(None);
        };
        let rows = Vec::<Vec<f32>>::try_from(likely.to_device(Device::Cpu).to_kind(Kind::Float))?;
        let of_row = |row: Vec<f32>| {
            let all = words.words().iter().cloned().zip(row.into_iter().map(f64::from));
            let mut likely: Likely = all.filter(|(_, probability)| *probability >= 0.5).collect();
            likely.sort_by(|a, b| b.1.total_cmp(&a.1)); // stable
            likely
        };
        Ok(Some(rows.into_iter().map(of_row).collect()))
    }
}
