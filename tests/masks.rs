//! Mask pictures from files of every kind, from the segmenter, and through the command.
#![allow(clippy::unwrap_used)]

use image::{Rgb, RgbImage};
use rsic::data::masks::{Finder, MaskMode, MaskRules, Rle, prepare, read, require, segment};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Compressed counts as COCO writes them, for masks of our own.
fn compress(rle: &Rle) -> String {
    let mut text = String::new();
    for (index, &count) in rle.counts.iter().enumerate() {
        let mut value = i64::from(count) - if index > 2 { i64::from(rle.counts[index - 2]) } else { 0 };
        loop {
            let digit = value & 31;
            value >>= 5;
            let more = if digit & 16 != 0 { value != -1 } else { value != 0 };
            text.push(char::from(48 + (digit | if more { 32 } else { 0 }) as u8));
            if !more {
                break;
            }
        }
    }
    text
}

/// A rectangle in an image of 40 x 30 as run lengths, column by column.
fn rectangle(left: usize, top: usize, right: usize, bottom: usize) -> Rle {
    let (mut counts, mut inside, mut run) = (Vec::new(), false, 0u32);
    for place in 0..40 * 30 {
        let (x, y) = (place / 30, place % 30);
        let here = (left..right).contains(&x) && (top..bottom).contains(&y);
        if here != inside {
            counts.push(run);
            (inside, run) = (here, 0);
        }
        run += 1;
    }
    counts.push(run);
    Rle::new(30, 40, counts).unwrap()
}

fn photo(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(40, 30, |x, y| Rgb([(x * 5) as u8, (y * 7) as u8, 90])).save(&path).unwrap();
    path
}

#[test]
fn records_label_maps_and_flat_colours_of_the_same_objects_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (large, small) = (rectangle(2, 2, 30, 25), rectangle(10, 5, 20, 15));
    let plain = |rle: &Rle| serde_json::json!({"segmentation": {"size": [30, 40], "counts": rle.counts}});
    let packed = |rle: &Rle| serde_json::json!({"segmentation": {"size": [30, 40], "counts": compress(rle)}});
    fs::write(at("plain.json"), serde_json::json!([plain(&small), plain(&large)]).to_string()).unwrap();
    let whole = serde_json::json!({"image": {}, "annotations": [packed(&large), packed(&small)]});
    fs::write(at("packed.json"), whole.to_string()).unwrap();
    let label = |x: u32, y: u32| match (
        (10..20).contains(&x) && (5..15).contains(&y),
        (2..30).contains(&x) && (2..25).contains(&y),
    ) {
        (true, _) => 2,
        (_, true) => 7,
        _ => 0,
    };
    let colour = |label| {
        Rgb(if label == 0 {
            [0, 0, 0]
        } else if label == 2 {
            [9, 8, 7]
        } else {
            [200, 0, 0]
        })
    };
    RgbImage::from_fn(40, 30, |x, y| colour(label(x, y))).save(at("flat.png")).unwrap();
    image::GrayImage::from_fn(40, 30, |x, y| image::Luma([label(x, y) as u8])).save(at("labels.png")).unwrap();
    let deep = image::ImageBuffer::from_fn(40, 30, |x, y| {
        image::Luma([label(x, y) as u16 + 300 * u16::from(label(x, y) > 0)])
    });
    deep.save(at("deep.png")).unwrap();
    let first = read(&at("plain.json")).unwrap();
    assert_eq!(first.objects(), 2);
    for other in ["packed.json", "flat.png", "labels.png", "deep.png"] {
        assert_eq!(read(&at(other)).unwrap(), first, "{other}");
    }
}

#[test]
fn pictures_are_drawn_once_and_found_again_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let images = vec![photo(root, "imgs/a.png"), photo(root, "imgs/b.png"), root.join("imgs/absent.png")];
    fs::create_dir(root.join("masks")).unwrap();
    RgbImage::from_fn(40, 30, |x, _| Rgb([u8::from(x > 20) * 50; 3])).save(root.join("masks/a.png")).unwrap();
    let finder = Finder::of_dataset(Path::new("masks"), root, &root.join("imgs"));
    let rules = MaskRules { mode: MaskMode::Solid, ..MaskRules::default() };
    let cache = root.join("cache");
    let made = prepare(&images, &finder, &rules, &cache).unwrap();
    assert_eq!(made.segmented, 2);
    assert_eq!(made.paths[2], images[2], "what cannot be read stands for itself");
    assert_eq!(prepare(&images, &finder, &rules, &cache).unwrap(), made);
    let picture = image::open(&made.paths[0]).unwrap().to_rgb8();
    assert_eq!((picture.get_pixel(3, 3).0, picture.get_pixel(30, 3).0[0] >= 64), ([0; 3], true));
    let overlay = MaskRules { mode: MaskMode::Overlay, ..rules.clone() };
    assert_ne!(prepare(&images, &finder, &overlay, &cache).unwrap().paths[0], made.paths[0]);
    let as_it_is = MaskRules { mode: MaskMode::Picture, ..rules.clone() };
    assert_eq!(prepare(&images, &finder, &as_it_is, &cache).unwrap().paths[0], root.join("masks/a.png"));
    let error = require(&images, &finder).unwrap_err().to_string();
    assert!(error.contains("2 of 3 images have no mask") && error.contains("b.png"), "{error}");
    fs::write(root.join("masks/b.json"), "[{}]").unwrap();
    let error = format!("{:#}", prepare(&images, &finder, &rules, &cache).unwrap_err());
    assert!(error.contains("b.json") && error.contains("Segment Anything"), "{error}");
}

fn rsic(arguments: &[&str], threads: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rsic")).args(arguments).env("RAYON_NUM_THREADS", threads).output().unwrap()
}

#[test]
fn the_command_makes_the_same_masks_on_any_number_of_cores_and_leaves_those_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let scenes = at("scenes");
    assert!(rsic(&["data", "scenes", &scenes, "--count", "17", "--size", "96"], "2").status.success());
    let there = rsic(&["data", "masks", &scenes], "2");
    assert!(String::from_utf8_lossy(&there.stdout).contains("0 masks made"), "{there:?}");
    for (threads, out) in [("1", at("one")), ("3", at("three"))] {
        let made = rsic(&["data", "masks", &scenes, "--output", &out], threads);
        assert!(made.status.success(), "{made:?}");
        assert!(String::from_utf8_lossy(&made.stdout).contains("17 masks made"), "{made:?}");
    }
    for number in 1..=17 {
        let bytes = |out: &str| fs::read(folder.path().join(out).join(format!("{number}.png"))).unwrap();
        assert!(bytes("one") == bytes("three"), "mask {number}");
        let labels = read(&folder.path().join("one").join(format!("{number}.png"))).unwrap();
        assert!(labels.objects() >= 2, "mask {number} shows {} regions", labels.objects());
    }
}

#[test]
fn nouns_are_listed_with_their_counts_and_caption_by_caption() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = folder.path().join("scenes").to_str().unwrap().to_owned();
    assert!(rsic(&["data", "scenes", &scenes, "--count", "51", "--size", "32"], "2").status.success());
    let counts = rsic(&["data", "nouns", &scenes, "--min-count", "2"], "2");
    let counts = String::from_utf8(counts.stdout).unwrap();
    assert!(counts.lines().count() > 20 && counts.contains("  trees"), "{counts}");
    let captions = rsic(&["data", "nouns", &scenes, "--min-count", "2", "--captions"], "2");
    let captions = String::from_utf8(captions.stdout).unwrap();
    assert_eq!(captions.lines().count(), 51 * 5);
    for line in captions.lines() {
        let mut fields = line.split('\t').skip(1);
        let (caption, nouns) = (fields.next().unwrap(), fields.next().unwrap());
        assert!(nouns.split_whitespace().all(|noun| caption.split(' ').any(|word| word == noun)), "{line}");
    }
}

/// Where regions are the true objects, the segmenter finds much of them: mean best overlap over the larger objects.
#[test]
fn regions_overlap_the_true_objects_of_drawn_scenes() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = folder.path().join("scenes");
    let options = rsic::scenes::Options { count: 17, size: 128, seed: 1 };
    rsic::scenes::generate(&options, &scenes).unwrap();
    let (mut sum, mut objects) = (0.0, 0);
    for number in 1..=17 {
        let image = image::open(scenes.join(format!("imgs/{number}.png"))).unwrap().to_rgb8();
        let truth = read(&scenes.join(format!("masks/{number}.png"))).unwrap();
        let found = segment(&image, &Default::default()).unwrap();
        for object in 1..=truth.objects() as u16 {
            let area = truth.ranks.iter().filter(|&&rank| rank == object).count();
            if area < 128 * 128 / 50 {
                continue;
            }
            let mut common = vec![0usize; found.objects() + 1];
            let mut areas = vec![0usize; found.objects() + 1];
            for (&t, &f) in truth.ranks.iter().zip(&found.ranks) {
                areas[usize::from(f)] += 1;
                common[usize::from(f)] += usize::from(t == object);
            }
            let overlap = |region: usize| common[region] as f64 / (area + areas[region] - common[region]) as f64;
            sum += (1..areas.len()).map(overlap).fold(0.0, f64::max);
            objects += 1;
        }
    }
    let mean = sum / f64::from(objects);
    println!("{objects} objects, mean best overlap {mean:.3}");
    assert!(mean > 0.3, "{mean}");
}
