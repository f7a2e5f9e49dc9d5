//! `rsic map` through the real binary: a mosaic of built-in scenes is captioned as the scenes are, and lies where the
//! file says.
#![allow(clippy::unwrap_used)]

mod common;

use common::{command, refused, rsic, succeeds, text};
use image::{RgbImage, imageops};
use rsic::geo::layer::{Feature, Store, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

/// Columns and rows of scenes, 64 pixels each.
const COLUMNS: usize = 5;
const ROWS: usize = 3;

/// A trained run and a mosaic with a world file: half a metre a pixel.
fn workplace() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = common::workplace("map");
        let experiment = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {fe_lws: {layers: 1, embedding: 32, hidden: 32, image: 32, merge: 48, dropout: 0.3}}
train: {batch_size: 16, epochs: 12, optimizer: {lr: 5e-3}}
decode: {method: beam, beam: 3, batch_size: 4}
";
        fs::write(place.join("small.yaml"), experiment).unwrap();
        succeeds(&rsic(&place, &["train", "small.yaml", "--output", "run"]));
        let mut mosaic = RgbImage::new(64 * COLUMNS as u32, 64 * ROWS as u32);
        for (index, path) in scenes(&place).iter().enumerate() {
            let (x, y) = (64 * (index % COLUMNS) as i64, 64 * (index / COLUMNS) as i64);
            imageops::replace(&mut mosaic, &image::open(path).unwrap().into_rgb8(), x, y);
        }
        mosaic.save(place.join("mosaic.tif")).unwrap();
        fs::write(place.join("mosaic.tfw"), "0.5\n0\n0\n-0.5\n500000.25\n5299999.75\n").unwrap();
        place
    })
}

/// The scenes of the mosaic, row by row.
fn scenes(place: &Path) -> Vec<PathBuf> {
    let folder = fs::read_dir(place.join("scenes/imgs")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.truncate(COLUMNS * ROWS);
    paths
}

/// The arguments of a map of the mosaic.
fn map<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = ["map", "--model", "run", "mosaic.tif", "--crs", "EPSG:32632", "--tile", "64", "--output", output];
    fixed.into_iter().chain(more.iter().copied()).collect()
}

fn features(path: &Path) -> Vec<Feature> {
    let mut found = Vec::new();
    let take = |feature| {
        found.push(feature);
        Ok(())
    };
    Store::open(path).unwrap().0.each(take).unwrap();
    found
}

fn captions(features: &[Feature]) -> Vec<String> {
    let caption = |feature: &Feature| match &feature.values[8] {
        Value::Text(caption) => caption.clone(),
        other => panic!("{other:?} is no caption"),
    };
    features.iter().map(caption).collect()
}

#[test]
fn tiles_have_the_captions_of_the_scenes_they_are_and_lie_where_the_world_file_says() {
    let place = workplace();
    succeeds(&rsic(place, &map("whole.gpkg", &[])));
    let found = features(&place.join("whole.gpkg"));
    let mut arguments = vec!["caption".to_owned(), "--model".into(), "run".into()];
    arguments.extend(scenes(place).iter().map(|path| path.display().to_string()));
    let alone = succeeds(&rsic(place, &arguments));
    let alone: Vec<&str> = alone.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    assert_eq!(captions(&found), alone);
    assert!(alone.iter().filter(|caption| caption.len() > 10).count() > 3, "{alone:?}");
    for (index, feature) in found.iter().enumerate() {
        let (column, row) = (index % COLUMNS, index / COLUMNS);
        let (x, y) = (5e5 + 32.0 * column as f64, 5.3e6 - 32.0 * row as f64);
        assert_eq!(feature.ring, [[x, y], [x, y - 32.0], [x + 32.0, y - 32.0], [x + 32.0, y], [x, y]]);
        let integer = |value: usize| Value::Integer(value as i64);
        let expected = [row, column, 64 * column, 64 * row, 64, 64].map(integer);
        assert_eq!(feature.values[1..7], expected);
        assert_eq!(feature.values[7], Value::Real(1.0));
    }
    assert!(!place.join("whole.gpkg.part").exists());
    refused(&rsic(place, &map("whole.gpkg", &[])), &["exists already", "--overwrite"]);
}

/// Made where the dataset is, kept with the run, and the same where the dataset is gone.
#[test]
fn confidence_tells_what_the_run_has_seen_nothing_like() {
    let place = workplace();
    succeeds(&rsic(place, &map("at_home.gpkg", &[])));
    let absent = ["--set", "data.root=absent"];
    succeeds(&rsic(place, &map("away.gpkg", &absent)));
    assert_eq!(features(&place.join("at_home.gpkg")), features(&place.join("away.gpkg")));
    let confidences = |name: &str| -> Vec<f64> {
        let of = |feature: &Feature| match feature.values[10] {
            Value::Real(confidence) => confidence,
            ref other => panic!("{other:?} is no confidence"),
        };
        features(&place.join(name)).iter().map(of).collect()
    };
    let home = confidences("at_home.gpkg");
    assert!(home.iter().all(|confidence| (0.0..=1.0).contains(confidence)) && home.contains(&1.0), "{home:?}");
    let noise = RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 97 % 256) as u8, (y * 89 % 256) as u8, 255]));
    noise.save(place.join("noise.png")).unwrap();
    let arguments = ["map", "--model", "run", "noise.png", "--tile", "64", "--output", "noise.gpkg"];
    succeeds(&rsic(place, &arguments));
    assert_eq!(confidences("noise.gpkg"), [0.0]);
}

#[test]
fn bands_are_those_of_the_run_where_none_are_asked_for() {
    let place = workplace();
    let captioned = |output: &str, more: &[&str]| {
        succeeds(&rsic(place, &map(output, &[&["--no-confidence"], more].concat())));
        captions(&features(&place.join(output)))
    };
    let (plain, asked) = (captioned("rgb.gpkg", &[]), captioned("bgr.gpkg", &["--bands", "3,2,1"]));
    assert_ne!(plain, asked);
    assert_eq!(captioned("run_bgr.gpkg", &["--set", "data.bands=[3,2,1]"]), asked);
    assert_eq!(captioned("run_rgb.gpkg", &["--set", "data.bands=[3,2,1]", "--bands", "1,2,3"]), plain);
}

#[test]
fn parts_joined_are_the_whole_and_other_formats_have_the_same_tiles() {
    let place = workplace();
    // Parts of whole batches: in a smaller batch the last digits of a log-probability may be others.
    let overlap = ["--overlap", "32", "--set", "decode.batch_size=5"];
    succeeds(&rsic(place, &map("all.gpkg", &overlap)));
    for part in ["2/3", "1/3", "3/3"] {
        let output = format!("part{}.gpkg", &part[..1]);
        succeeds(&rsic(place, &map(&output, &[&overlap[..], &["--shard", part]].concat())));
    }
    let parts = ["part3.gpkg", "part1.gpkg", "part2.gpkg"];
    succeeds(&rsic(place, &[&["map", "--merge", "--output", "joined.gpkg"], &parts[..]].concat()));
    assert_eq!(features(&place.join("joined.gpkg")), features(&place.join("all.gpkg")));
    succeeds(&rsic(place, &[&["map", "--merge", "--output", "joined.csv"], &parts[..]].concat()));
    let twice = rsic(place, &["map", "--merge", "part1.gpkg", "part1.gpkg", "--output", "twice.gpkg"]);
    refused(&twice, &["are the same part"]);
    succeeds(&rsic(place, &map("all.csv", &overlap)));
    assert_eq!(fs::read(place.join("joined.csv")).unwrap(), fs::read(place.join("all.csv")).unwrap());
    refused(&rsic(place, &map("part.csv", &["--shard", "1/2"])), &["must end in .gpkg"]);
}

#[test]
fn a_killed_map_goes_on_and_equals_an_undisturbed_one() {
    let place = workplace();
    let fine = ["--overlap", "54", "--set", "decode.batch_size=8"];
    succeeds(&rsic(place, &map("undisturbed.gpkg", &fine)));
    let part = place.join("killed.gpkg.part");
    let written = || Store::open(&part).and_then(|(store, _)| store.count()).unwrap_or(0);
    let mut kills = 0;
    for least in [8, 100, 200] {
        let mut child = command(place, &map("killed.gpkg", &fine)).stderr(Stdio::null()).spawn().unwrap();
        while written() < least && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        kills += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(kills > 0);
    let other = rsic(place, &map("killed.gpkg", &["--overlap", "53"]));
    refused(&other, &["killed.gpkg.part", "other settings"]);
    let finished = rsic(place, &map("killed.gpkg", &fine));
    succeeds(&finished);
    assert!(text(&finished.stderr).contains("going on with"), "{}", text(&finished.stderr));
    assert_eq!(features(&place.join("killed.gpkg")), features(&place.join("undisturbed.gpkg")));
}

#[test]
fn only_tiles_that_touch_the_area_are_captioned() {
    let place = workplace();
    // The first scene's middle, a tenth of a second of an arc wide.
    let [west, north] = rsic::geo::Crs::from_epsg(32632).unwrap().to_lonlat([500_014.0, 5_299_986.0]).unwrap();
    let bbox = format!("{west},{},{},{north}", north - 3e-5, west + 3e-5);
    succeeds(&rsic(place, &map("box.gpkg", &["--bbox", &bbox])));
    assert_eq!(features(&place.join("box.gpkg")).len(), 1);
    let coarse = rsic(place, &map("coarse.gpkg", &["--resolution", "1"]));
    succeeds(&coarse);
    assert_eq!(features(&place.join("coarse.gpkg")).len(), 3 * 2);
}

#[test]
fn what_cannot_be_mapped_is_said_before_anything_is_captioned() {
    let place = workplace();
    let without = ["map", "--model", "run", "mosaic.tif", "--tile", "64", "--output", "a.gpkg"];
    refused(&rsic(place, &without), &["'mosaic.tif' does not say its coordinate reference system", "--crs EPSG:CODE"]);
    refused(&rsic(place, &map("a.shp", &[])), &["must end in .gpkg"]);
    refused(&rsic(place, &map("a.gpkg", &["--overlap", "64"])), &["--overlap must be below --tile"]);
    refused(&rsic(place, &map("a.gpkg", &["--shard", "4/3"])), &["from 1/8 to 8/8"]);
    refused(&rsic(place, &map("a.gpkg", &["--max-nodata", "2"])), &["must be 0 to 1"]);
    refused(&rsic(place, &["map", "mosaic.tif", "--output", "a.gpkg"]), &["--model"]);
    assert!(!place.join("a.gpkg.part").exists());
}
