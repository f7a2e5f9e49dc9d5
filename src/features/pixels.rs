//! Pixels in place of features, for encoders that are trained.

use crate::data::image;
use anyhow::{Result, anyhow};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::OnceLock;
use tch::{Device, Tensor};

/// Decoded pictures are kept up to so many bytes in all; beyond, each use decodes anew.
const KEPT: usize = 2 << 30;

/// The pixels of a list of images, decoded when they are first asked for.
#[derive(Debug)]
pub(super) struct Pixels {
    paths: Vec<PathBuf>,
    size: u32,
    /// Empty where all would take too much memory.
    kept: Vec<OnceLock<Vec<u8>>>,
}

impl Pixels {
    /// Of images resized to `size` x `size`.
    pub(super) fn new(paths: Vec<PathBuf>, size: u32) -> Self {
        let bytes = paths.len() * 3 * size as usize * size as usize;
        let kept = if bytes <= KEPT { paths.iter().map(|_| OnceLock::new()).collect() } else { Vec::new() };
        Self { paths, size, kept }
    }

    /// Bytes `[B, H, W, 3]` of some images, decoded on all cores.
    pub(super) fn rows(&self, images: &[usize], device: Device) -> Result<Tensor> {
        let rows: Vec<Vec<u8>> = images.par_iter().map(|&image| self.row(image)).collect::<Result<_>>()?;
        let side = i64::from(self.size);
        Ok(Tensor::f_from_data_size(&rows.concat(), &[images.len() as i64, side, side, 3], tch::Kind::Uint8)?
            .to_device(device))
    }

    /// Decodes an image and keeps it where there is room: tells whether it can be read.
    pub(super) fn check(&self, image: usize) -> Result<()> {
        self.row(image).map(|_| ())
    }

    fn row(&self, image: usize) -> Result<Vec<u8>> {
        let path = self.paths.get(image).ok_or_else(|| anyhow!("there is no image number {image}"))?;
        match self.kept.get(image) {
            Some(kept) => match kept.get() {
                Some(pixels) => Ok(pixels.clone()),
                None => {
                    let pixels = image::load(path, self.size)?;
                    Ok(kept.get_or_init(|| pixels).clone())
                }
            },
            None => image::load(path, self.size),
        }
    }
}
