//! Random crops and flips of training images.

use crate::config::Checks;
use crate::data::image;
use crate::util::rng::Rng;
use ::image::{RgbImage, imageops};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a training image is varied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CropConfig {
    /// Least and largest part of the image's area that a crop takes.
    pub scale: [f64; 2],
    /// Least and largest width over height of a crop.
    pub ratio: [f64; 2],
    /// Chance of a left-right flip.
    pub flip: f64,
    /// Chance of an upside-down flip: a picture from above has no up.
    pub vertical_flip: f64,
}

impl Default for CropConfig {
    /// torchvision's `RandomResizedCrop` and `RandomHorizontalFlip`.
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], flip: 0.5, vertical_flip: 0.0 }
    }
}

/// A part of an image, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl CropConfig {
    pub(super) fn check(&self, checks: &mut Checks) {
        for (path, [low, high], limit) in [("augment.scale", self.scale, 1.0), ("augment.ratio", self.ratio, 100.0)] {
            checks.require(low > 0.0 && low <= high && high <= limit, path, || {
                format!("out of range (expected two rising numbers above 0, {limit} at most, found [{low}, {high}])")
            });
        }
        checks.unit("augment.flip", self.flip);
        checks.unit("augment.vertical_flip", self.vertical_flip);
    }

    /// A crop of an image of `width` x `height`: its area uniform in `scale`, its shape log-uniform in `ratio`, its
    /// place uniform. Where ten draws do not fit, the largest centred crop with an allowed shape (torchvision's rule).
    pub fn crop(&self, width: u32, height: u32, rng: &mut Rng) -> Crop {
        let area = f64::from(width) * f64::from(height);
        let between = |[low, high]: [f64; 2], rng: &mut Rng| low + (high - low) * rng.unit();
        for _ in 0..10 {
            let target = area * between(self.scale, rng);
            let ratio = between(self.ratio.map(f64::ln), rng).exp();
            let (w, h) = ((target * ratio).sqrt().round() as u32, (target / ratio).sqrt().round() as u32);
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let (left, top) = (rng.below((width - w + 1) as usize), rng.below((height - h + 1) as usize));
                return Crop { left: left as u32, top: top as u32, width: w, height: h };
            }
        }
        let shape = f64::from(width) / f64::from(height.max(1));
        let [low, high] = self.ratio;
        let (w, h) = if shape < low {
            (width, (f64::from(width) / low).round() as u32)
        } else if shape > high {
            ((f64::from(height) * high).round() as u32, height)
        } else {
            (width, height)
        };
        let (w, h) = (w.clamp(1, width.max(1)), h.clamp(1, height.max(1)));
        Crop { left: (width.saturating_sub(w)) / 2, top: (height.saturating_sub(h)) / 2, width: w, height: h }
    }

    /// A varied image of `size` x `size`: bytes by row, column, then red, green, blue. All chance comes from `rng`.
    pub fn apply(&self, picture: &RgbImage, size: u32, rng: &mut Rng) -> Result<Vec<u8>> {
        let Crop { left, top, width, height } = self.crop(picture.width(), picture.height(), rng);
        let part = imageops::crop_imm(picture, left, top, width, height).to_image();
        let pixels = image::resize(&part, size)?;
        let (flip, vertical) = (rng.chance(self.flip), rng.chance(self.vertical_flip));
        let mut part = RgbImage::from_raw(size, size, pixels).context("the resized image has another size")?;
        if flip {
            imageops::flip_horizontal_in_place(&mut part);
        }
        if vertical {
            imageops::flip_vertical_in_place(&mut part);
        }
        Ok(part.into_raw())
    }

    /// [`CropConfig::apply`] on a file.
    pub(super) fn load(&self, path: &Path, size: u32, rng: &mut Rng) -> Result<Vec<u8>> {
        let picture = image::decode_file(path)?;
        self.apply(&picture, size, rng).with_context(|| format!("cannot resize '{}'", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_stay_inside_and_keep_to_scale_and_ratio() {
        let config = CropConfig::default();
        let mut rng = Rng::new(&[5]);
        let mut areas = Vec::new();
        for _ in 0..2000 {
            let Crop { left, top, width, height } = config.crop(256, 200, &mut rng);
            assert!(left + width <= 256 && top + height <= 200 && width > 0 && height > 0);
            let ratio = f64::from(width) / f64::from(height);
            assert!((0.72..1.4).contains(&ratio), "{ratio}");
            areas.push(f64::from(width) * f64::from(height) / (256.0 * 200.0));
        }
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        assert!(areas.iter().all(|area| (0.075..1.0).contains(area)) && (0.4..0.6).contains(&mean), "{mean}");
    }

    #[test]
    fn an_image_of_an_impossible_shape_is_cropped_in_its_middle() {
        let config = CropConfig { scale: [1.0, 1.0], ..CropConfig::default() };
        let crop = config.crop(1000, 10, &mut Rng::new(&[1]));
        assert_eq!(crop, Crop { left: 493, top: 0, width: 13, height: 10 });
        assert_eq!(config.crop(1, 1, &mut Rng::new(&[1])).width, 1);
    }

    #[test]
    fn equal_seeds_give_equal_pixels_and_flips_mirror() {
        let picture = RgbImage::from_fn(8, 8, |x, y| ::image::Rgb([x as u8 * 30, y as u8 * 30, 0]));
        let whole = |flip, vertical_flip| CropConfig { scale: [1.0, 1.0], ratio: [1.0, 1.0], flip, vertical_flip };
        let pixels = |config: CropConfig| config.apply(&picture, 8, &mut Rng::new(&[2])).unwrap();
        assert_eq!(&pixels(whole(0.0, 0.0)), picture.as_raw());
        assert_eq!(pixels(whole(1.0, 0.0))[..3], [210, 0, 0]);
        assert_eq!(pixels(whole(0.0, 1.0))[..3], [0, 210, 0]);
        assert_eq!(pixels(CropConfig::default()), pixels(CropConfig::default()));
    }
}
