//! The pixels of a scene, window by window.

use crate::data::image::Reading;
use crate::data::image::raster::{Limits, Raster, Scale, to_rgb8};
use crate::geo::GeoTags;
use crate::geo::tiles::Tile;
use anyhow::{Result, anyhow};
use image::RgbImage;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Unpacked chunks that are kept at least, bytes: they may be higher than a tile.
const LEAST_CACHE: u64 = 64 << 20;

/// A scene, to be read from any thread. Its file is open only while tiles of it are asked for: there may be thousands.
pub(super) struct Source {
    path: PathBuf,
    size: [u32; 2],
    tags: GeoTags,
    /// Shown as red, green and blue, or one as gray; counted from 0.
    bands: Vec<usize>,
    scale: Scale,
    /// Of one row of pixels, unpacked.
    row_bytes: u64,
    raster: Mutex<Option<Arc<Raster>>>,
}

impl Source {
    pub(super) fn new(path: &Path, reading: &Reading) -> Result<Self> {
        let raster = Raster::open(path, Limits::default())?;
        let bands = reading.bands_of(&raster);
        let bands = bands.map_err(|error| anyhow!("the image '{}' {error:#}; correct --bands", path.display()))?;
        let scale = reading.stretch.scale(&raster, &bands);
        let scale = scale.map_err(|error| anyhow!("the image '{}' {error:#}", path.display()))?;
        if raster.kind.bits() > 8 {
            let ranges: Vec<String> = scale.0.iter().map(|(low, high)| format!("{low}-{high}")).collect();
            tracing::info!("'{}' ({}) is shown from {}", path.display(), raster.kind.name(), ranges.join(", "));
        }
        let size = [raster.width, raster.height];
        let row_bytes = u64::from(raster.width) * raster.bands as u64 * u64::from(raster.kind.bits().div_ceil(8));
        Ok(Self {
            path: path.to_owned(),
            size,
            tags: raster.georeference,
            bands,
            scale,
            row_bytes,
            raster: Mutex::default(),
        })
    }

    /// Width and height, pixels.
    pub(super) fn size(&self) -> [u32; 2] {
        self.size
    }

    pub(super) fn tags(&self) -> &GeoTags {
        &self.tags
    }

    /// How samples become colours: bands, counted from 1, and the values that become black and white.
    pub(super) fn shown(&self) -> serde_json::Value {
        let bands: Vec<usize> = self.bands.iter().map(|band| band + 1).collect();
        serde_json::json!({"bands": bands, "scale": self.scale})
    }

    /// The picture of a tile and the share of its pixels that are no nodata.
    pub(super) fn read(&self, tile: &Tile) -> Result<(RgbImage, f64)> {
        let window = self.opened(tile)?.read_window(tile.x, tile.y, tile.width, tile.height, &self.bands)?;
        Ok((to_rgb8(&window, &self.scale)?, window.valid_share()))
    }

    /// Unpacked chunks are kept for two rows of tiles: fewer would be unpacked anew for every tile, more would only
    /// take memory.
    fn opened(&self, tile: &Tile) -> Result<Arc<Raster>> {
        let mut raster = self.raster.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(raster) = &*raster {
            return Ok(raster.clone());
        }
        let cache = LEAST_CACHE.max(2 * u64::from(tile.height) * self.row_bytes);
        let opened = Arc::new(Raster::open(&self.path, Limits { cache, ..Limits::default() })?);
        Ok(raster.insert(opened).clone())
    }

    /// Gives back the file and what is kept of it, until the next tile.
    pub(super) fn close(&self) {
        *self.raster.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
