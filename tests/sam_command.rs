//! `rsic data masks --sam` and `rsic caption --sam` with a small model of random weights: files, resume, shards,
//! readers.
#![allow(clippy::unwrap_used)]

mod common;

use common::{command, refused, rsic, small_sam, succeeds, text};
use rsic::data::masks::{Finder, MaskRules, parse_records, prepare, read};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A folder of that name with `count` scenes of 48 pixels in `scenes` without masks, and weights in
/// `small.safetensors`.
fn workplace(name: &str, count: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).unwrap();
    succeeds(&rsic(&place, &["data", "scenes", "scenes", "--count", count, "--size", "48"]));
    fs::remove_dir_all(place.join("scenes/masks")).unwrap();
    small_sam(&place.join("small.safetensors"));
    place
}

/// Every answer counts; on one core sums have one order.
const ALL: [&str; 10] = [
    "--sam",
    "small.safetensors",
    "--points-per-side",
    "3",
    "--pred-iou-thresh",
    "0",
    "--stability-score-thresh",
    "0",
    "--threads",
    "1",
];

fn masks(dataset: &'static str, more: &[&'static str]) -> Vec<&'static str> {
    ["data", "masks", dataset].iter().chain(&ALL).chain(more).copied().collect()
}

/// Files of a folder and their content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn pictures_and_records_are_made_once_and_made_good_after_a_kill() {
    let place = workplace("sam_kill", "17");
    let folder = place.join("scenes/masks");
    let mut child = command(&place, &masks("scenes", &[])).spawn().unwrap();
    let start = Instant::now();
    while !folder.is_dir() || files(&folder).len() < 5 {
        assert!(start.elapsed() < Duration::from_secs(300) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let early = files(&folder);
    let pictures = early.keys().filter(|name| name.ends_with(".png")).count();
    // What a kill may leave between the two files of an image.
    fs::remove_file(folder.join("1.png")).unwrap();
    let before = fs::metadata(folder.join("1.json")).unwrap().modified().unwrap();
    let printed = succeeds(&rsic(&place, &masks("scenes", &[])));
    assert!(printed.contains(&format!("{} already existed", pictures - 1)), "{printed}");
    assert!(printed.contains("Segment Anything (a ViT of 2 blocks of width 32"), "{printed}");
    assert_eq!(fs::metadata(folder.join("1.json")).unwrap().modified().unwrap(), before);
    let made = files(&folder);
    for (name, bytes) in early.iter().filter(|(name, _)| !name.ends_with(".tmp")) {
        assert!(made[name] == *bytes, "{name} changed");
    }
    for number in 1..=17 {
        let records = parse_records(std::str::from_utf8(&made[&format!("{number}.json")]).unwrap()).unwrap();
        let labels = read(&folder.join(format!("{number}.png"))).unwrap();
        assert_eq!((labels.width, labels.height), (48, 48));
        assert!(!records.is_empty() && labels.objects() > 0, "{number} shows nothing");
        assert!(records.iter().all(|record| (record.mask.width, record.mask.height) == (48, 48)));
    }
    assert!(succeeds(&rsic(&place, &masks("scenes", &[]))).contains("0 masks made"));
    // S2CPNet's own reader.
    let images: Vec<PathBuf> = (1..=17).map(|number| place.join(format!("scenes/imgs/{number}.png"))).collect();
    let finder = Finder::of_dataset(Path::new("masks"), &place.join("scenes"), &place.join("scenes/imgs"));
    let pictures = prepare(&images, &finder, &MaskRules::default(), &place.join("cache")).unwrap();
    assert_eq!(pictures.segmented, 0);
    assert!(pictures.paths.iter().all(|path| path.is_file()));
    // Everything anew is the same; two shards are the whole.
    for shard in ["1/2", "2/2"] {
        let mut arguments = masks("scenes", &["--output", "anew", "--shard"]);
        arguments.push(shard);
        succeeds(&rsic(&place, &arguments));
    }
    let names = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
        files.keys().filter(|name| !name.ends_with(".tmp")).cloned().collect()
    };
    let anew = files(&place.join("anew"));
    assert_eq!(names(&anew), names(&made));
    assert!(anew.iter().all(|(name, bytes)| made[name] == *bytes));
}

#[test]
fn a_folder_of_images_will_do_and_faults_are_counted_and_named() {
    let place = workplace("sam_folder", "17");
    fs::create_dir(place.join("photos")).unwrap();
    for number in ["3", "4"] {
        fs::copy(place.join(format!("scenes/imgs/{number}.png")), place.join(format!("photos/{number}.png"))).unwrap();
    }
    fs::write(place.join("photos/bad.jpg"), "no picture").unwrap();
    let more = ["--picture", "overlay", "--uncompressed", "--min-mask-region-area", "9", "--crop-n-layers", "1"];
    let output = rsic(&place, &masks("photos", &more));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("bad.jpg"), "{output:?}");
    let printed = text(&output.stdout);
    assert!(printed.contains("2 masks made") && printed.contains("1 images failed"), "{printed}");
    let records = fs::read_to_string(place.join("photos/masks/3.json")).unwrap();
    assert!(records.contains("\"counts\":[") && parse_records(&records).is_ok());
    assert!(place.join("photos/masks/4.png").is_file());
    // The substitute on the same folder: what is there stays.
    let output = rsic(&place, &["data", "masks", "photos"]);
    assert!(text(&output.stdout).contains("2 already existed"), "{output:?}");
}

#[test]
fn absent_weights_and_settings_that_mean_nothing_are_refused() {
    let place = workplace("sam_absent", "17");
    let absent = rsic(&place, &["data", "masks", "scenes", "--sam", "sam_vit_l"]);
    refused(&absent, &["sam_vit_l", "`rsic weights fetch sam_vit_l`", "colour segmentation"]);
    let setting = rsic(&place, &masks("scenes", &["--crop-overlap-ratio", "2"]));
    refused(&setting, &["crop overlap"]);
    refused(&rsic(&place, &masks("scenes", &["--shard", "3/2"])), &["1/4"]);
    let other = rsic(&place, &["data", "masks", "scenes", "--sam", "scenes/dataset.json"]);
    refused(&other, &["dataset.json"]);
}

const S2CPNET: &str = "name: small
data: {root: scenes, captions: dataset.json, vocabulary: {max_length: 25}}
encoders: [{name: densenet121, weights: random, image_size: 32}]
model:
  s2cpnet: {grid: 1, width: 32, heads: 2, units: 1, noun_words: {min_count: 1}}
train: {batch_size: 17, epochs: 1, early_stop: {metric: ROUGE_L, patience: 200}}
decode: {method: greedy}
";

#[test]
fn captions_have_masks_made_for_them_and_it_is_said() {
    let place = workplace("sam_caption", "17");
    fs::write(place.join("small.yaml"), S2CPNET).unwrap();
    succeeds(&rsic(&place, &["train", "small.yaml", "--output", "run"]));
    fs::create_dir(place.join("photos")).unwrap();
    fs::copy(place.join("scenes/imgs/5.png"), place.join("photos/5.png")).unwrap();
    // What a dataset's masks must be is nothing to single images.
    let caption = ["caption", "--model", "run", "photos", "--set", "model.s2cpnet.masks.missing=fail"];
    let plain = rsic(&place, &caption);
    succeeds(&plain);
    assert!(text(&plain.stderr).contains("1 of 1 images have no mask and were segmented by colour"), "{plain:?}");
    for made in ["made 1 now and 0 earlier", "made 0 now and 1 earlier"] {
        let mut arguments = caption.to_vec();
        arguments.extend(["--sam", "small.safetensors"]);
        let output = rsic(&place, &arguments);
        assert_eq!(succeeds(&output).lines().count(), 1);
        let said = text(&output.stderr);
        assert!(said.contains(made) && !said.contains("colour"), "{said}");
    }
    let mut arguments = caption.to_vec();
    arguments.extend(["--sam", "nowhere.pth"]);
    refused(&rsic(&place, &arguments), &["nowhere.pth", "rsic weights fetch sam_vit_b"]);
}
