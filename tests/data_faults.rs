//! What users' files can have wrong: each fault is one sentence that names the place, and nothing panics.

#![allow(clippy::unwrap_used)] // in the helpers of tests

use rsic::data::{DataConfig, MissingPolicy};
use rsic::data::{Dataset, Fault, Split, Vocabulary, parse_captions};
use rsic::util::rng::Rng;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const CAPTIONS: &str = r#"{"images": [
 {"filename": "beach_1.tif", "imgid": 0, "split": "train", "sentences": [{"tokens": ["A", "beach"], "raw": "A beach ."}]},
 {"filename": "beach_2.tif", "imgid": 1, "split": "val", "sentences": [{"tokens": ["Waves"], "raw": "Waves ."}]},
 {"filename": "river_1.tif", "imgid": 2, "split": "test", "sentences": [{"tokens": ["A", "river"], "raw": "A river ."}]}
], "dataset": "own"}
"#;

/// A dataset of three images, each of its own colour.
fn dataset() -> (tempfile::TempDir, DataConfig) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("dataset.json"), CAPTIONS).unwrap();
    fs::create_dir(folder.path().join("imgs")).unwrap();
    for (colour, name) in [(10, "beach_1"), (20, "beach_2"), (30, "river_1")] {
        let image = image::RgbImage::from_pixel(8, 8, image::Rgb([colour; 3]));
        image.save(folder.path().join(format!("imgs/{name}.png"))).unwrap();
    }
    let config = DataConfig::of_folder(folder.path());
    (folder, config)
}

fn error(config: &DataConfig) -> String {
    format!("{:#}", Dataset::load(config).unwrap_err())
}

fn rsic(arguments: &[&str], dataset: &Path) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rsic")).args(arguments).arg(dataset).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

#[test]
fn a_sound_dataset_loads_and_verifies() {
    let (folder, config) = dataset();
    let own = Dataset::load(&config).unwrap();
    assert_eq!((own.name.as_str(), own.images.len()), ("own", 3));
    assert_eq!((own.split(Split::Train), own.split(Split::Test)), (vec![0], vec![2]));
    assert_eq!(own.images[2].class.as_deref(), Some("river"));
    assert_eq!(
        (own.images[0].captions[0].words.join("+"), own.images[0].captions[0].text.as_str()),
        ("a+beach".into(), "A beach")
    );
    let (output, text) = rsic(&["data", "verify"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{text}");
    let (output, text) = rsic(&["data", "stats", "--format", "json"], folder.path());
    let stats: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(stats["splits"]["train"]["images"], 1);
    assert_eq!(stats["total"]["found"], 3);
}

#[test]
fn a_missing_dataset_folder_is_named() {
    let (folder, _) = dataset();
    let absent = folder.path().join("absent");
    let text = error(&DataConfig::of_folder(&absent));
    assert!(text.contains("absent' does not exist") && text.contains("data.root"), "{text}");
    let (output, text) = rsic(&["data", "verify"], &absent);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("does not exist; give a dataset folder"), "{text}");
    fs::remove_file(folder.path().join("dataset.json")).unwrap();
    let text = error(&DataConfig::of_folder(folder.path()));
    assert!(text.contains("no caption file") && text.contains("data.captions"), "{text}");
    let text = error(&DataConfig { images: Some("pictures".into()), ..dataset().1 });
    assert!(text.contains("pictures' does not exist"), "{text}");
}

#[test]
fn a_caption_file_cut_in_half_names_file_line_and_column() {
    let (folder, config) = dataset();
    fs::write(folder.path().join("dataset.json"), &CAPTIONS[..CAPTIONS.len() / 2]).unwrap();
    let text = error(&config);
    assert!(text.contains("dataset.json:3:") && text.contains("truncated"), "{text}");
    let (output, _) = rsic(&["data", "stats"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    fs::write(folder.path().join("dataset.json"), "").unwrap();
    assert!(error(&config).contains("dataset.json: the caption file is empty"), "{}", error(&config));
    fs::write(folder.path().join("dataset.json"), CAPTIONS.replace("\"val\"", "\"vale\"")).unwrap();
    assert!(error(&config).contains("dataset.json:3:") && error(&config).contains("did you mean 'val'"));
    fs::write(folder.path().join("dataset.json"), CAPTIONS.replace("\"split\": \"val\",", "")).unwrap();
    assert!(error(&config).contains("1 of 3 images have no split, e.g. 'beach_2.tif'"));
}

#[test]
fn absent_and_empty_images_are_skipped_and_counted_or_fail() {
    let (folder, config) = dataset();
    fs::remove_file(folder.path().join("imgs/beach_2.png")).unwrap();
    fs::write(folder.path().join("imgs/river_1.png"), "").unwrap();
    let own = Dataset::load(&config).unwrap();
    assert_eq!(own.images.len(), 1);
    let skipped: Vec<_> = own.skipped.iter().map(|skipped| (skipped.file_name.as_str(), skipped.fault)).collect();
    assert_eq!(skipped, [("beach_2.tif", Fault::Absent), ("river_1.tif", Fault::Empty)]);
    let text = error(&DataConfig { missing: MissingPolicy::Fail, ..config.clone() });
    assert!(text.contains("2 of 3 images are not usable") && text.contains("data.missing=skip"), "{text}");
    let (output, text) = rsic(&["data", "verify"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("'beach_2.tif' (val) is absent") && text.contains("'river_1.tif' (test) is empty"), "{text}");
    fs::remove_file(folder.path().join("imgs/beach_1.png")).unwrap();
    assert!(error(&config).contains("none of the 3 images"), "{}", error(&config));
}

#[test]
fn verify_names_unreadable_images_duplicates_and_empty_captions() {
    let (folder, _) = dataset();
    let file = |name: &str| folder.path().join("imgs").join(name);
    fs::write(file("beach_1.png"), "two planes on a runway").unwrap();
    fs::copy(file("beach_2.png"), file("river_1.png")).unwrap();
    let more = r#"{"filename": "beach_2.tif", "split": "test", "sentences": [{"tokens": [], "raw": "."}]}, {"filename": "river_1"#;
    fs::write(folder.path().join("dataset.json"), CAPTIONS.replace("{\"filename\": \"river_1", more)).unwrap();
    let (output, text) = rsic(&["data", "verify"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    for expected in [
        "beach_1.png' (train) is not a TIFF, PNG, JPEG, WebP or BMP image",
        "'beach_2.tif' is in two splits, val and test",
        "are identical files",
        "'beach_2.tif' has an empty caption",
        "'beach_2.tif' (test) has no caption",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[test]
fn counts_are_compared_where_the_name_says_which_dataset_it_is() {
    let (folder, _) = dataset();
    fs::write(folder.path().join("dataset.json"), CAPTIONS.replace("\"own\"", "\"UCM\"")).unwrap();
    let (output, text) = rsic(&["data", "verify"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("3 images (1 train, 1 val, 1 test); UCM-Captions has 2100"), "{text}");
    assert!(text.contains("'beach_1.tif' has 1 captions, not 5"), "{text}");
}

#[test]
fn coco_folders_take_their_splits_from_the_file_names() {
    let (folder, config) = dataset();
    fs::create_dir(folder.path().join("annotations")).unwrap();
    for (name, split) in [("beach_1", "train"), ("beach_2", "val")] {
        let text = format!(
            r#"{{"images":[{{"id":1,"file_name":"{name}.jpg"}}],"annotations":[{{"image_id":1,"caption":"A beach."}}]}}"#
        );
        fs::write(folder.path().join(format!("annotations/captions_{split}2017.json")), text).unwrap();
    }
    fs::write(folder.path().join("annotations/instances_train2017.json"), "{}").unwrap();
    let coco = Dataset::load(&DataConfig { captions: "annotations".into(), ..config }).unwrap();
    let found: Vec<_> = coco.images.iter().map(|image| (image.id, image.split)).collect();
    assert_eq!(found, [(0, Split::Train), (1, Split::Val)], "ids that two files share become positions");
    assert_eq!(coco.images[0].captions[0].words, ["a", "beach"]);
}

#[test]
fn csv_without_splits_is_split_by_the_rule() {
    let (folder, config) = dataset();
    let rows: String = (0..10).map(|i| format!("{i}.png,\"a scene, numbered {i}\"\n")).collect();
    fs::write(folder.path().join("own.csv"), rows).unwrap();
    for i in 0..10 {
        fs::copy(folder.path().join("imgs/beach_1.png"), folder.path().join(format!("imgs/{i}.png"))).unwrap();
    }
    let own = Dataset::load(&DataConfig { captions: "own.csv".into(), ..config }).unwrap();
    assert!(!own.splits_given);
    assert_eq!(Split::ALL.map(|split| own.split(split).len()), [8, 1, 1]);
}

#[test]
fn a_vocabulary_of_splits_without_captions_is_an_error() {
    let (_folder, mut config) = dataset();
    config.vocabulary.splits = vec!["trian".into()];
    let own = Dataset::load(&config).unwrap();
    let text = Vocabulary::build(&own, &config.vocabulary).unwrap_err().to_string();
    assert!(text.contains("did you mean 'train'"), "{text}");
    config.vocabulary.splits = Vec::new();
    assert!(Vocabulary::build(&own, &config.vocabulary).is_err());
}

/// Captions of every format, cut, flipped, spliced: an answer or a sentence, never a panic, and never a hang.
#[test]
fn hostile_caption_files_never_panic() {
    let seeds: Vec<Vec<u8>> = vec![
        CAPTIONS.into(),
        br#"{"beach":[{"filename":"b_1.jpg","imgid":3,"split":"val","raw":"a .","raw_1":"b ."}]}"#.to_vec(),
        br#"{"images":[{"id":5,"file_name":"b.jpg"}],"annotations":[{"image_id":5,"caption":"two"}]}"#.to_vec(),
        b"{\"image\":\"a.png\",\"caption\":\"x\"}\n{\"image\":\"b.png\",\"captions\":[\"y\"],\"split\":\"test\"}\n"
            .to_vec(),
        b"image,caption,split\na.png,\"x, \"\"y\"\"\",train\nb.png,z,test\n".to_vec(),
        b"[{\"image\":\"a.png\",\"caption\":\"x\"}]".to_vec(),
    ];
    let mut rng = Rng::new(&[2026]);
    let mut accepted = 0;
    for round in 0..9_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..rng.below(6) {
            let at = rng.below(bytes.len() + 1);
            match rng.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, rng.next_u64() as u8),
                2 => bytes.insert(at, *rng.pick(b"{}[]\",:\n\t0-eu\\ ").unwrap()),
                3 => {
                    let other = &seeds[rng.below(seeds.len())];
                    bytes.extend_from_slice(&other[rng.below(other.len())..]);
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << rng.below(8);
                    }
                }
            }
        }
        match parse_captions(&bytes) {
            Ok(file) => {
                accepted += 1;
                assert!(!file.records.is_empty());
            }
            Err(error) => {
                let text = format!("{error:#}");
                assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
                for foreign in ["struct ", "enum", "u64", "i64", "usize", "Some(", "None", "Error"] {
                    assert!(!text.contains(foreign), "{text}");
                }
            }
        }
    }
    assert!(accepted > 1500, "{accepted}: the mutations leave too few files whole to be a test");
    let deep = [b"[".repeat(100_000), b"{\"a\":".repeat(100_000)];
    assert!(deep.iter().all(|bytes| parse_captions(bytes).is_err()));
}

#[test]
fn names_that_leave_the_image_folder_are_refused() {
    let (folder, config) = dataset();
    fs::write(folder.path().join("dataset.json"), CAPTIONS.replace("beach_1.tif", "../../secret.png")).unwrap();
    assert!(error(&config).contains("'../../secret.png', which is not inside the image folder"));
}
