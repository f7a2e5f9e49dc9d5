//! From a picture of any kind to 8-bit colours.

use super::raster::{Limits, Raster, SampleKind, Scale, Stretch, to_rgb8};
use ::image::RgbImage;
use anyhow::{Result, bail};
use std::sync::Once;

/// Which bands of a picture are shown, and how they become 8 bits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Red, green and blue, or one band as gray, counted from 1; empty: the first three, or the first.
    pub bands: Vec<usize>,
    pub stretch: Stretch,
}

impl Reading {
    /// Whether nothing is said of bands and stretch.
    pub fn is_default(&self) -> bool {
        self.bands.is_empty() && self.stretch == Stretch::Auto
    }

    /// The bands of a picture that are shown, counted from 0.
    pub fn bands_of(&self, raster: &Raster) -> Result<Vec<usize>> {
        match self.bands.as_slice() {
            [] => Ok(raster.colour_bands()),
            [_] | [_, _, _] => match self.bands.iter().find(|band| !(1..=raster.bands).contains(band)) {
                Some(band) => bail!("has {} bands: no band {band}", raster.bands),
                None => Ok(self.bands.iter().map(|band| band - 1).collect()),
            },
            other => bail!("is to be shown by {} bands; give one or three", other.len()),
        }
    }

    /// The whole of a picture. Of 8 bits and fewer transparency is dropped, as Pillow's `convert("RGB")` does;
    /// elsewhere what is not valid is black.
    pub fn show(&self, raster: &Raster) -> Result<RgbImage> {
        let bands = self.bands_of(raster)?;
        let scale = self.stretch.scale(raster, &bands)?;
        self.tell(raster, &bands, &scale);
        let mut window = raster.read_window(0, 0, raster.width, raster.height, &bands)?;
        if raster.kind.bits() <= 8 {
            window.valid.fill(true);
        }
        to_rgb8(&window, &scale)
    }

    /// Tells once what becomes of the first picture of more than 8 bits.
    fn tell(&self, raster: &Raster, bands: &[usize], scale: &Scale) {
        static TOLD: Once = Once::new();
        if raster.kind.bits() <= 8 {
            return;
        }
        TOLD.call_once(|| {
            let ranges =
                bands.iter().zip(&scale.0).map(|(band, (low, high))| format!("band {} {low}-{high}", band + 1));
            tracing::info!(
                "images of more than 8 bits ({}) are stretched, the first from {} (stretch {}; see --stretch)",
                raster.kind.name(),
                ranges.collect::<Vec<_>>().join(", "),
                self.stretch
            );
        });
    }

    /// What tells these pixels apart from those of [`Reading::default`]; empty for that.
    pub fn key(&self) -> String {
        match self.is_default() {
            true => String::new(),
            false => format!(" bands {:?} stretch {}", self.bands, self.stretch),
        }
    }
}

/// Whether a file's samples have more than 8 bits, so that a stretch decides on its pixels.
pub fn is_deep(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\x89PNG") {
        return bytes.get(24) == Some(&16);
    }
    // A header says it; the pixels behind it are not looked at.
    super::raster::is_tiff(bytes)
        && Raster::of_bytes(bytes.to_vec(), Limits::default())
            .is_ok_and(|raster| raster.kind != SampleKind::Unsigned(8))
}
