//! GeoJSON (RFC 7946), a feature a line or a collection, and CSV with well-known text.

use super::gpkg::TABLE;
use super::{Feature, Field, Ring, Store, Value};
use crate::geo::Crs;
use anyhow::Result;
use serde_json::{Map, json};
use std::io::Write;

/// Decimals of degrees: a tenth of a millimetre.
const DECIMALS: f64 = 1e9;

pub(super) fn geojson(store: &Store, file: &mut impl Write) -> Result<()> {
    write!(file, "{{\"type\":\"FeatureCollection\",\"name\":\"{TABLE}\",\"features\":[")?;
    let mut before = "\n";
    store.each(|feature| {
        write!(file, "{before}{}", object(&feature, store.fields(), store.crs())?)?;
        before = ",\n";
        Ok(())
    })?;
    Ok(writeln!(file, "\n]}}")?)
}

pub(super) fn geojson_lines(store: &Store, file: &mut impl Write) -> Result<()> {
    store.each(|feature| Ok(writeln!(file, "{}", object(&feature, store.fields(), store.crs())?)?))
}

/// A feature in longitude and latitude; without a place where the layer has none.
fn object(feature: &Feature, fields: &[Field], crs: Option<&Crs>) -> Result<serde_json::Value> {
    let geometry = match crs {
        Some(crs) => {
            let degrees =
                |point: &[f64; 2]| Ok(crs.to_lonlat(*point)?.map(|value| (value * DECIMALS).round() / DECIMALS));
            let ring = feature.ring.iter().map(degrees).collect::<Result<Vec<_>>>()?;
            json!({"type": "Polygon", "coordinates": [ring]})
        }
        None => serde_json::Value::Null,
    };
    let value = |value: &Value| match value {
        Value::Integer(value) => json!(value),
        Value::Real(value) => json!(value),
        Value::Text(text) => json!(text),
        Value::Null => serde_json::Value::Null,
    };
    let properties: Map<String, serde_json::Value> =
        fields.iter().zip(&feature.values).map(|(field, of)| (field.name.clone(), value(of))).collect();
    Ok(json!({"type": "Feature", "geometry": geometry, "properties": properties}))
}

/// The polygons in the column `WKT`, in the layer's own coordinates, whose system is in the column `crs`.
pub(super) fn csv(store: &Store, file: &mut impl Write) -> Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let names = store.fields().iter().map(|field| field.name.as_str());
    writer.write_record(["WKT", "crs"].into_iter().chain(names))?;
    let crs = store.crs().map(Crs::to_string).unwrap_or_default();
    store.each(|Feature { ring, values }| {
        let values = values.iter().map(|value| match value {
            Value::Integer(value) => value.to_string(),
            Value::Real(value) => value.to_string(),
            Value::Text(text) => text.clone(),
            Value::Null => String::new(),
        });
        Ok(writer.write_record([well_known(&ring), crs.clone()].into_iter().chain(values))?)
    })?;
    Ok(writer.flush()?)
}

fn well_known(ring: &Ring) -> String {
    let points: Vec<String> = ring.iter().map(|[x, y]| format!("{x} {y}")).collect();
    format!("POLYGON (({}))", points.join(", "))
}
