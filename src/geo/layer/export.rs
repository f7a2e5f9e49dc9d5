//! Writing a finished layer in the format that a file's ending asks for.

use super::{Store, flatgeobuf, text};
use crate::util::fs::write_atomic_with;
use anyhow::{Result, bail};
use std::path::Path;

/// The formats of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    GeoPackage,
    FlatGeobuf,
    GeoJson,
    /// A feature a line.
    GeoJsonLines,
    Csv,
}

impl Ending {
    /// Errors: an ending that stands for no format of layers.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        Ok(match ending.as_str() {
            "gpkg" => Self::GeoPackage,
            "fgb" => Self::FlatGeobuf,
            "geojson" | "json" => Self::GeoJson,
            "geojsonl" | "geojsonseq" | "jsonl" => Self::GeoJsonLines,
            "csv" => Self::Csv,
            _ => bail!("'{}' must end in .gpkg, .fgb, .geojson, .geojsonl or .csv", path.display()),
        })
    }
}

/// Writes all tiles of a store, in their order, to a file of another format: a GeoPackage it is itself.
pub fn write(store: &Store, path: &Path, ending: Ending) -> Result<()> {
    match ending {
        Ending::GeoPackage => bail!("a GeoPackage is written as it grows"),
        Ending::FlatGeobuf => write_atomic_with(path, |file| flatgeobuf::write(store, file)),
        Ending::GeoJson => write_atomic_with(path, |file| text::geojson(store, file)),
        Ending::GeoJsonLines => write_atomic_with(path, |file| text::geojson_lines(store, file)),
        Ending::Csv => write_atomic_with(path, |file| text::csv(store, file)),
    }
}
