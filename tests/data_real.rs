//! The published datasets, where a copy lies in `../shared/datasets` beside the crate: counts, vocabularies, images.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // in the helpers of tests

use rsic::data::stats::Stats;
use rsic::data::verify::{FindingKind, verify};
use rsic::data::{DataConfig, MissingPolicy, TextField, VocabularyConfig};
use rsic::data::{Dataset, Split, Vocabulary};
use std::path::{Path, PathBuf};

/// The folder of a dataset; `None`, with a note, where there is no copy.
fn folder(name: &str) -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/datasets")).join(name);
    if !folder.is_dir() {
        println!("no copy of {name} at hand: nothing checked");
        return None;
    }
    Some(folder)
}

fn captions(name: &str, file: &str) -> Option<(DataConfig, Dataset)> {
    let config = DataConfig { captions: file.into(), ..DataConfig::of_folder(folder(name)?) };
    let dataset = Dataset::load_captions(&config).unwrap();
    Some((config, dataset))
}

fn counts(dataset: &Dataset) -> [usize; 3] {
    Split::ALL.map(|split| dataset.split(split).len())
}

/// Words of the counted splits by a rule, the specials aside.
fn vocabulary(dataset: &Dataset, min_count: usize, splits: &str) -> usize {
    let rules = VocabularyConfig { min_count, splits: vec![splits.into()], ..VocabularyConfig::default() };
    Vocabulary::build(dataset, &rules).unwrap().len() - 4
}

fn cased(config: &DataConfig) -> Dataset {
    let rules = VocabularyConfig { lowercase: false, ..config.vocabulary.clone() };
    Dataset::load_captions(&DataConfig { vocabulary: rules, ..config.clone() }).unwrap()
}

#[test]
fn ucm_has_its_published_counts_and_the_vocabulary_of_the_golden_run() {
    let Some((config, ucm)) = captions("ucm", "dataset.json") else { return };
    assert_eq!((ucm.name.as_str(), counts(&ucm)), ("ucm", [1680, 210, 210]));
    assert!(ucm.images.iter().all(|image| image.captions.len() == 5));
    assert!(ucm.empty_captions.is_empty() && ucm.splits_given);
    let lengths = || ucm.images.iter().flat_map(|image| &image.captions).map(|caption| caption.words.len());
    assert_eq!((lengths().min(), lengths().max()), (Some(3), Some(22)));
    let v = Vocabulary::build(&ucm, &config.vocabulary).unwrap();
    assert_eq!((v.len(), v.max_length()), (273, 22));
    assert_eq!([vocabulary(&ucm, 1, "all"), vocabulary(&ucm, 6, "all"), vocabulary(&ucm, 6, "train")], [336, 278, 261]);
    let cased = cased(&config);
    let sizes = [vocabulary(&cased, 1, "all"), vocabulary(&cased, 6, "all"), vocabulary(&cased, 6, "train")];
    assert_eq!(sizes, [366, 297, 278]);
    // `raw` only adds the final point, which the rules drop.
    let raw = Dataset::load_captions(&DataConfig { text: TextField::Raw, ..config }).unwrap();
    assert_eq!(Vocabulary::build(&raw, &VocabularyConfig::default()).unwrap().hash(), v.hash());
}

#[test]
fn corrected_files_have_the_published_vocabularies() {
    let Some((_, ucm)) = captions("ucm", "dataset_corrected.json") else { return };
    let Some((config, sydney)) = captions("sydney", "dataset_corrected.json") else { return };
    assert_eq!(vocabulary(&ucm, 1, "all"), 298);
    assert_eq!((counts(&sydney), vocabulary(&sydney, 1, "all")), ([497, 58, 58], 191));
    assert_eq!(vocabulary(&sydney, 6, "all"), 147);
    assert_eq!(vocabulary(&cased(&config), 1, "all"), 201);
}

#[test]
fn sydney_has_its_published_counts_and_a_part_of_the_images() {
    let Some((config, sydney)) = captions("sydney", "dataset.json") else { return };
    assert_eq!(counts(&sydney), [497, 58, 58]);
    assert_eq!([vocabulary(&sydney, 1, "all"), vocabulary(&sydney, 6, "all")], [226, 156]);
    let part = Dataset::load(&config).unwrap();
    assert_eq!((part.images.len(), part.skipped.len()), (9, 604));
    let error = Dataset::load(&DataConfig { missing: MissingPolicy::Fail, ..config }).unwrap_err().to_string();
    assert!(error.contains("604 of 613 images are not usable") && error.contains("'10.tif' is absent"), "{error}");
}

#[test]
fn rsicd_has_its_published_counts_classes_and_three_empty_captions() {
    let Some((config, rsicd)) = captions("rsicd", "dataset.json") else { return };
    assert!(rsicd.caption_files[0].ends_with("dataset_rsicd.json"));
    assert_eq!(counts(&rsicd), [8734, 1094, 1093]);
    assert_eq!(rsicd.empty_captions, ["bridge_218.jpg", "bridge_59.jpg", "parking_211.jpg"]);
    assert_eq!(rsicd.images.iter().map(|image| image.captions.len()).sum::<usize>(), 54602);
    // 3064 tokens, of which "-" is no word.
    assert_eq!(
        [vocabulary(&rsicd, 1, "all"), vocabulary(&rsicd, 6, "all"), vocabulary(&rsicd, 6, "train")],
        [3063, 1200, 963]
    );
    // Published as 24333 distinct raw sentences per image, summed; two of one image differ in white space alone.
    let plain = VocabularyConfig { strip_punctuation: false, lowercase: false, ..config.vocabulary.clone() };
    let raw = DataConfig { text: TextField::Raw, vocabulary: plain, ..config.clone() };
    assert_eq!(Stats::of(&raw).unwrap().total.distinct_per_image, 24_332);
    let stats = Stats::of(&config).unwrap();
    assert_eq!((stats.total.distinct_per_image, stats.empty_captions, stats.total.found), (24_329, 3, 0));
    let distinct =
        Split::ALL.map(|split| stats.splits[&split].distinct_per_image as f64 / stats.splits[&split].images as f64);
    assert_eq!(distinct.map(|mean| format!("{mean:.2}")), ["2.04", "2.65", "3.31"]);
    assert_eq!(Split::ALL.map(|split| stats.splits[&split].longest), [34, 26, 32]);
    assert_eq!(stats.lengths.range(26..).map(|(_, count)| count).sum::<usize>(), 56);
    let mut classes: Vec<&str> = rsicd.images.iter().filter_map(|image| image.class.as_deref()).collect();
    assert_eq!(classes.len(), 10_000);
    classes.sort_unstable();
    classes.dedup();
    assert_eq!(classes.len(), 30);
    let error = Dataset::load(&config).unwrap_err().to_string();
    assert!(error.contains("none of the 10921 images"), "{error}");
}

#[test]
fn verify_passes_a_whole_copy_and_names_what_a_part_lacks() {
    let Some(ucm) = folder("ucm") else { return };
    let report = verify(&DataConfig::of_folder(&ucm), &|_| ()).unwrap();
    assert_eq!((report.decoded, report.faults.len()), (2100, 0), "{:?}", report.faults);
    assert_eq!(report.published.map(|known| known.name), Some("UCM-Captions"));
    let faults = |name: &str| {
        let report = verify(&DataConfig::of_folder(folder(name).unwrap()), &|_| ()).unwrap();
        (report.summary().into_iter().collect::<Vec<_>>(), report.decoded)
    };
    assert_eq!(faults("sydney"), (vec![(FindingKind::MissingImage, 604)], 9));
    assert_eq!(faults("nwpu"), (vec![(FindingKind::Counts, 1), (FindingKind::MissingImage, 4900)], 1400));
    assert_eq!(faults("rsicd"), (vec![(FindingKind::MissingImage, 1)], 0));
}

#[test]
fn original_tiffs_decode_like_their_jpeg_copies() {
    let Some(ucm) = folder("ucm") else { return };
    for number in [1, 100, 905, 2100] {
        let tiff = rsic::data::image::decode_file(&ucm.join(format!("{number}.tif"))).unwrap();
        let jpeg = rsic::data::image::decode_file(&ucm.join(format!("imgs/{number}.jpg"))).unwrap();
        assert_eq!(tiff.dimensions(), jpeg.dimensions());
        let sum: u64 = tiff.as_raw().iter().zip(jpeg.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / tiff.as_raw().len() as f64;
        assert!(mean < 2.0, "{number}: {mean}");
    }
}

#[test]
fn nwpu_images_lie_in_the_folders_of_their_classes() {
    let Some((config, nwpu)) = captions("nwpu", "dataset.json") else { return };
    assert_eq!(counts(&nwpu), [0, 3150, 3150]);
    assert_eq!(nwpu.empty_captions, ["golf_course_641.jpg"]);
    assert_eq!(nwpu.images.iter().filter(|image| image.captions.len() == 5 && image.class.is_some()).count(), 6299);
    let part = Dataset::load(&config).unwrap();
    assert_eq!((part.images.len(), part.skipped.len()), (1400, 4900));
    assert!(part.images[0].path.parent().unwrap().ends_with(part.images[0].class.as_deref().unwrap()));
}

#[test]
fn ucm_images_are_found_under_another_extension() {
    let Some((config, _)) = captions("ucm", "dataset.json") else { return };
    let ucm = Dataset::load(&config).unwrap();
    assert_eq!((ucm.images.len(), ucm.skipped.len()), (2100, 0));
    assert_eq!(ucm.images[0].file_name, "1.tif");
    assert!(ucm.images[0].path.ends_with("imgs/1.jpg"));
}
