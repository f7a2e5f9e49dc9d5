//! The feature cache, from image files to tensors.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use rsic::data::image::raster::Stretch;
use rsic::data::image::{Filter, Reading, load_by};
use rsic::features::{Counts, FeatureSet, Images, direct};
use rsic::models::FeatureKind as Kind;
use rsic::models::encoders::EncoderConfig;
use rsic::models::encoders::Precision;
use std::fs;
use std::path::{Path, PathBuf};
use tch::Device;

fn encoder(image_size: u32) -> EncoderConfig {
    EncoderConfig {
        name: "resnet50".into(),
        weights: "random".into(),
        image_size,
        resize: Default::default(),
        precision: Precision::Float32,
        tune: None,
    }
}

/// `count` small pictures that differ.
fn pictures(folder: &Path, count: u8) -> Vec<PathBuf> {
    let picture = |index: u8| {
        let path = folder.join(format!("{index}.png"));
        let pixels = image::RgbImage::from_fn(40, 36, |x, y| image::Rgb([index * 9, (x * 6) as u8, (y * 7) as u8]));
        pixels.save(&path).unwrap();
        path
    };
    (0..count).map(picture).collect()
}

fn load(kind: Kind, size: u32, images: &[PathBuf], cache: &Path) -> FeatureSet {
    FeatureSet::load_or_extract(&[encoder(size)], kind, images, Device::Cpu, cache, &mut |_| Ok(())).unwrap()
}

fn counts(cached: usize, new: usize, failed: usize) -> Counts {
    Counts { cached, new, failed }
}

#[test]
fn the_second_time_everything_is_cached_and_equal() {
    let folder = tempfile::tempdir().unwrap();
    let images = pictures(folder.path(), 5);
    let cache = folder.path().join("cache");
    let first = load(Kind::Pooled, 64, &images, &cache);
    assert_eq!((first.counts(0), first.shape(0)), (counts(0, 5, 0), &[2048i64][..]));
    let second = load(Kind::Pooled, 64, &images, &cache);
    assert_eq!(second.counts(0), counts(5, 0, 0));
    assert_eq!(first.rows(0, &[4, 0, 4]).unwrap(), second.rows(0, &[4, 0, 4]).unwrap());
    assert_ne!(first.rows(0, &[0]).unwrap(), first.rows(0, &[1]).unwrap());
}

#[test]
fn clip_gives_patches_or_the_class_token_of_pixels_prepared_as_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let images = pictures(folder.path(), 1);
    let config = EncoderConfig { name: "clip_vit_b32".into(), ..encoder(64) };
    let row = |kind| {
        let (encoders, cache) = (std::slice::from_ref(&config), folder.path().join("cache"));
        let set = FeatureSet::load_or_extract(encoders, kind, &images, Device::Cpu, &cache, &mut |_| Ok(()));
        set.unwrap().rows(0, &[0]).unwrap()
    };
    let encoder = rsic::models::encoders::build(&config.name, "random", Device::Cpu).unwrap();
    let pixels = load_by(&images[0], 64, Filter::Bicubic).unwrap();
    let pixels = encoder.spec().preprocessing.apply(&tch::Tensor::from_slice(&pixels).view([1, 64, 64, 3]));
    let near = |row: tch::Tensor, expected: tch::Tensor| {
        row.size() == expected.size() && row.allclose(&expected, 1e-4, 1e-4, false)
    };
    assert!(near(row(Kind::Grid), encoder.forward(&pixels)));
    assert!(near(row(Kind::Pooled), encoder.pooled(&pixels)));
    assert_eq!(encoder.forward(&pixels).size(), [1, 768, 2, 2]);
}

#[test]
fn a_changed_image_or_size_is_never_served_stale() {
    let folder = tempfile::tempdir().unwrap();
    let mut images = pictures(folder.path(), 3);
    let cache = folder.path().join("cache");
    let before = load(Kind::Pooled, 64, &images, &cache);
    fs::copy(&images[2], &images[0]).unwrap(); // same name, other content: that of image 2
    let after = load(Kind::Pooled, 64, &images, &cache);
    assert_eq!(after.counts(0), counts(3, 0, 0));
    assert_eq!(after.rows(0, &[0, 1]).unwrap(), before.rows(0, &[2, 1]).unwrap());
    assert_eq!(load(Kind::Pooled, 96, &images, &cache).counts(0).new, 2, "another size, two contents");
    images.reverse();
    assert_eq!(load(Kind::Pooled, 64, &images, &cache).rows(0, &[2]).unwrap(), before.rows(0, &[2]).unwrap());
}

#[test]
fn the_mean_of_the_grid_is_the_pooled_vector() {
    let folder = tempfile::tempdir().unwrap();
    let images = pictures(folder.path(), 2);
    let grid = load(Kind::Grid, 64, &images, folder.path()).rows(0, &[1, 0]).unwrap();
    let pooled = load(Kind::Pooled, 64, &images, folder.path()).rows(0, &[1, 0]).unwrap();
    assert_eq!(grid.size(), [2, 2048, 2, 2]);
    let mean = grid.mean_dim([2i64, 3].as_slice(), false, None::<tch::Kind>);
    assert!((mean - pooled).abs().max().double_value(&[]) < 1e-5);
}

#[test]
fn an_interrupted_extraction_goes_on_where_it_was_and_gives_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let images = pictures(folder.path(), 20);
    let all: Vec<usize> = (0..20).collect();
    let whole = load(Kind::Pooled, 64, &images, &folder.path().join("a"));
    let cache = folder.path().join("b");
    let mut stop = |progress: rsic::features::FeatureProgress| {
        if progress.done > 0 { Err(anyhow::anyhow!("stopped")) } else { Ok(()) }
    };
    let stopped = FeatureSet::load_or_extract(&[encoder(64)], Kind::Pooled, &images, Device::Cpu, &cache, &mut stop);
    assert_eq!(stopped.unwrap_err().to_string(), "stopped");
    let continued = load(Kind::Pooled, 64, &images, &cache);
    assert!(continued.counts(0).cached > 0 && continued.counts(0).new > 0, "{:?}", continued.counts(0));
    assert_eq!(continued.rows(0, &all).unwrap(), whole.rows(0, &all).unwrap());
}

#[test]
fn unreadable_images_are_named_and_the_others_served() {
    let folder = tempfile::tempdir().unwrap();
    let mut images = pictures(folder.path(), 3);
    fs::write(&images[1], "no image at all").unwrap();
    let empty = folder.path().join("empty.png");
    fs::write(&empty, "").unwrap();
    images.extend([empty, folder.path().join("absent.png")]);
    let set = load(Kind::Pooled, 64, &images, &folder.path().join("cache"));
    assert_eq!(set.failures().keys().copied().collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(set.counts(0), counts(0, 2, 3));
    assert!(set.has(2) && !set.has(1));
    assert_eq!(set.rows(0, &[2, 0]).unwrap().size(), [2, 2048]);
    assert!(set.rows(0, &[1]).unwrap_err().to_string().contains("no features for image 1"));
    assert!(set.rows(0, &[9]).is_err());
}

#[test]
fn features_that_are_not_kept_are_those_of_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let mut images = pictures(folder.path(), 20);
    images.insert(7, folder.path().join("absent.png"));
    let encoders = [encoder(64), EncoderConfig { name: "vgg16".into(), ..encoder(32) }];
    let cache = folder.path().join("cache");
    let set =
        FeatureSet::load_or_extract(&encoders, Kind::Pooled, &images, Device::Cpu, &cache, &mut |_| Ok(())).unwrap();
    let mut seen = Vec::new();
    let list = Images { paths: &images, reading: &Reading::default() };
    direct::stream(&encoders, Kind::Pooled, list, Device::Cpu, &mut |image, rows| {
        match rows {
            Err(error) => assert!(format!("{error:#}").contains("absent.png"), "{error:#}"),
            Ok(rows) => {
                seen.push(image);
                for (encoder, row) in rows.iter().enumerate() {
                    assert_eq!(*row, set.rows(encoder, &[image]).unwrap(), "image {image}");
                }
            }
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, (0..21).filter(|image| *image != 7).collect::<Vec<_>>());
}

#[test]
fn a_stretch_or_other_bands_have_rows_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let images = pictures(folder.path(), 2);
    let cache = folder.path().join("cache");
    let of = |reading: &Reading| {
        let images = Images { paths: &images, reading };
        FeatureSet::of_view(&[encoder(64)], Kind::Pooled, None, images, Device::Cpu, &cache, &mut |_| Ok(())).unwrap()
    };
    let plain = of(&Reading::default());
    let swapped = of(&Reading { bands: vec![3, 2, 1], stretch: Stretch::Range(0.0, 128.0) });
    assert_eq!((swapped.counts(0), of(&Reading::default()).counts(0)), (counts(0, 2, 0), counts(2, 0, 0)));
    assert_ne!(plain.rows(0, &[1]).unwrap(), swapped.rows(0, &[1]).unwrap());
}

#[test]
fn two_processes_worth_of_callers_agree() {
    let folder = tempfile::tempdir().unwrap();
    let images = pictures(folder.path(), 4);
    let cache = folder.path().join("cache");
    let sets: Vec<FeatureSet> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| load(Kind::Pooled, 64, &images, &cache))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(sets[0].counts(0).new + sets[1].counts(0).new, 4, "one computes, the other reads");
    assert_eq!(sets[0].rows(0, &[3]).unwrap(), sets[1].rows(0, &[3]).unwrap());
}

#[test]
fn absent_weights_are_one_sentence() {
    let config = EncoderConfig {
        name: "resnet50".into(),
        weights: "nowhere/w.safetensors".into(),
        image_size: 64,
        resize: Default::default(),
        precision: Precision::Float32,
        tune: None,
    };
    let error = FeatureSet::load_or_extract(&[config], Kind::Pooled, &[], Device::Cpu, Path::new("."), &mut |_| Ok(()));
    let message = format!("{:#}", error.unwrap_err());
    let expected = "weights of the encoder 'resnet50' (see weights/README.md for downloads): cannot read 'nowhere/";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn rows_gathered_from_several_sets_are_those_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let images = pictures(folder.path(), 3);
    let cache = folder.path().join("cache");
    let whole = load(Kind::Grid, 64, &images, &cache);
    let same = [load(Kind::Grid, 64, &images[1..], &cache), load(Kind::Grid, 64, &images[..2], &cache)];
    let gathered = FeatureSet::gather(&same, 0, &[(1, 0), (0, 1), (1, 1)]).unwrap();
    assert_eq!(gathered, whole.rows(0, &[0, 2, 1]).unwrap());
    let error = |choice| format!("{:#}", FeatureSet::gather(&same, 0, &[choice]).unwrap_err());
    assert!(error((0, 2)).contains("no features for image 2"), "{}", error((0, 2)));
    assert!(error((2, 0)).contains("no feature set number 2"), "{}", error((2, 0)));
}

#[test]
fn a_cache_that_cannot_be_written_to_is_read_and_has_a_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let images = pictures(folder.path(), 3);
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").unwrap();
    assert!(load(Kind::Pooled, 32, &images, &no_folder).failures().is_empty());
    assert_eq!(load(Kind::Pooled, 32, &images, &no_folder).counts(0), counts(3, 0, 0));
    assert_eq!(fs::read(&no_folder).unwrap(), b"");
}
