//! The pixels of a scene, window by window.

use crate::data::image::raster::{Limits, Raster, Scale, Stretch, to_rgb8};
use crate::geo::GeoTags;
use crate::geo::tiles::Tile;
use anyhow::{Result, anyhow, bail};
use image::RgbImage;
use std::path::Path;

/// An open scene, to be read from any thread.
pub(super) struct Source {
    raster: Raster,
    /// Shown as red, green and blue, or one as gray; counted from 0.
    bands: Vec<usize>,
    scale: Scale,
}

impl Source {
    /// `bands`, counted from 1: those to show; the first three, or the first, where there are none.
    pub(super) fn open(path: &Path, bands: &[usize], stretch: Stretch) -> Result<Self> {
        let raster = Raster::open(path, Limits::default())?;
        let chosen = match bands {
            [] => raster.colour_bands(),
            [_] | [_, _, _] => bands.iter().map(|band| band.wrapping_sub(1)).collect(),
            _ => bail!("--bands takes one band or three, counted from 1, as 4,3,2"),
        };
        if chosen.iter().any(|band| *band >= raster.bands) {
            bail!("the image '{}' has {} bands; correct --bands", path.display(), raster.bands);
        }
        let scale =
            stretch.scale(&raster, &chosen).map_err(|error| anyhow!("the image '{}' {error:#}", path.display()))?;
        if raster.kind.bits() > 8 {
            let ranges: Vec<String> = scale.0.iter().map(|(low, high)| format!("{low}-{high}")).collect();
            tracing::info!("'{}', {}: shown from {}", path.display(), raster.kind.name(), ranges.join(", "));
        }
        Ok(Self { raster, bands: chosen, scale })
    }

    /// Width and height, pixels.
    pub(super) fn size(&self) -> [u32; 2] {
        [self.raster.width, self.raster.height]
    }

    pub(super) fn tags(&self) -> GeoTags {
        let tags = &self.raster.georeference;
        GeoTags {
            pixel_scale: tags.pixel_scale.clone(),
            tie_points: tags.tie_points.clone(),
            transformation: tags.transformation.clone(),
            keys: tags.keys.clone(),
        }
    }

    /// How samples become colours: bands, counted from 1, and the values that become black and white.
    pub(super) fn shown(&self) -> serde_json::Value {
        let bands: Vec<usize> = self.bands.iter().map(|band| band + 1).collect();
        serde_json::json!({"bands": bands, "scale": self.scale})
    }

    /// The picture of a tile and the share of its pixels that are no nodata.
    pub(super) fn read(&self, tile: &Tile) -> Result<(RgbImage, f64)> {
        let window = self.raster.read_window(tile.x, tile.y, tile.width, tile.height, &self.bands)?;
        Ok((to_rgb8(&window, &self.scale)?, window.valid_share()))
    }
}
