//! Image files to pixels: decoded and stretched to 8-bit RGB, resized as Pillow does, normalised as torchvision does.

mod decode;
mod jpeg;
mod linear;
pub mod raster;
mod reading;
mod resize;

pub use decode::{MAX_BYTES, MAX_SIDE, decode, decode_file, decode_file_as};
pub use linear::resize as resize_linear;
pub use reading::{Reading, is_deep};
pub use resize::{Filter, MEAN, STD, normalize, resize, resize_by, resize_to};

use anyhow::{Context, Result};
use std::path::Path;

/// Decodes a file and resizes it to `size` x `size`: bytes by row, column, then red, green, blue.
pub fn load(path: &Path, size: u32) -> Result<Vec<u8>> {
    load_by(path, size, Filter::Bilinear)
}

/// [`load`] by a filter.
pub fn load_by(path: &Path, size: u32, filter: Filter) -> Result<Vec<u8>> {
    load_as(path, size, filter, &Reading::default())
}

/// [`load_by`] with bands and a stretch of one's own.
pub fn load_as(path: &Path, size: u32, filter: Filter, reading: &Reading) -> Result<Vec<u8>> {
    let picture = decode_file_as(path, reading)?;
    resize_by(&picture, size, size, filter).with_context(|| format!("cannot resize '{}'", path.display()))
}

/// [`load_as`] by OpenCV's linear filter, which is not widened.
pub fn load_linear(path: &Path, size: u32, reading: &Reading) -> Result<Vec<u8>> {
    Ok(linear::resize(&decode_file_as(path, reading)?, size))
}

/// Whether all pixels are of one colour: a picture that shows nothing.
pub fn is_constant(pixels: &[u8]) -> bool {
    let (pixels, _) = pixels.as_chunks::<3>();
    pixels.windows(2).all(|pair| matches!(pair, [a, b] if a == b))
}
