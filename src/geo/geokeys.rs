//! The GeoKeys of a GeoTIFF (OGC 19-008r4): which coordinate reference system, and what a pixel's coordinates mean.

use anyhow::{Result, bail};

const MODEL_TYPE: u16 = 1024;
const RASTER_TYPE: u16 = 1025;
const GEODETIC_CRS: u16 = 2048;
const PROJECTED_CRS: u16 = 3072;
/// The code of what the file defines itself.
const USER_DEFINED: u16 = 32767;

/// What the directory says of itself, the coordinates and the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GeoKeys {
    /// `None` where the file defines a system of its own, or none.
    pub epsg: Option<u16>,
    /// Whether there is a system that has no EPSG code.
    pub user_defined: bool,
    /// Whether the tie point's raster coordinates are those of a pixel's centre.
    pub pixel_is_point: bool,
}

impl GeoKeys {
    /// Reads the directory: a header of four numbers, then four a key: id, place of the value, count, value.
    ///
    /// Errors: a directory that is shorter than it says.
    pub fn read(directory: &[u16]) -> Result<Self> {
        if directory.is_empty() {
            return Ok(Self::default());
        }
        let [_, _, _, count, rest @ ..] = directory else { bail!("its GeoKeys are cut off") };
        let (entries, _) = rest.as_chunks::<4>();
        let Some(entries) = entries.get(..usize::from(*count)) else { bail!("its GeoKeys are cut off") };
        // A value in the directory itself has place 0; codes always have.
        let value = |key: u16| entries.iter().find(|[id, place, ..]| (*id, *place) == (key, 0)).map(|entry| entry[3]);
        let code = match value(MODEL_TYPE) {
            Some(2) => value(GEODETIC_CRS),
            _ => value(PROJECTED_CRS).or(value(GEODETIC_CRS)),
        };
        let code = code.filter(|&code| code != 0);
        Ok(Self {
            epsg: code.filter(|&code| code != USER_DEFINED),
            user_defined: code == Some(USER_DEFINED),
            pixel_is_point: value(RASTER_TYPE) == Some(2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_the_projected_or_the_geodetic_system() {
        let utm = [1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 2048, 0, 1, 4326, 3072, 0, 1, 32632];
        let found = GeoKeys::read(&utm).unwrap();
        assert_eq!(found, GeoKeys { epsg: Some(32632), user_defined: false, pixel_is_point: false });
        let geodetic = [1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 2, 2048, 0, 1, 4326];
        let found = GeoKeys::read(&geodetic).unwrap();
        assert_eq!(found, GeoKeys { epsg: Some(4326), user_defined: false, pixel_is_point: true });
        let own = GeoKeys::read(&[1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32767]).unwrap();
        assert_eq!((own.epsg, own.user_defined), (None, true));
        assert_eq!(GeoKeys::read(&[]).unwrap(), GeoKeys::default());
        assert!(GeoKeys::read(&[1, 1, 0, 9, 1024, 0, 1, 2]).is_err());
    }
}
