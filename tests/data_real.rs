//! The published datasets, where a copy lies in `../shared/datasets` beside the crate: counts, vocabularies, images.

use rsic::config::schema::{DataConfig, MissingPolicy, TextField, VocabularyConfig};
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
    let mut classes: Vec<&str> = rsicd.images.iter().filter_map(|image| image.class.as_deref()).collect();
    assert_eq!(classes.len(), 10_000);
    classes.sort_unstable();
    classes.dedup();
    assert_eq!(classes.len(), 30);
    let error = Dataset::load(&config).unwrap_err().to_string();
    assert!(error.contains("none of the 10921 images"), "{error}");
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
