//! Where the pixels of a scene lie on the earth, which tiles a scene is cut into, and files of captions that know it.
//!
//! Pixel coordinates run right and down from the outer corner of the first pixel, as GDAL's do.

pub mod affine;
pub mod area;
pub mod crs;
pub mod geokeys;
pub mod georeference;
pub mod layer;
pub mod tiles;

pub use affine::Affine;
pub use crs::Crs;
pub use georeference::Georeference;

/// The tags of a GeoTIFF as they stand in the file.
pub use crate::data::image::raster::Georeference as GeoTags;
