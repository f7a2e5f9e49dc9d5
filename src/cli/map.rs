//! Arguments of `rsic map`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct MapArgs {
    /// Scenes: GeoTIFFs, or images with a world file; with --merge the GeoPackages of the parts.
    #[arg(value_name = "SCENE", required = true)]
    pub scenes: Vec<PathBuf>,
    /// Run folder or checkpoint folder.
    #[arg(short, long, value_name = "RUN", required_unless_present = "merge")]
    pub model: Option<PathBuf>,
    /// File to write: .gpkg, .fgb (FlatGeobuf), .geojson, .geojsonl or .csv.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the output file if it exists.
    #[arg(long)]
    pub overwrite: bool,
    /// Override a setting, e.g. decode.beam=3 (repeatable).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Side of a tile in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 256)]
    pub tile: u32,
    /// Pixels that neighbouring tiles share.
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    pub overlap: u32,
    /// Resample the scene so that a pixel of a tile has this side on the ground, in metres (default: as it is).
    #[arg(long, value_name = "METRES")]
    pub resolution: Option<f64>,
    /// Bands shown as red, green and blue, or one as gray, counted from 1, e.g. 4,3,2 (default: as the run was trained;
    /// the first three).
    #[arg(long, value_name = "BANDS", value_delimiter = ',', num_args = 1)]
    pub bands: Vec<usize>,
    /// What becomes black and white: none, percent (2%-98%), LOW%-HIGH% or LOW-HIGH (default: as the run was trained;
    /// none for 8 bits, else percent).
    #[arg(long, value_name = "STRETCH", allow_hyphen_values = true)]
    pub stretch: Option<String>,
    /// Leave out tiles of which more than this share, 0 to 1, is nodata.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub max_nodata: f64,
    /// Only tiles that touch this box, in degrees: WEST,SOUTH,EAST,NORTH.
    #[arg(long, value_name = "W,S,E,N", value_delimiter = ',', num_args = 1, allow_hyphen_values = true)]
    pub bbox: Vec<f64>,
    /// Only tiles that touch the polygons of this GeoJSON file.
    #[arg(long, value_name = "FILE", conflicts_with = "bbox")]
    pub area: Option<PathBuf>,
    /// Coordinate reference system of scenes whose files do not say it, e.g. EPSG:32632.
    #[arg(long, value_name = "EPSG:CODE")]
    pub crs: Option<String>,
    /// Leave out the confidence, which needs the features of the training images when a run is used for the first time.
    #[arg(long)]
    pub no_confidence: bool,
    /// Caption one part of the tiles, e.g. 2/8, into a GeoPackage of its own.
    #[arg(long, value_name = "NUMBER/PARTS")]
    pub shard: Option<String>,
    /// Join the parts that --shard made.
    #[arg(long, conflicts_with_all = ["model", "shard", "bbox", "area", "resolution", "crs"])]
    pub merge: bool,
}
