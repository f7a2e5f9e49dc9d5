//! Decoding, resizing and normalising against Pillow and torchvision (`tests/golden/images.py` made the numbers).

#![allow(clippy::unwrap_used)] // in the helpers of tests

use rsic::data::image::raster::Stretch;
use rsic::data::image::{Reading, decode_file, decode_file_as, normalize, resize};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    normalize: Normalize,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    file: String,
    sizes: Vec<u32>,
    decode_tolerance: u8,
}

#[derive(Deserialize)]
struct Normalize {
    pixels: Vec<u8>,
    planes_bits: Vec<u32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images")
}

fn golden() -> Golden {
    serde_json::from_str(&fs::read_to_string(folder().join("images.json")).unwrap()).unwrap()
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or_default()
}

#[test]
fn every_layout_decodes_to_pillows_rgb() {
    for case in golden().cases {
        // Pillow's `convert` takes the upper 8 of 16 bits.
        let whole = Reading { stretch: Stretch::None, ..Reading::default() };
        let reading = if case.name == "sixteen" { whole } else { Reading::default() };
        let decoded = decode_file_as(&folder().join(&case.file), &reading).unwrap();
        let expected = decode_file(&folder().join(format!("{}.rgb.png", case.name))).unwrap();
        assert_eq!(decoded.dimensions(), expected.dimensions(), "{}", case.file);
        let difference = largest_difference(decoded.as_raw(), expected.as_raw());
        let sum: u64 = decoded.as_raw().iter().zip(expected.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / decoded.as_raw().len() as f64;
        println!("{}: at most {difference}, mean {mean:.3}", case.file);
        assert!(difference <= case.decode_tolerance, "{} differs by {difference}", case.file);
        assert!(mean < 0.7, "{} differs by {mean} in the mean", case.file);
    }
}

#[test]
fn resizing_equals_pillows_bilinear_within_one_of_255() {
    let mut compared = 0;
    for case in golden().cases {
        let image = decode_file(&folder().join(format!("{}.rgb.png", case.name))).unwrap();
        for size in case.sizes {
            let expected = decode_file(&folder().join(format!("{}.{size}.png", case.name))).unwrap();
            let difference = largest_difference(&resize(&image, size).unwrap(), expected.as_raw());
            println!("{} to {size}: {difference}", case.name);
            assert!(difference <= 1, "{} to {size} differs by {difference}", case.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 6);
}

#[test]
fn normalising_equals_torchvision_to_the_bit() {
    let Normalize { pixels, planes_bits } = golden().normalize;
    let mut planes = vec![0.0; pixels.len()];
    normalize(&pixels, &mut planes).unwrap();
    assert_eq!(planes.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), planes_bits);
}

#[test]
fn the_extension_does_not_matter() {
    let copy = tempfile::tempdir().unwrap();
    let wrong = copy.path().join("1.jpg");
    fs::copy(folder().join("packbits.tif"), &wrong).unwrap();
    assert_eq!(decode_file(&wrong).unwrap(), decode_file(&folder().join("packbits.tif")).unwrap());
}
