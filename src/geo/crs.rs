//! Coordinate reference systems by their EPSG code, and the way to longitude and latitude.
//!
//! Coordinates are easting, northing and longitude, latitude, whatever order the system's authority has.

use anyhow::{Context, Result, anyhow, bail};
use crs_definitions::Def;
use proj4rs::Proj;
use proj4rs::transform::transform;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A coordinate reference system of the EPSG dataset.
#[derive(Debug, Clone)]
pub struct Crs {
    definition: Def,
    /// Its projection and that of longitude and latitude, or why there is no way between them.
    proj: Result<(Arc<Proj>, Arc<Proj>), String>,
}

impl PartialEq for Crs {
    fn eq(&self, other: &Self) -> bool {
        self.epsg() == other.epsg()
    }
}

impl Crs {
    /// Longitude and latitude on WGS 84.
    pub const WGS84: u16 = 4326;

    /// Errors: a code that is not known. A system whose datum needs a grid is no error: it has coordinates, but no way
    /// to others.
    pub fn from_epsg(code: u16) -> Result<Self> {
        let definition = crs_definitions::from_code(code)
            .with_context(|| format!("the coordinate reference system EPSG:{code} is not known"))?;
        let proj = |text: &str| Proj::from_proj_string(text).map(Arc::new).map_err(|error| error.to_string());
        let proj = proj(definition.proj4).and_then(|own| Ok((own, proj("+proj=longlat +datum=WGS84 +no_defs")?)));
        Ok(Self { definition, proj })
    }

    pub fn epsg(&self) -> u16 {
        self.definition.code
    }

    /// Well-known text, version 1.
    pub fn wkt(&self) -> &'static str {
        self.definition.wkt
    }

    /// As its authority has it: `WGS 84 / UTM zone 32N`.
    pub fn name(&self) -> &'static str {
        self.definition.wkt.split('"').nth(1).unwrap_or_default()
    }

    /// Whether its coordinates are longitude and latitude.
    pub fn is_geographic(&self) -> bool {
        self.definition.proj4.contains("+proj=longlat")
    }

    /// Metres in a unit of its coordinates, at a latitude in degrees: along the first axis, along the second.
    pub fn metres(&self, latitude: f64) -> [f64; 2] {
        const DEGREE: f64 = 6_378_137.0 * std::f64::consts::PI / 180.0;
        match self.is_geographic() {
            true => [DEGREE * latitude.to_radians().cos(), DEGREE],
            false => [self.proj.as_ref().map_or(1.0, |(own, _)| own.to_meter()); 2],
        }
    }

    /// Longitude and latitude of a point, degrees on WGS 84.
    ///
    /// Datums are shifted by the parameters of the EPSG dataset, never by grids.
    pub fn to_lonlat(&self, point: [f64; 2]) -> Result<[f64; 2]> {
        let (own, wgs84) = self.ways()?;
        self.shifted(own, wgs84, point)
    }

    /// The point at a longitude and latitude.
    pub fn from_lonlat(&self, lonlat: [f64; 2]) -> Result<[f64; 2]> {
        let (own, wgs84) = self.ways()?;
        self.shifted(wgs84, own, lonlat)
    }

    /// The point where another system has this one.
    pub fn convert(&self, other: &Self, point: [f64; 2]) -> Result<[f64; 2]> {
        if self == other { Ok(point) } else { self.shifted(&self.ways()?.0, &other.ways()?.0, point) }
    }

    fn ways(&self) -> Result<&(Arc<Proj>, Arc<Proj>)> {
        self.proj.as_ref().map_err(|why| anyhow!("{self} cannot be converted to longitude and latitude: {why}"))
    }

    fn shifted(&self, from: &Proj, to: &Proj, [x, y]: [f64; 2]) -> Result<[f64; 2]> {
        let mut point = if from.is_latlong() { (x.to_radians(), y.to_radians(), 0.0) } else { (x, y, 0.0) };
        let place = || format!("the point {x}, {y} cannot be converted between {self} and longitude and latitude");
        transform(from, to, &mut point).map_err(|error| anyhow!("{error}")).with_context(place)?;
        let found = if to.is_latlong() { [point.0.to_degrees(), point.1.to_degrees()] } else { [point.0, point.1] };
        if found.iter().all(|value| value.is_finite()) { Ok(found) } else { Err(anyhow!(place())) }
    }
}

impl fmt::Display for Crs {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "EPSG:{}", self.epsg())
    }
}

impl FromStr for Crs {
    type Err = anyhow::Error;

    /// `EPSG:32632` or `32632`.
    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_prefix("EPSG:").or(text.strip_prefix("epsg:")).unwrap_or(text);
        match number.parse() {
            Ok(code) => Self::from_epsg(code),
            Err(_) => bail!("'{text}' is no coordinate reference system; write EPSG:CODE, as EPSG:32632"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/golden/geo.py` asked PROJ 9: [code, x, y, longitude, latitude].
    #[test]
    fn longitudes_and_latitudes_are_those_of_proj() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/geo.json");
        let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
        let points: Vec<(u16, f64, f64, f64, f64)> = serde_json::from_value(golden["lonlat"].clone()).unwrap();
        let (mut worst, mut back) = (0f64, 0f64);
        for &(code, x, y, longitude, latitude) in &points {
            let crs = Crs::from_epsg(code).unwrap();
            let found = crs.to_lonlat([x, y]).unwrap();
            let apart = (found[0] - longitude).abs().max((found[1] - latitude).abs());
            assert!(apart <= 1e-7, "EPSG:{code} {x} {y}: {found:?} for {longitude} {latitude}");
            worst = worst.max(apart);
            let [again_x, again_y] = crs.from_lonlat(found).unwrap();
            let unit = if crs.is_geographic() { 1e5 } else { 1.0 };
            back = back.max((again_x - x).abs().max((again_y - y).abs()) * unit);
        }
        assert!(points.len() > 100 && back < 1e-2, "{worst:e} {back:e}");
    }

    #[test]
    fn a_system_that_needs_a_grid_has_its_own_coordinates_and_no_others() {
        let crs = Crs::from_epsg(26718).unwrap();
        assert_eq!((crs.name(), crs.is_geographic()), ("NAD27 / UTM zone 18N", false));
        assert_eq!(crs.convert(&crs, [5e5, 4e6]).unwrap(), [5e5, 4e6]);
        let error = crs.to_lonlat([5e5, 4e6]).unwrap_err().to_string();
        assert!(error.contains("EPSG:26718 cannot be converted to longitude and latitude"), "{error}");
    }

    #[test]
    fn systems_have_names_and_units() {
        let utm: Crs = "EPSG:32632".parse().unwrap();
        assert_eq!((utm.name(), utm.metres(50.0)), ("WGS 84 / UTM zone 32N", [1.0, 1.0]));
        let feet = Crs::from_epsg(2263).unwrap().metres(40.0)[0];
        assert!((feet - 1200.0 / 3937.0).abs() < 1e-9, "{feet}");
        let [east, north] = Crs::from_epsg(4326).unwrap().metres(60.0);
        assert!((north / east - 2.0).abs() < 1e-9 && (north - 111_319.49).abs() < 0.01);
        assert!("utm".parse::<Crs>().unwrap_err().to_string().contains("EPSG:CODE"));
    }
}
