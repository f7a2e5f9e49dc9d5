//! Running an encoder over images: decoding on other threads, ahead of the encoder.

use super::Kind;
use super::pixels;
use super::store::ImageHash;
use crate::models::encoders::{Encoder, layers};
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use tch::{Device, Tensor};

/// Images that go through the encoder at a time. Always this many, the last batch padded: a row must not depend on
/// how many images came with it.
const BATCH: usize = 16;

/// Rows of one batch.
pub(super) struct Encoded {
    /// Shape of a row.
    pub shape: Vec<i64>,
    /// Place in the list of images, SHA-256 of the file that was decoded, row as little-endian f32.
    pub rows: Vec<(usize, ImageHash, Vec<u8>)>,
    /// Place in the list of images and why it could not be read.
    pub failed: Vec<(usize, String)>,
}

/// Encodes the images at `places`, in this order, and hands over batch after batch.
pub(super) fn run(
    encoder: &Encoder,
    kind: Kind,
    image_size: u32,
    images: &[impl AsRef<Path> + Sync],
    places: &[usize],
    mut sink: impl FnMut(Encoded) -> Result<()>,
) -> Result<()> {
    let preprocessing = encoder.spec().preprocessing;
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(2 * BATCH);
        scope.spawn(move || {
            for &place in places {
                let decoded = images.get(place).context("no such image").and_then(|image| {
                    let bytes = pixels::read(image.as_ref())?;
                    Ok((pixels::hash(&bytes), pixels::decode(&bytes, image_size, preprocessing)?))
                });
                // The receiver is gone where encoding has failed: nothing is left to do.
                if sender.send((place, decoded)).is_err() {
                    return;
                }
            }
        });
        let mut batch = Vec::with_capacity(BATCH);
        let mut failed = Vec::new();
        for (place, decoded) in receiver {
            match decoded {
                Ok((hash, pixels)) => batch.push((place, hash, pixels)),
                Err(error) => failed.push((place, format!("{error:#}"))),
            }
            if batch.len() == BATCH {
                sink(encode(encoder, kind, image_size, std::mem::take(&mut batch), std::mem::take(&mut failed))?)?;
            }
        }
        if !batch.is_empty() || !failed.is_empty() {
            sink(encode(encoder, kind, image_size, batch, failed)?)?;
        }
        Ok(())
    })
}

fn encode(
    encoder: &Encoder,
    kind: Kind,
    image_size: u32,
    batch: Vec<(usize, ImageHash, Vec<f32>)>,
    failed: Vec<(usize, String)>,
) -> Result<Encoded> {
    if batch.is_empty() {
        return Ok(Encoded { shape: Vec::new(), rows: Vec::new(), failed });
    }
    let mut pixels: Vec<f32> = Vec::with_capacity(BATCH * batch[0].2.len());
    for index in 0..BATCH {
        pixels.extend(&batch[index.min(batch.len() - 1)].2);
    }
    let side = i64::from(image_size);
    let images = Tensor::from_slice(&pixels).view([BATCH as i64, 3, side, side]);
    let grid = encoder.forward(&images);
    let features = match kind {
        Kind::Grid => grid,
        Kind::Pooled => tch::no_grad(|| layers::pool(&grid)),
    };
    let features = features.to_device(Device::Cpu).to_kind(tch::Kind::Float).contiguous();
    let shape = features.size()[1..].to_vec();
    let length = shape.iter().product::<i64>() as usize;
    let mut rows = Vec::with_capacity(batch.len());
    for (index, (place, hash, _)) in (0i64..).zip(batch) {
        let mut values = vec![0f32; length];
        features.get(index).f_copy_data(&mut values, length)?;
        rows.push((place, hash, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    }
    Ok(Encoded { shape, rows, failed })
}
