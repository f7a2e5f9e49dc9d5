//! Pixels in place of features, for encoders that are trained.

use super::view::View;
use super::{Images, content};
use crate::data::image::{self, Filter, Reading};
use crate::models::encoders::{EncoderConfig, Resize, spec};
use crate::runtime::libtorch::fetched;
use anyhow::{Result, anyhow};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use tch::{Device, Tensor};

/// Decoded pictures are kept up to so many bytes in all; beyond, each use decodes anew.
const KEPT: usize = 2 << 30;

/// The pixels of a list of images, decoded when they are first asked for.
#[derive(Debug)]
pub(super) struct Pixels {
    paths: Vec<PathBuf>,
    decoder: Decoder,
    /// Empty where all would take too much memory.
    kept: Vec<OnceLock<Vec<u8>>>,
    ahead: Mutex<Ahead>,
}

/// How a picture becomes pixels.
#[derive(Debug, Clone)]
struct Decoder {
    size: u32,
    filter: Filter,
    resize: Resize,
    view: Option<View>,
    reading: Reading,
}

impl Decoder {
    fn decode(&self, path: &Path) -> Result<Vec<u8>> {
        let pixels = match self.resize {
            Resize::Antialias => image::load_as(path, self.size, self.filter, &self.reading)?,
            Resize::Opencv256 => image::load_linear(path, self.size, &self.reading)?,
        };
        match &self.view {
            Some(view) => Ok(view.settings.apply_all(&pixels, self.size, &[view.seed(&content(path)?)])),
            None => Ok(pixels),
        }
    }
}

/// Pictures decoded before they are asked for, where not all are kept.
#[derive(Debug, Default)]
struct Ahead {
    worker: Option<JoinHandle<BTreeMap<usize, Vec<u8>>>>,
    ready: BTreeMap<usize, Vec<u8>>,
}

impl Pixels {
    /// Of images resized as the encoder takes them.
    pub(super) fn new(images: Images, encoder: &EncoderConfig) -> Self {
        let (resize, reading) = (encoder.resize, images.reading.clone());
        let decoder = Decoder { size: encoder.stored_size(), filter: filter(encoder), resize, view: None, reading };
        Self::keeping(images.paths.to_vec(), decoder, KEPT)
    }

    /// Of an augmented view of each image, made at each use: all views of all images would take too much memory.
    pub(super) fn of_view(images: Images, encoder: &EncoderConfig, view: View) -> Self {
        let (size, resize, reading) = (encoder.image_size, Resize::Antialias, images.reading.clone());
        let decoder = Decoder { size, filter: filter(encoder), resize, view: Some(view), reading };
        Self::keeping(images.paths.to_vec(), decoder, 0)
    }

    fn keeping(paths: Vec<PathBuf>, decoder: Decoder, most: usize) -> Self {
        let bytes = paths.len() * 3 * decoder.size as usize * decoder.size as usize;
        let kept = if bytes <= most { paths.iter().map(|_| OnceLock::new()).collect() } else { Vec::new() };
        Self { paths, decoder, kept, ahead: Mutex::default() }
    }

    /// Begins to decode the pictures that [`Self::rows`] will be asked for next, on a thread of its own.
    pub(super) fn prefetch(&self, images: &[usize]) {
        if !self.kept.is_empty() {
            return; // there already
        }
        let decoder = self.decoder.clone();
        let paths: Vec<(usize, PathBuf)> =
            images.iter().filter_map(|&image| Some((image, self.paths.get(image)?.clone()))).collect();
        // One that cannot be read is tried again, and told, when it is asked for.
        let decode = move || {
            let decoded = paths.into_par_iter().filter_map(|(image, path)| Some((image, decoder.decode(&path).ok()?)));
            decoded.collect()
        };
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.ready.clear();
        // Where no thread can be started, nothing is there ahead of its use.
        ahead.worker = std::thread::Builder::new().name("image-prefetch".into()).spawn(decode).ok();
    }

    /// What was decoded ahead of some images.
    fn decoded(&self, images: &[usize]) -> BTreeMap<usize, Vec<u8>> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = ahead.worker.take() {
            ahead.ready = worker.join().unwrap_or_default();
        }
        images.iter().filter_map(|image| ahead.ready.remove_entry(image)).collect()
    }

    /// Bytes `[B, H, W, 3]` of some images, decoded on all cores.
    pub(super) fn rows(&self, images: &[usize], device: Device) -> Result<Tensor> {
        let decoded = self.decoded(images);
        let row = |image: &usize| decoded.get(image).map_or_else(|| self.row(*image), |pixels| Ok(pixels.clone()));
        let rows: Vec<Vec<u8>> = images.par_iter().map(row).collect::<Result<_>>()?;
        let shape = [&[images.len() as i64][..], &self.shape()].concat();
        Ok(fetched(&Tensor::f_from_data_size(&rows.concat(), &shape, tch::Kind::Uint8)?, device))
    }

    /// Of one image: height, width, colours.
    pub(super) fn shape(&self) -> [i64; 3] {
        let side = i64::from(self.decoder.size);
        [side, side, 3]
    }

    /// Decodes an image and keeps it where there is room: tells whether it can be read.
    pub(super) fn check(&self, image: usize) -> Result<()> {
        self.row(image).map(|_| ())
    }

    /// The bytes of one image.
    pub(super) fn row(&self, image: usize) -> Result<Vec<u8>> {
        let path = self.paths.get(image).ok_or_else(|| anyhow!("there is no image number {image}"))?;
        match self.kept.get(image) {
            Some(kept) => match kept.get() {
                Some(pixels) => Ok(pixels.clone()),
                None => {
                    let pixels = self.decoder.decode(path)?;
                    Ok(kept.get_or_init(|| pixels).clone())
                }
            },
            None => self.decoder.decode(path),
        }
    }
}

/// That of the encoder's published preprocessing.
fn filter(encoder: &EncoderConfig) -> Filter {
    spec::find(&encoder.name).map_or_else(|_| Filter::default(), |spec| spec.preprocessing.filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::{Rgb, RgbImage};

    #[test]
    fn pictures_decoded_ahead_are_those_asked_for_and_others_are_decoded_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = |i: usize| folder.path().join(format!("{i}.png"));
        (0..6).for_each(|i| RgbImage::from_pixel(5, 5, Rgb([i as u8; 3])).save(path(i)).unwrap());
        let paths: Vec<PathBuf> = (0..7).map(path).collect();
        let values = |pixels: &Pixels, images: &[usize]| {
            let rows = pixels.rows(images, Device::Cpu)?;
            anyhow::Ok(Vec::<i64>::try_from(rows.select(1, 0).select(1, 0).select(1, 0).to_kind(tch::Kind::Int64))?)
        };
        for most in [0, KEPT] {
            let (filter, resize, reading) = (Filter::Bilinear, Resize::Antialias, Reading::default());
            let decoder = Decoder { size: 5, filter, resize, view: None, reading };
            let pixels = Pixels::keeping(paths.clone(), decoder, most);
            pixels.prefetch(&[3, 1, 6]);
            assert_eq!(values(&pixels, &[3, 1]).unwrap(), [3, 1]);
            pixels.prefetch(&[2]);
            assert_eq!(values(&pixels, &[5, 0]).unwrap(), [5, 0], "another batch comes first");
            assert_eq!(values(&pixels, &[2, 4]).unwrap(), [2, 4]);
            let error = format!("{:#}", values(&pixels, &[6]).unwrap_err());
            assert!(error.contains("6.png' does not exist"), "{error}");
        }
    }
}
