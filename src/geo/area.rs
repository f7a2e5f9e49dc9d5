//! The area of interest: which tiles of a scene touch it.

use super::Georeference;
use crate::util::fs::read_text;
use crate::util::json;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;

/// Points of a straight edge in longitude and latitude that are placed on their own: it is no straight line in a scene.
const POINTS: u32 = 32;

/// Polygons in longitude and latitude, as one list of closed rings: by the even-odd rule holes are rings, too.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    rings: Vec<Vec<[f64; 2]>>,
}

impl Area {
    /// West, south, east, north in degrees.
    pub fn of_box([west, south, east, north]: [f64; 4]) -> Result<Self> {
        if !(west < east && south < north && (-90.0..=90.0).contains(&south) && north <= 90.0) {
            bail!("the box {west},{south},{east},{north} is empty; write WEST,SOUTH,EAST,NORTH in degrees");
        }
        let ring = vec![[west, south], [east, south], [east, north], [west, north], [west, south]];
        Ok(Self { rings: vec![ring] })
    }

    /// The polygons of a GeoJSON file (RFC 7946).
    pub fn read(path: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let value = serde_json::from_str(&read_text(path)?).map_err(json::error);
            let value: Value = value.context("it is not GeoJSON")?;
            let name = value.pointer("/crs/properties/name").and_then(Value::as_str).unwrap_or_default();
            if !["CRS84", "4326"].iter().any(|known| name.ends_with(known)) && !name.is_empty() {
                bail!("it is in {name}; save it in longitude and latitude (EPSG:4326)");
            }
            let mut rings = Vec::new();
            collect(&value, &mut rings).context("it is not GeoJSON")?;
            if rings.is_empty() {
                bail!("it has no polygon");
            }
            Ok(Self { rings })
        };
        read().with_context(|| format!("cannot use the area of interest '{}'", path.display()))
    }

    /// The area in pixels of a scene.
    pub fn in_pixels(&self, place: &Georeference) -> Result<PixelArea> {
        let (Some(crs), Some(to_pixels)) = (&place.crs, place.affine.inverse()) else {
            bail!("an area of interest needs a scene with a coordinate reference system; give --crs EPSG:CODE");
        };
        let pixel = |lonlat: [f64; 2]| Ok(to_pixels.apply(crs.from_lonlat(lonlat)?));
        let ring = |ring: &Vec<[f64; 2]>| dense(ring).map(pixel).collect::<Result<Vec<_>>>();
        let rings: Vec<Vec<[f64; 2]>> = self.rings.iter().map(ring).collect::<Result<_>>()?;
        Ok(PixelArea { rings })
    }
}

/// The points of a ring and those between them.
fn dense(ring: &[[f64; 2]]) -> impl Iterator<Item = [f64; 2]> {
    let between = |pair: &[[f64; 2]]| {
        let [[ax, ay], [bx, by]] = [pair.first(), pair.last()].map(|point| point.copied().unwrap_or_default());
        let at = move |part: u32| f64::from(part) / f64::from(POINTS);
        (0..POINTS).map(move |part| [ax + (bx - ax) * at(part), ay + (by - ay) * at(part)])
    };
    ring.windows(2).flat_map(between).chain(ring.last().copied())
}

/// Gathers the rings of the polygons in a GeoJSON object; `None` where it is none.
fn collect(value: &Value, rings: &mut Vec<Vec<[f64; 2]>>) -> Option<()> {
    let list = |key: &str| value.get(key).and_then(Value::as_array);
    match value.get("type")?.as_str()? {
        "FeatureCollection" => list("features")?.iter().try_for_each(|feature| collect(feature, rings)),
        "GeometryCollection" => list("geometries")?.iter().try_for_each(|geometry| collect(geometry, rings)),
        "Feature" => match value.get("geometry")? {
            Value::Null => Some(()),
            geometry => collect(geometry, rings),
        },
        "Polygon" => polygon(list("coordinates")?, rings),
        "MultiPolygon" => list("coordinates")?.iter().try_for_each(|one| polygon(one.as_array()?, rings)),
        _ => Some(()),
    }
}

fn polygon(coordinates: &[Value], rings: &mut Vec<Vec<[f64; 2]>>) -> Option<()> {
    let point = |point: &Value| Some([point.get(0)?.as_f64()?, point.get(1)?.as_f64()?]);
    for ring in coordinates {
        rings.push(ring.as_array()?.iter().map(point).collect::<Option<_>>()?);
    }
    Some(())
}

/// An [`Area`] in the pixels of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelArea {
    rings: Vec<Vec<[f64; 2]>>,
}

impl PixelArea {
    /// Whether a window (x, y, width, height) and the area have a point in common.
    pub fn touches(&self, [x, y, width, height]: [f64; 4]) -> bool {
        let (right, below) = (x + width, y + height);
        let crosses = |pair: &[[f64; 2]]| match pair {
            [a, b] => segment_meets(*a, *b, [x, y, right, below]),
            _ => false,
        };
        self.rings.iter().any(|ring| ring.windows(2).any(crosses)) || self.holds([x + width / 2.0, y + height / 2.0])
    }

    /// By the even-odd rule.
    fn holds(&self, [x, y]: [f64; 2]) -> bool {
        let passes = |pair: &&[[f64; 2]]| match pair {
            [[ax, ay], [bx, by]] => (*ay > y) != (*by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax),
            _ => false,
        };
        self.rings.iter().flat_map(|ring| ring.windows(2)).filter(passes).count() % 2 == 1
    }
}

/// Whether a segment and a closed rectangle have a point in common (Liang and Barsky 1984).
fn segment_meets([ax, ay]: [f64; 2], [bx, by]: [f64; 2], [left, top, right, below]: [f64; 4]) -> bool {
    let (mut enters, mut leaves) = (0f64, 1f64);
    for (from, along, low, high) in [(ax, bx - ax, left, right), (ay, by - ay, top, below)] {
        if along == 0.0 {
            if from < low || from > high {
                return false;
            }
            continue;
        }
        let (first, second) = ((low - from) / along, (high - from) / along);
        enters = enters.max(first.min(second));
        leaves = leaves.min(first.max(second));
    }
    enters <= leaves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Affine, Crs};

    fn place() -> Georeference {
        Georeference { affine: Affine([0.01, 0.0, 10.0, 0.0, -0.01, 50.0]), crs: Some(Crs::from_epsg(4326).unwrap()) }
    }

    #[test]
    fn a_tile_is_taken_where_it_crosses_lies_within_or_holds_the_area_but_not_in_its_hole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("area.geojson");
        // From pixel 100 to 300 both ways, with a hole from 150 to 250.
        let text = r#"{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry":
            {"type": "Polygon", "coordinates": [[[11, 49], [13, 49], [13, 47], [11, 47], [11, 49]],
            [[11.5, 48.5], [12.5, 48.5], [12.5, 47.5], [11.5, 47.5], [11.5, 48.5]]]}}]}"#;
        std::fs::write(&path, text).unwrap();
        let area = Area::read(&path).unwrap().in_pixels(&place()).unwrap();
        let touched = |x: f64, y: f64, side: f64| area.touches([x, y, side, side]);
        assert!(touched(90.0, 90.0, 20.0) && touched(110.0, 110.0, 20.0) && touched(0.0, 0.0, 500.0));
        assert!(touched(290.0, 200.0, 50.0) && touched(140.0, 190.0, 20.0));
        assert!(!touched(0.0, 0.0, 50.0) && !touched(180.0, 180.0, 40.0) && !touched(310.0, 90.0, 40.0));
    }

    #[test]
    fn a_box_in_degrees_is_placed_in_a_projected_scene() {
        let crs = Crs::from_epsg(32632).unwrap();
        let [x, y] = crs.from_lonlat([9.0, 48.0]).unwrap();
        let scene = Georeference { affine: Affine([10.0, 0.0, x, 0.0, -10.0, y]), crs: Some(crs) };
        let area = Area::of_box([9.0, 47.9, 9.1, 48.0]).unwrap().in_pixels(&scene).unwrap();
        assert!(area.touches([0.0, 0.0, 10.0, 10.0]) && !area.touches([-20.0, 0.0, 10.0, 10.0]));
        // The parallel bends: a straight line between the corners would take in the first window.
        assert!(!area.touches([372.0, -0.2, 1.0, 0.05]) && area.touches([372.0, -0.13, 1.0, 0.1]));
    }

    #[test]
    fn what_is_no_area_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("area.geojson");
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            format!("{:#}", Area::read(&path).unwrap_err())
        };
        assert!(said("{").contains("it is not GeoJSON"));
        assert!(said(r#"{"type": "Point", "coordinates": [1, 2]}"#).contains("no polygon"));
        assert!(said(r#"{"type": "Polygon", "coordinates": [[1, 2]]}"#).contains("not GeoJSON"));
        let utm =
            r#"{"type": "Polygon", "coordinates": [], "crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}}"#;
        assert!(said(utm).contains("save it in longitude and latitude"));
        assert!(Area::of_box([3.0, 0.0, 2.0, 1.0]).is_err());
        let nowhere = Georeference { affine: Affine::PIXELS, crs: None };
        assert!(Area::of_box([0.0, 0.0, 2.0, 1.0]).unwrap().in_pixels(&nowhere).is_err());
    }
}
