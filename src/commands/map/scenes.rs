//! The scenes of a layer, and the tiles of all of them in one order.

use super::source::Source;
use crate::cli::MapArgs;
use crate::data::image::Reading;
use crate::geo::area::{Area, PixelArea};
use crate::geo::layer::Ring;
use crate::geo::tiles::{Cut, Grid, Tile};
use crate::geo::{Crs, Georeference};
use crate::session::{Preparation, Prepared};
use anyhow::{Context, Result, bail};

/// A scene with its place and its tiles.
pub(super) struct Scene {
    /// As it was given.
    pub(super) name: String,
    source: Source,
    place: Georeference,
    grid: Grid,
    area: Option<PixelArea>,
}

/// The scenes in their order.
pub(super) struct Scenes {
    pub(super) list: Vec<Scene>,
    /// The first scene's; `None` where it has none, and coordinates are pixels.
    pub(super) crs: Option<Crs>,
}

impl Scenes {
    /// `trained`: how the images of the run were read, which counts for what the arguments do not say.
    pub(super) fn open(args: &MapArgs, trained: &Reading) -> Result<Self> {
        let given: Option<Crs> = args.crs.as_deref().map(str::parse).transpose()?;
        if !(0.0..=1.0).contains(&args.max_nodata) {
            bail!("--max-nodata is {}; it must be 0 to 1", args.max_nodata);
        }
        if args.resolution.is_some_and(|metres| !(metres.is_finite() && metres > 0.0)) {
            bail!("--resolution must be above 0");
        }
        let mut reading = trained.clone();
        if let Some(stretch) = &args.stretch {
            reading.stretch = stretch.parse().map_err(anyhow::Error::msg)?;
        }
        if !args.bands.is_empty() {
            reading.bands.clone_from(&args.bands);
        }
        let area = match (&args.bbox[..], &args.area) {
            (&[west, south, east, north], _) => Some(Area::of_box([west, south, east, north])?),
            ([], Some(path)) => Some(Area::read(path)?),
            ([], None) => None,
            _ => bail!("--bbox takes four numbers: WEST,SOUTH,EAST,NORTH"),
        };
        let cut = Cut { size: args.tile, overlap: args.overlap, resolution: args.resolution };
        let mut list = Vec::with_capacity(args.scenes.len());
        for path in &args.scenes {
            let source = Source::new(path, &reading)?;
            let place = Georeference::of(path, source.tags(), given.as_ref())?;
            let name = path.display().to_string();
            if place.crs.is_none() && place.is_placed() {
                bail!("'{name}' does not say its coordinate reference system; give it with --crs EPSG:CODE");
            }
            let of_scene = || format!("cannot cut '{name}' into tiles");
            let grid = Grid::new(source.size(), &place, &cut).with_context(of_scene)?;
            let area = area.as_ref().map(|area| area.in_pixels(&place)).transpose().with_context(of_scene)?;
            list.push(Scene { name, source, place, grid, area });
        }
        let crs = list.first().and_then(|scene| scene.place.crs.clone());
        if let Some(other) = list.iter().find(|scene| scene.place.crs.is_none() != crs.is_none()) {
            bail!("'{}' and the first scene cannot be in one layer: one is georeferenced, the other not", other.name);
        }
        if let (Some(crs), Some(other)) = (&crs, list.iter().find(|scene| scene.place.crs != crs)) {
            tracing::info!("the tiles of '{}' and of the first scene are written in the first's {crs}", other.name);
        }
        Ok(Self { list, crs })
    }

    /// Number of tiles of all scenes.
    pub(super) fn tiles(&self) -> u64 {
        self.list.iter().map(|scene| scene.grid.len()).sum()
    }

    /// The tile at a place in the order of all: number of the scene, tile.
    fn tile(&self, mut index: u64) -> Option<(usize, Tile)> {
        for (number, scene) in self.list.iter().enumerate() {
            match scene.grid.tile(index) {
                Some(tile) => return Some((number, tile)),
                None => index -= scene.grid.len(),
            }
        }
        None
    }

    /// What messages call a tile.
    pub(super) fn name(&self, Loaded { scene, tile, .. }: &Loaded) -> String {
        let scene = self.list.get(*scene).map_or("", |scene| scene.name.as_str());
        format!("the tile at pixel {}, {} of '{scene}'", tile.x, tile.y)
    }

    /// A tile's polygon in the coordinates of the layer.
    pub(super) fn ring(&self, scene: &Scene, tile: &Tile) -> Result<Ring> {
        let mut ring = scene.place.affine.ring(tile.window());
        if let (Some(from), Some(to)) = (&scene.place.crs, &self.crs) {
            for point in &mut ring {
                *point = from.convert(to, *point)?;
            }
        }
        Ok(ring)
    }

    /// What of the scenes the layer depends on.
    pub(super) fn described(&self) -> Vec<serde_json::Value> {
        let of = |scene: &Scene| {
            let crs = scene.place.crs.as_ref().map(Crs::epsg);
            serde_json::json!({
                "source": scene.name, "size": scene.source.size(), "affine": scene.place.affine.0, "crs": crs,
                "shown": scene.source.shown(),
            })
        };
        self.list.iter().map(of).collect()
    }
}

/// What threads do ahead of the model: reading tiles and preparing their pictures.
pub(super) struct Plan {
    pub(super) scenes: Scenes,
    pub(super) preparation: Preparation,
    /// Greatest share of a tile that may be nodata.
    pub(super) max_nodata: f64,
}

/// A tile that is to be captioned.
pub(super) struct Loaded {
    pub(super) scene: usize,
    pub(super) tile: Tile,
    /// Share of its pixels that are no nodata.
    pub(super) valid: f64,
    pub(super) prepared: Prepared,
}

impl Plan {
    /// The tile at a place in the order of all; `None` where it is outside the area of interest or mostly nodata.
    pub(super) fn load(&self, index: u64) -> Result<Option<Loaded>> {
        let (number, tile) = self.scenes.tile(index).context("there is no such tile")?;
        let scene = self.scenes.list.get(number).context("there is no such scene")?;
        if scene.area.as_ref().is_some_and(|area| !area.touches(tile.window())) {
            return Ok(None);
        }
        if let Some(passed) = number.checked_sub(2).and_then(|passed| self.scenes.list.get(passed)) {
            passed.source.close(); // tiles are taken in order
        }
        let Tile { x, y, .. } = tile;
        let at = || format!("cannot read the tile at pixel {x}, {y} of '{}'", scene.name);
        let (picture, valid) = scene.source.read(&tile).with_context(at)?;
        if 1.0 - valid > self.max_nodata {
            return Ok(None);
        }
        let prepared = self.preparation.prepare(&picture).with_context(at)?;
        Ok(Some(Loaded { scene: number, tile, valid, prepared }))
    }
}
