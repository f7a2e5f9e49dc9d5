//! Image files to pixels: decoded to 8-bit RGB, resized as Pillow does, normalised as torchvision does.

mod decode;
mod jpeg;
mod linear;
pub mod raster;
mod resize;
mod tiff;

pub use decode::{MAX_BYTES, MAX_SIDE, decode, decode_file};
pub use resize::{Filter, MEAN, STD, normalize, resize, resize_by, resize_to};

use anyhow::{Context, Result};
use std::path::Path;

/// Decodes a file and resizes it to `size` x `size`: bytes by row, column, then red, green, blue.
pub fn load(path: &Path, size: u32) -> Result<Vec<u8>> {
    load_by(path, size, Filter::Bilinear)
}

/// [`load`] by a filter.
pub fn load_by(path: &Path, size: u32, filter: Filter) -> Result<Vec<u8>> {
    resize_by(&decode_file(path)?, size, size, filter).with_context(|| format!("cannot resize '{}'", path.display()))
}

/// [`load`] by OpenCV's linear filter, which is not widened.
pub fn load_linear(path: &Path, size: u32) -> Result<Vec<u8>> {
    Ok(linear::resize(&decode_file(path)?, size))
}
