//! Image files through the encoders one group after the other, in flat memory.

use super::extract::{AHEAD, warn_if_constant};
use super::{Images, Intake, LiveEncoder};
use crate::data::image::decode_file_as;
use crate::data::loader::{Loader, LoaderOptions};
use crate::models::FeatureKind;
use crate::models::encoders::EncoderConfig;
use anyhow::{Context, Result, anyhow};
use tch::{Device, Tensor};

/// What becomes of an image: its features by each encoder, `[1, C]` or `[1, C, H, W]`, or why it cannot be read.
pub type Sink<'a> = dyn FnMut(usize, Result<Vec<Tensor>>) -> Result<()> + 'a;

/// An image's place in the list, and what each encoder takes of it.
type Waiting = (usize, Vec<Vec<u8>>);

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
    let count = images.paths.len();
    let encoders = configs.iter().map(|config| LiveEncoder::new(config, kind, device, count));
    let encoders: Vec<LiveEncoder> = encoders.collect::<Result<_>>()?;
    let group = encoders.iter().map(LiveEncoder::batch).max().unwrap_or(1);
    let intakes = encoders.iter().map(LiveEncoder::intake).collect();
    let loader = Loader::with(count, LoaderOptions::new(0, group.max(AHEAD)), loading(images, intakes));
    let mut waiting: Vec<Waiting> = Vec::with_capacity(group);
    for (place, decoded) in loader.enumerate() {
        match decoded {
            Ok(pixels) => waiting.push((place, pixels)),
            Err(error) => sink(place, Err(error))?,
        }
        if waiting.len() == group {
            encode(&encoders, images, &std::mem::take(&mut waiting), sink)?;
        }
    }
    encode(&encoders, images, &waiting, sink)
}

/// Makes of an image what each encoder takes.
fn loading(images: Images, intakes: Vec<Intake>) -> impl Fn(usize) -> Result<Vec<Vec<u8>>> + Send + Sync + use<> {
    let (paths, reading) = (images.paths.to_vec(), images.reading.clone());
    move |at| {
        let path = paths.get(at).ok_or_else(|| anyhow!("there is no image number {at}"))?;
        let picture = decode_file_as(path, &reading)?;
        warn_if_constant(path, picture.as_raw());
        let pixels = intakes.iter().map(|intake| intake.pixels(&picture));
        pixels.collect::<Result<_>>().with_context(|| format!("cannot resize '{}'", path.display()))
    }
}

fn encode(encoders: &[LiveEncoder], images: Images, waiting: &[Waiting], sink: &mut Sink) -> Result<()> {
    if waiting.is_empty() {
        return Ok(());
    }
    let name = |row: usize| {
        let path = waiting.get(row).and_then(|(place, _)| images.paths.get(*place));
        path.map_or_else(String::new, |path| path.display().to_string())
    };
    let features = encoders.iter().enumerate().map(|(number, encoder)| {
        let pixels: Vec<&[u8]> = waiting.iter().filter_map(|(_, own)| own.get(number).map(Vec::as_slice)).collect();
        encoder.encode(&pixels, &name)
    });
    let features: Vec<Tensor> = features.collect::<Result<_>>()?;
    for (row, (place, _)) in (0..).zip(waiting) {
        sink(*place, Ok(features.iter().map(|features| features.narrow(0, row, 1)).collect()))?;
    }
    Ok(())
}
