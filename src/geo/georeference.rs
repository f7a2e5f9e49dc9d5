//! Where a scene lies: from the tags of a GeoTIFF, or from a world file beside the image.

use super::geokeys::GeoKeys;
use super::{Affine, Crs, GeoTags};
use crate::util::fs::read_text;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The place of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Georeference {
    /// From pixels to the coordinates of `crs`; [`Affine::PIXELS`] where the scene has no place.
    pub affine: Affine,
    /// `None` where the file does not say.
    pub crs: Option<Crs>,
}

impl Georeference {
    /// Of the scene in `path` with these tags. `crs`, where it is given, is what the user says and goes before the
    /// file's own.
    ///
    /// Errors: tags or a world file that cannot be used, a coordinate reference system that is not known.
    pub fn of(path: &Path, tags: &GeoTags, crs: Option<&Crs>) -> Result<Self> {
        Self::read(path, tags, crs).with_context(|| format!("cannot place '{}'", path.display()))
    }

    fn read(path: &Path, tags: &GeoTags, given: Option<&Crs>) -> Result<Self> {
        let keys = GeoKeys::read(&tags.keys)?;
        let affine = match of_tags(tags, keys.pixel_is_point)? {
            Some(affine) => Some(affine),
            None => world_file(path)?,
        };
        let Some(affine) = affine else {
            let shown = path.display();
            match tags.tie_points.len() > 6 {
                true => tracing::warn!(
                    "'{shown}' is placed by ground control points alone, which are not used: its tiles are in pixels \
                    (warp it first, with gdalwarp)"
                ),
                false => tracing::warn!("'{shown}' is not georeferenced: its tiles are in pixels"),
            }
            return Ok(Self { affine: Affine::PIXELS, crs: None });
        };
        if affine.inverse().is_none() {
            bail!("its pixels have no area; correct its transformation");
        }
        let crs = match (given, keys.epsg) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(code)) => Some(Crs::from_epsg(code)?),
            (None, None) if keys.user_defined => {
                bail!("its coordinate reference system has no EPSG code; give the nearest one with --crs EPSG:CODE")
            }
            (None, None) => None,
        };
        Ok(Self { affine, crs })
    }

    /// Whether the file says where the scene lies.
    pub fn is_placed(&self) -> bool {
        self.affine != Affine::PIXELS
    }
}

/// The transformation matrix, or the pixel scale with a tie point.
fn of_tags(tags: &GeoTags, pixel_is_point: bool) -> Result<Option<Affine>> {
    let affine = match (&tags.transformation[..], &tags.pixel_scale[..], &tags.tie_points[..]) {
        ([a, b, _, c, d, e, _, f, ..], ..) => Affine([*a, *b, *c, *d, *e, *f]),
        ([], [width, height, ..], [column, row, _, x, y, _, ..]) => {
            Affine([*width, 0.0, x - column * width, 0.0, -height, y + row * height])
        }
        ([], [], _) | ([], _, []) => return Ok(None),
        _ => bail!("its GeoTIFF tags are cut off"),
    };
    Ok(Some(if pixel_is_point { affine.moved(-0.5, -0.5) } else { affine }))
}

/// The world file of an image, `.tfw`, `.tifw` or `.wld` beside `.tif`, has a line a number: x of a column, y of a
/// column, x of a row, y of a row, then the centre of the first pixel.
fn world_file(image: &Path) -> Result<Option<Affine>> {
    let Some(path) = world_names(image).into_iter().find(|path| path.is_file()) else { return Ok(None) };
    let text = read_text(&path)?;
    let numbers: Vec<f64> = text.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [a, d, b, e, x, y] = numbers[..] else {
        bail!("the world file '{}' must hold six numbers", path.display());
    };
    Ok(Some(Affine([a, b, x, d, e, y]).moved(-0.5, -0.5)))
}

fn world_names(image: &Path) -> Vec<PathBuf> {
    let ending = image.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let letters: Vec<char> = ending.chars().collect();
    let short = match letters[..] {
        [first, .., last] => format!("{first}{last}w"),
        _ => String::new(),
    };
    let lower = [short, format!("{ending}w"), "wld".to_owned()];
    lower
        .iter()
        .flat_map(|ending| [ending.clone(), ending.to_uppercase()])
        .map(|end| image.with_extension(end))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::image::raster::{Limits, Raster};

    /// `tests/golden/geo.py` made the scenes, and GDAL said where they lie.
    #[test]
    fn pixels_lie_where_gdal_has_them() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let text = std::fs::read_to_string(golden.join("geo.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let scenes: Vec<(String, [f64; 6], u16)> = serde_json::from_value(json["scenes"].clone()).unwrap();
        for (name, transform, code) in scenes {
            let path = golden.join("geo").join(&name);
            let raster = Raster::open(&path, Limits::default()).unwrap();
            let found = Georeference::of(&path, &raster.georeference, None).unwrap();
            assert_eq!(found.crs.map(|crs| crs.epsg()), Some(code), "{name}");
            let expected = Affine(transform).inverse().unwrap();
            for corner in [[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0], [20_000.0, 20_000.0]] {
                let there = expected.apply(found.affine.apply(corner));
                let apart = (there[0] - corner[0]).abs().max((there[1] - corner[1]).abs());
                assert!(apart < 1e-6, "{name} {corner:?}: {apart:e} pixels");
            }
        }
    }

    const UTM: [u16; 12] = [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632];

    fn affine(tags: &GeoTags) -> Affine {
        Georeference::of(Path::new("scene.tif"), tags, None).unwrap().affine
    }

    #[test]
    fn scale_and_tie_point_equal_a_matrix_and_a_pixel_that_is_a_point_lies_half_a_pixel_further() {
        let scaled = GeoTags {
            pixel_scale: vec![10.0, 20.0, 0.0],
            tie_points: vec![2.0, 3.0, 0.0, 500_020.0, 5_000_000.0, 0.0],
            keys: UTM.to_vec(),
            ..GeoTags::default()
        };
        let matrix = vec![10.0, 0.0, 0.0, 5e5, 0.0, -20.0, 0.0, 5_000_060.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let by_matrix = GeoTags { transformation: matrix, keys: UTM.to_vec(), ..GeoTags::default() };
        assert_eq!(affine(&scaled), Affine([10.0, 0.0, 5e5, 0.0, -20.0, 5_000_060.0]));
        assert_eq!(affine(&by_matrix), affine(&scaled));
        let point = GeoTags { keys: vec![1, 1, 0, 2, 1025, 0, 1, 2, 3072, 0, 1, 32632], ..scaled };
        assert_eq!(affine(&point).apply([0.5, 0.5]), [5e5, 5_000_060.0]);
    }

    #[test]
    fn a_world_file_beside_the_image_places_it() {
        let folder = tempfile::tempdir().unwrap();
        for (image, world) in [("a.tif", "a.tfw"), ("b.jpg", "b.jgw"), ("c.png", "c.pngw"), ("d.TIF", "d.wld")] {
            std::fs::write(folder.path().join(world), "0.5\n0\n0\n-0.5\n100.25\n899.75\n").unwrap();
            let found = Georeference::of(&folder.path().join(image), &GeoTags::default(), None).unwrap();
            assert_eq!(found, Georeference { affine: Affine([0.5, 0.0, 100.0, 0.0, -0.5, 900.0]), crs: None });
        }
        std::fs::write(folder.path().join("e.tfw"), "0.5\nno\n").unwrap();
        let error = Georeference::of(&folder.path().join("e.tif"), &GeoTags::default(), None).unwrap_err();
        assert!(format!("{error:#}").contains("e.tfw' must hold six numbers"), "{error:#}");
    }

    #[test]
    fn what_cannot_be_used_is_said_and_ground_control_points_leave_a_scene_in_pixels() {
        let points = GeoTags { tie_points: vec![0.0; 18], ..GeoTags::default() };
        assert!(!Georeference::of(Path::new("a.tif"), &points, None).unwrap().is_placed());
        let scaled = |keys: &[u16], scale: f64| GeoTags {
            pixel_scale: vec![scale, scale, 0.0],
            tie_points: vec![0.0; 6],
            keys: keys.to_vec(),
            ..GeoTags::default()
        };
        let said = |tags: &GeoTags| {
            let error = Georeference::of(Path::new("a.tif"), tags, None).unwrap_err();
            format!("{error:#}")
        };
        assert!(said(&scaled(&UTM, 0.0)).contains("no area"));
        assert!(said(&scaled(&[1, 1, 0, 1, 3072, 0, 1, 32767], 1.0)).contains("--crs EPSG:CODE"));
        assert!(said(&scaled(&[1, 1, 0, 1, 3072, 0, 1, 9], 1.0)).contains("EPSG:9"));
        let crs = Crs::from_epsg(32633).unwrap();
        let tags = scaled(&[1, 1, 0, 1, 3072, 0, 1, 32767], 1.0);
        assert_eq!(Georeference::of(Path::new("a.tif"), &tags, Some(&crs)).unwrap().crs, Some(crs));
    }
}
