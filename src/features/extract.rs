//! Running an encoder over images: decoding on other threads, ahead of the encoder.

use super::Images;
use crate::data::image::{is_constant, load_as};
use crate::data::loader::{Loader, LoaderOptions};
use crate::models::FeatureKind;
use crate::models::encoders::Encoder;
use crate::runtime::guard::halving_images;
use anyhow::{Result, anyhow};
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

/// Most images that go through the encoder at a time on a GPU.
const GPU_BATCH: usize = 32;
/// Least images that are decoded ahead.
pub(super) const AHEAD: usize = 16;

/// Images that go through the encoder at a time, where `images` are asked for in all. The last batch is padded to it,
/// so that a row does not depend on where an extraction was interrupted.
pub(super) fn batch_size(encoder: &Encoder, images: usize) -> usize {
    let most = if encoder.device().is_cuda() { GPU_BATCH } else { encoder.spec().cpu_batch() };
    images.min(most).next_power_of_two().min(most)
}

/// Features, on the host, of bytes `[B, H, W, 3]`; of fewer at a time where memory runs out.
pub(super) fn encode(encoder: &Encoder, kind: FeatureKind, pixels: &Tensor) -> Result<Tensor> {
    let features = |pixels: &Tensor| {
        let images = encoder.spec().preprocessing.apply(&pixels.to_device(encoder.device()));
        match kind {
            FeatureKind::Grid => encoder.forward(&images),
            FeatureKind::Pooled => encoder.pooled(&images),
        }
    };
    let on_host = |features: Tensor| features.to_device(Device::Cpu).to_kind(tch::Kind::Float).contiguous();
    let parts = halving_images(std::slice::from_ref(pixels), &mut |pixels| {
        Ok(pixels.iter().map(|pixels| on_host(tch::no_grad(|| features(pixels)))).collect())
    })?;
    Ok(Tensor::cat(&parts, 0))
}

/// Rows of one batch.
pub(super) struct Encoded {
    /// Shape of a row.
    pub shape: Vec<i64>,
    /// Place in the list of images, and the row as little-endian f32.
    pub rows: Vec<(usize, Vec<u8>)>,
    /// Place in the list of images and why it could not be read.
    pub failed: Vec<(usize, String)>,
}

/// Changes the decoded pixels of the images at some places before they are encoded.
pub(super) type Change<'a> = dyn Fn(&[usize], &mut Vec<u8>) + 'a;

/// Encodes the images at `places` of the list, in this order, and hands over batch after batch.
pub(super) fn run(
    encoder: &Encoder,
    kind: FeatureKind,
    image_size: u32,
    images: Images,
    places: &[usize],
    change: &Change,
    mut sink: impl FnMut(Encoded) -> Result<()>,
) -> Result<()> {
    let paths: Vec<PathBuf> = places.iter().filter_map(|&place| images.paths.get(place).cloned()).collect();
    let size = batch_size(encoder, images.paths.len());
    let (filter, reading) = (encoder.spec().preprocessing.filter, images.reading.clone());
    let load = move |at: usize| {
        let path = paths.get(at).ok_or_else(|| anyhow!("there is no image number {at}"))?;
        load_as(path, image_size, filter, &reading).inspect(|pixels| warn_if_constant(path, pixels))
    };
    let loader = Loader::with(places.len(), LoaderOptions::new(image_size, size.max(AHEAD)), load);
    let mut batch = Batch::default();
    for (&place, decoded) in places.iter().zip(loader) {
        match decoded {
            Ok(pixels) => {
                batch.places.push(place);
                batch.pixels.extend(pixels);
            }
            Err(error) => batch.failed.push((place, format!("{error:#}"))),
        }
        if batch.places.len() == size {
            sink(std::mem::take(&mut batch).encode(encoder, kind, image_size, size, change)?)?;
        }
    }
    sink(batch.encode(encoder, kind, image_size, size, change)?)
}

/// A picture that shows nothing is captioned as any other: say which.
pub(super) fn warn_if_constant(path: &Path, pixels: &[u8]) {
    if is_constant(pixels) {
        tracing::warn!(
            "the image '{}' shows nothing: every pixel has the same colour; see --bands and --stretch",
            path.display()
        );
    }
}

/// Decoded images on their way to the encoder.
#[derive(Default)]
struct Batch {
    places: Vec<usize>,
    /// One image after the other: bytes by row, column, then red, green, blue.
    pixels: Vec<u8>,
    failed: Vec<(usize, String)>,
}

impl Batch {
    fn encode(
        mut self,
        encoder: &Encoder,
        kind: FeatureKind,
        image_size: u32,
        size: usize,
        change: &Change,
    ) -> Result<Encoded> {
        if self.places.is_empty() {
            return Ok(Encoded { shape: Vec::new(), rows: Vec::new(), failed: self.failed });
        }
        change(&self.places, &mut self.pixels);
        let side = i64::from(image_size);
        self.pixels.resize(size * image_size as usize * image_size as usize * 3, 0);
        let pixels = Tensor::f_from_data_size(&self.pixels, &[size as i64, side, side, 3], tch::Kind::Uint8)?;
        let features = encode(encoder, kind, &pixels)?;
        let shape: Vec<i64> = features.size().into_iter().skip(1).collect();
        let length = shape.iter().product::<i64>() as usize;
        let mut rows = Vec::with_capacity(self.places.len());
        for (index, place) in (0..).zip(self.places) {
            let mut values = vec![0f32; length];
            features.get(index).f_copy_data(&mut values, length)?;
            rows.push((place, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
        }
        Ok(Encoded { shape, rows, failed: self.failed })
    }
}
