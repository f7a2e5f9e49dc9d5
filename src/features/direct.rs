//! Features that are kept nowhere: image files through the encoders one group after the other, in flat memory.

use super::extract::{AHEAD, Batch, batch_size, warn_if_constant};
use super::{Images, checked_size, fault_of};
use crate::data::image::{Filter, decode_file_as, resize_by};
use crate::data::loader::{Loader, LoaderOptions};
use crate::models::FeatureKind;
use crate::models::encoders::{self, Encoder, EncoderConfig};
use crate::runtime::libtorch::fetched;
use anyhow::{Context, Result, anyhow, bail};
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

/// What becomes of an image: its features by each encoder, `[1, C]` or `[1, C, H, W]`, or why it cannot be read.
pub type Sink<'a> = dyn FnMut(usize, Result<Vec<Tensor>>) -> Result<()> + 'a;

/// Gives the features of each image, by its place in the list, to `sink`: decoded ahead on other threads, encoded group
/// by group, kept nowhere. The numbers are those of [`super::FeatureSet`].
///
/// # Errors
/// Encoders that cannot be built, features that are no numbers, and what `sink` returns.
pub fn stream(
    configs: &[EncoderConfig],
    kind: FeatureKind,
    images: Images,
    device: Device,
    sink: &mut Sink,
) -> Result<()> {
    let built = configs.iter().map(|config| {
        checked_size(config)?;
        encoders::build_in(&config.name, &config.weights, device, config.precision)
            .with_context(|| format!("weights of the encoder '{}' (see weights/README.md for downloads)", config.name))
    });
    let encoders: Vec<Encoder> = built.collect::<Result<_>>()?;
    let count = images.paths.len();
    let sizes: Vec<u32> = configs.iter().map(|config| config.image_size).collect();
    let filters = encoders.iter().map(|encoder| encoder.spec().preprocessing.filter);
    let resized: Vec<(u32, Filter)> = sizes.iter().copied().zip(filters).collect();
    let group = encoders.iter().map(|encoder| batch_size(encoder, count)).max().unwrap_or(1);
    let options = LoaderOptions::new(0, group.max(AHEAD));
    let loader = Loader::with(count, options, loading(images, resized));
    let mut waiting =
        Group { configs, encoders: &encoders, kind, device, images, places: Vec::new(), pixels: Vec::new() };
    for (place, decoded) in loader.enumerate() {
        match decoded {
            Ok(pixels) => waiting.add(place, &pixels, &sizes),
            Err(error) => sink(place, Err(error))?,
        }
        if waiting.places.len() == group {
            waiting.encode(count, sink)?;
        }
    }
    waiting.encode(count, sink)
}

/// Makes an image's pixels in each encoder's size, one after the other.
fn loading(images: Images, resized: Vec<(u32, Filter)>) -> impl Fn(usize) -> Result<Vec<u8>> + Send + Sync + use<> {
    let (paths, reading): (Vec<PathBuf>, _) = (images.paths.to_vec(), images.reading.clone());
    move |at| {
        let path = paths.get(at).ok_or_else(|| anyhow!("there is no image number {at}"))?;
        let picture = decode_file_as(path, &reading)?;
        warn_if_constant(path, picture.as_raw());
        let mut pixels = Vec::new();
        for (size, filter) in &resized {
            pixels.extend(
                resize_by(&picture, *size, *size, *filter)
                    .with_context(|| format!("cannot resize '{}'", path.display()))?,
            );
        }
        Ok(pixels)
    }
}

/// Decoded images on their way to the encoders.
struct Group<'a> {
    configs: &'a [EncoderConfig],
    encoders: &'a [Encoder],
    kind: FeatureKind,
    device: Device,
    images: Images<'a>,
    places: Vec<usize>,
    /// For each encoder one image after the other.
    pixels: Vec<Vec<u8>>,
}

impl Group<'_> {
    fn add(&mut self, place: usize, pixels: &[u8], sizes: &[u32]) {
        self.places.push(place);
        self.pixels.resize(sizes.len(), Vec::new());
        let mut rest = pixels;
        for (to, size) in self.pixels.iter_mut().zip(sizes) {
            let (own, others) = rest.split_at(rest.len().min(pixel_bytes(*size)));
            to.extend_from_slice(own);
            rest = others;
        }
    }

    fn encode(&mut self, count: usize, sink: &mut Sink) -> Result<()> {
        let places = std::mem::take(&mut self.places);
        let pixels = std::mem::take(&mut self.pixels);
        let mut rows: Vec<Vec<Tensor>> = places.iter().map(|_| Vec::new()).collect();
        for ((config, encoder), pixels) in self.configs.iter().zip(self.encoders).zip(pixels) {
            let size = batch_size(encoder, count);
            let pixels = pixels.chunks(size * pixel_bytes(config.image_size));
            for ((places, pixels), rows) in places.chunks(size).zip(pixels).zip(rows.chunks_mut(size)) {
                let batch = Batch { places: places.to_vec(), pixels: pixels.to_vec(), failed: Vec::new() };
                let encoded = batch.encode(encoder, self.kind, config.image_size, size, &|_, _| {})?;
                let shape: Vec<i64> = std::iter::once(1).chain(encoded.shape.iter().copied()).collect();
                for ((place, bytes), row) in encoded.rows.iter().zip(rows) {
                    self.check(&config.name, *place, bytes, &encoded.shape)?;
                    row.push(fetched(&Tensor::f_from_data_size(bytes, &shape, Kind::Float)?, self.device));
                }
            }
        }
        places.into_iter().zip(rows).try_for_each(|(place, rows)| sink(place, Ok(rows)))
    }

    fn check(&self, encoder: &str, place: usize, row: &[u8], shape: &[i64]) -> Result<()> {
        let image = self.images.paths.get(place).map_or_else(String::new, |image| image.display().to_string());
        match fault_of(row, shape, &image) {
            Some(fault) => {
                bail!("the encoder '{encoder}' gives features that are no numbers ({fault}); check its weights")
            }
            None => Ok(()),
        }
    }
}

fn pixel_bytes(size: u32) -> usize {
    3 * size as usize * size as usize
}
