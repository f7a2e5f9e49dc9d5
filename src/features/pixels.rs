//! Stand-in for `data::image` until it lands.
use super::store::ImageHash;
use crate::models::encoders::Preprocessing;
use anyhow::{Context, Result, bail};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};
use sha2::{Digest, Sha256};
use std::path::Path;

pub(super) const VERSION: &str = "bilinear-0";

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read '{}'", path.display()))?;
    if bytes.is_empty() {
        bail!("'{}' is an empty file", path.display());
    }
    Ok(bytes)
}

pub(super) fn hash(bytes: &[u8]) -> ImageHash {
    Sha256::digest(bytes).into()
}

pub(super) fn decode(bytes: &[u8], size: u32, preprocessing: Preprocessing) -> Result<Vec<f32>> {
    let rgb = image::load_from_memory(bytes).context("not an image")?.into_rgb8();
    let (width, height) = rgb.dimensions();
    let source = Image::from_vec_u8(width, height, rgb.into_raw(), PixelType::U8x3)?;
    let mut target = Image::new(size, size, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options)?;
    let area = (size * size) as usize;
    let mut chw = vec![0f32; 3 * area];
    for (i, pixel) in target.buffer().chunks_exact(3).enumerate() {
        for (c, &value) in pixel.iter().enumerate() {
            chw[c * area + i] = (f32::from(value) / 255.0 - preprocessing.mean[c]) / preprocessing.std[c];
        }
    }
    Ok(chw)
}
