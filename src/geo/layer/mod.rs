//! Captions on a map: a layer of tiles, each a polygon with what is known of it.
//!
//! However it is to be written in the end, a layer grows in a GeoPackage, which a killed program leaves sound.

mod export;
mod flatgeobuf;
mod gpkg;
mod style;
mod text;
mod wkb;

pub use export::{Ending, write};
pub use gpkg::Store;

use super::Crs;
use serde::{Deserialize, Serialize};

/// A closed ring, anticlockwise.
pub type Ring = [[f64; 2]; 5];

/// The kinds of values that every format has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Integer,
    Real,
    Text,
}

/// A field of every tile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
}

impl Field {
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Integer(i64),
    Real(f64),
    Text(String),
    /// Not known of this tile.
    Null,
}

/// A tile of a layer: its polygon and its values, in the order of the fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    pub ring: Ring,
    pub values: Vec<Value>,
}

/// What all tiles of a layer have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// `None`: coordinates are pixels.
    pub crs: Option<Crs>,
    pub fields: Vec<Field>,
    /// How the tiles were made, as JSON: what goes on with a layer must be made in the same way.
    pub made: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn layer(crs: Option<u16>) -> Layer {
        let fields = vec![
            Field::new("source", Kind::Text),
            Field::new("row", Kind::Integer),
            Field::new("valid", Kind::Real),
            Field::new("caption", Kind::Text),
        ];
        Layer { crs: crs.map(|code| Crs::from_epsg(code).unwrap()), fields, made: serde_json::json!({"tile": 256}) }
    }

    fn tile(row: i64) -> Feature {
        let (x, y) = (5e5 + 128.0 * row as f64, 5.3e6);
        let ring = [[x, y], [x, y - 128.0], [x + 128.0, y - 128.0], [x + 128.0, y], [x, y]];
        let caption = if row == 1 { Value::Null } else { Value::Text(format!("a \"farm\", n\u{b0} {row}")) };
        Feature { ring, values: vec![Value::Text("a.tif".into()), Value::Integer(row), Value::Real(0.75), caption] }
    }

    fn all(store: &Store) -> Vec<Feature> {
        let mut found = Vec::new();
        let take = |feature| {
            found.push(feature);
            Ok(())
        };
        store.each(take).unwrap();
        found
    }

    /// A finished layer of three tiles.
    fn finished(path: &Path, crs: Option<u16>) -> Store {
        let mut store = Store::begin(path, &layer(crs)).unwrap();
        store.append(&[tile(0), tile(1), tile(2)], 3).unwrap();
        store.finish().unwrap();
        Store::open(path).unwrap().0
    }

    #[test]
    fn a_layer_goes_on_where_it_was_and_only_as_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.gpkg.part");
        let mut store = Store::begin(&path, &layer(Some(32632))).unwrap();
        assert_eq!(store.done().unwrap(), 0);
        store.append(&[tile(0), tile(1)], 5).unwrap();
        drop(store); // as a killed program does
        let mut other = layer(Some(32632));
        other.made = serde_json::json!({"tile": 224});
        let error = Store::begin(&path, &other).err().unwrap().to_string();
        assert!(error.contains("other settings"), "{error}");
        let mut store = Store::begin(&path, &layer(Some(32632))).unwrap();
        let mut second = Store::begin(&path, &layer(Some(32632))).unwrap();
        assert_eq!((store.done().unwrap(), store.count().unwrap()), (5, 2));
        store.append(&[tile(2)], 9).unwrap();
        let error = format!("{:#}", second.append(&[tile(2)], 9).unwrap_err());
        assert!(error.contains("another process writes it"), "{error}");
        drop(second);
        store.finish().unwrap();
        let (store, known) = Store::open(&path).unwrap();
        assert_eq!((known, all(&store)), (layer(Some(32632)), vec![tile(0), tile(1), tile(2)]));
        std::fs::write(&path, "text").unwrap();
        assert!(format!("{:#}", Store::open(&path).err().unwrap()).contains("a.gpkg.part"));
    }

    #[test]
    fn every_ending_writes_all_tiles_and_geojson_is_in_longitude_and_latitude() {
        let folder = tempfile::tempdir().unwrap();
        let kept = std::env::var_os("RSIC_LAYERS").map(std::path::PathBuf::from);
        let folder = kept.as_deref().unwrap_or(folder.path());
        let store = finished(&folder.join("a.gpkg"), Some(32632));
        for name in ["a.fgb", "a.geojson", "a.geojsonl", "a.csv"] {
            let path = folder.join(name);
            write(&store, &path, Ending::of(&path).unwrap()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let collection: serde_json::Value = serde_json::from_str(&read("a.geojson")).unwrap();
        let lines: Vec<serde_json::Value> =
            read("a.geojsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(collection["features"], serde_json::json!(lines));
        assert_eq!(lines[2]["properties"]["caption"], "a \"farm\", n\u{b0} 2");
        assert!(lines[1]["properties"]["caption"].is_null());
        let corner = lines[0]["geometry"]["coordinates"][0][0].as_array().unwrap();
        let apart = (corner[0].as_f64().unwrap() - 9.0).abs() + (corner[1].as_f64().unwrap() - 47.853_9).abs();
        assert!(apart < 1e-3, "{corner:?}");
        let csv = read("a.csv");
        let first = "\"POLYGON ((500000 5300000, 500000 5299872, 500128 5299872, 500128 5300000, 500000 5300000))\"";
        let expected = format!("WKT,crs,source,row,valid,caption\n{first},EPSG:32632,a.tif,0,0.75,");
        assert!(csv.starts_with(&expected) && csv.lines().count() == 4, "{csv}");
        assert!(std::fs::read(folder.join("a.fgb")).unwrap().starts_with(b"fgb\x03fgb"));
        assert!(Ending::of(Path::new("a.shp")).unwrap_err().to_string().contains("must end in .gpkg"));
    }

    #[test]
    fn tiles_of_a_scene_without_a_place_have_no_geometry_in_geojson() {
        let folder = tempfile::tempdir().unwrap();
        let store = finished(&folder.path().join("a.gpkg"), None);
        let path = folder.path().join("a.geojsonl");
        write(&store, &path, Ending::GeoJsonLines).unwrap();
        let line = std::fs::read_to_string(&path).unwrap();
        assert!(line.starts_with("{\"type\":\"Feature\",\"geometry\":null,"), "{line}");
    }
}
