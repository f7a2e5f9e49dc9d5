//! Features that are kept nowhere, of pictures as they come: tiles of scenes, or files that are too many for the cache.

use super::checked_size;
use super::extract::{batch_size, encode};
use crate::data::image::{self, Filter};
use crate::models::FeatureKind;
use crate::models::encoders::{self, Encoder, EncoderConfig, Resize, spec};
use crate::runtime::libtorch::fetched;
use crate::weights::not_finite;
use ::image::RgbImage;
use anyhow::{Context, Result, bail};
use tch::{Device, Kind, Tensor};

/// An encoder over pictures in memory; what it gives is what [`super::FeatureSet::rows`] gives of the same pictures.
#[derive(Debug)]
pub struct LiveEncoder {
    name: String,
    intake: Intake,
    kind: FeatureKind,
    device: Device,
    /// Pictures that are asked for in all, at most.
    images: usize,
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
    /// `images`: how many pictures are asked for in all, at most, which decides how many go through it at a time.
    ///
    /// # Errors
    /// An image size that cannot be; weights that cannot be read.
    pub fn new(config: &EncoderConfig, kind: FeatureKind, device: Device, images: usize) -> Result<Self> {
        let EncoderConfig { name, weights, precision, .. } = config;
        let filter = spec::find(name)?.preprocessing.filter;
        let encoder = |intake, frozen| Self { name: name.clone(), intake, kind, device, images, frozen };
        if config.tune.is_some() {
            return Ok(encoder(Intake { size: config.stored_size(), filter, resize: config.resize }, None));
        }
        let intake = Intake { size: checked_size(config)?, filter, resize: Resize::Antialias };
        let built = encoders::build_in(name, weights, device, *precision);
        let built =
            built.with_context(|| format!("weights of the encoder '{name}' (see weights/README.md for downloads)"))?;
        Ok(encoder(intake, Some(built)))
    }

    pub fn intake(&self) -> Intake {
        self.intake
    }

    /// Pictures that go through it at a time.
    pub(super) fn batch(&self) -> usize {
        self.frozen.as_ref().map_or(1, |encoder| batch_size(encoder, self.images))
    }

    /// `[B, C]` or `[B, C, H, W]` of pictures that [`Intake::pixels`] prepared; bytes `[B, H, W, 3]` for an encoder
    /// that is trained. `name` says what a picture is called.
    ///
    /// # Errors
    /// Features that are no numbers.
    pub fn encode(&self, pictures: &[&[u8]], name: &dyn Fn(usize) -> String) -> Result<Tensor> {
        let Some(encoder) = &self.frozen else {
            return Ok(fetched(&self.pixels(pictures, pictures.len())?, self.device));
        };
        // Always as many at a time, so that a row does not depend on how many there are.
        let size = self.batch();
        let encoded = pictures.chunks(size).map(|part| {
            let rows = encode(encoder, self.kind, &self.pixels(part, size)?)?;
            Ok(rows.narrow(0, 0, part.len() as i64))
        });
        let rows = Tensor::cat(&encoded.collect::<Result<Vec<_>>>()?, 0);
        self.check(&rows, name)?;
        Ok(fetched(&rows, self.device))
    }

    /// Bytes `[count, H, W, 3]`, those behind the pictures 0.
    fn pixels(&self, pictures: &[&[u8]], count: usize) -> Result<Tensor> {
        let side = i64::from(self.intake.size);
        let mut bytes = pictures.concat();
        bytes.resize(count * self.intake.size as usize * self.intake.size as usize * 3, 0);
        Ok(Tensor::f_from_data_size(&bytes, &[count as i64, side, side, 3], Kind::Uint8)?)
    }

    fn check(&self, rows: &Tensor, name: &dyn Fn(usize) -> String) -> Result<()> {
        if not_finite("", rows).is_none() {
            return Ok(());
        }
        let fault = (0..rows.size().first().copied().unwrap_or(0))
            .find_map(|row| not_finite(&name(row as usize), &rows.get(row)))
            .map_or_else(String::new, |fault| fault.to_string());
        bail!("the encoder '{}' gives features that are no numbers ({fault}); check its weights", self.name)
    }
}
