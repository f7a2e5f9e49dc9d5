//! Features of pictures that are in no file and in no cache: tiles of scenes, as they come.

use super::extract::{batch_size, encode};
use crate::data::image::{self, Filter};
use crate::models::FeatureKind;
use crate::models::encoders::{self, Encoder, EncoderConfig, Resize, spec};
use crate::runtime::libtorch::fetched;
use ::image::RgbImage;
use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// An encoder over pictures in memory; what it gives is what [`super::FeatureSet::rows`] gives of the same pictures.
#[derive(Debug)]
pub struct LiveEncoder {
    intake: Intake,
    kind: FeatureKind,
    device: Device,
    /// `None` where the encoder is trained, thus part of the model, which takes pixels.
    frozen: Option<Encoder>,
}

/// What an encoder takes of a picture, for any thread to prepare.
#[derive(Debug, Clone, Copy)]
pub struct Intake {
    size: u32,
    filter: Filter,
    resize: Resize,
}

impl Intake {
    /// Bytes by row, column, then red, green, blue.
    pub fn pixels(&self, picture: &RgbImage) -> Result<Vec<u8>> {
        match self.resize {
            Resize::Antialias => image::resize_by(picture, self.size, self.size, self.filter),
            Resize::Opencv256 => Ok(image::resize_linear(picture, self.size)),
        }
    }
}

impl LiveEncoder {
    pub fn new(config: &EncoderConfig, kind: FeatureKind, device: Device) -> Result<Self> {
        let EncoderConfig { name, weights, image_size, precision, .. } = config;
        let filter = spec::find(name)?.preprocessing.filter;
        if config.tune.is_some() {
            let intake = Intake { size: config.stored_size(), filter, resize: config.resize };
            return Ok(Self { intake, kind, device, frozen: None });
        }
        let frozen = encoders::build_in(name, weights, device, *precision)?;
        Ok(Self {
            intake: Intake { size: *image_size, filter, resize: Resize::Antialias },
            kind,
            device,
            frozen: Some(frozen),
        })
    }

    pub fn intake(&self) -> Intake {
        self.intake
    }

    /// `[B, C]` or `[B, C, H, W]` of pictures that [`Intake::pixels`] prepared; bytes `[B, H, W, 3]` for an encoder
    /// that is trained.
    pub fn encode(&self, pictures: &[&[u8]]) -> Result<Tensor> {
        let side = i64::from(self.intake.size);
        let tensor = |pictures: &[&[u8]], count: usize| -> Result<Tensor> {
            let mut bytes = pictures.concat();
            bytes.resize(count * self.intake.size as usize * self.intake.size as usize * 3, 0);
            Ok(Tensor::f_from_data_size(&bytes, &[count as i64, side, side, 3], Kind::Uint8)?)
        };
        let Some(encoder) = &self.frozen else {
            return Ok(fetched(&tensor(pictures, pictures.len())?, self.device));
        };
        // Always as many at a time, so that a row does not depend on how many there are.
        let size = batch_size(encoder, usize::MAX / 4);
        let encoded = pictures.chunks(size).map(|part| {
            let rows = encode(encoder, self.kind, &tensor(part, size)?)?;
            Ok(rows.narrow(0, 0, part.len() as i64))
        });
        let encoded = encoded.collect::<Result<Vec<_>>>()?;
        Ok(fetched(&Tensor::cat(&encoded, 0), self.device))
    }
}
