//! Forms of caption files that people really have: each is read right, or refused for the right reason.

#![allow(clippy::unwrap_used)] // in the helpers of tests

use rsic::data::{DataConfig, Dataset, Fault, Split, Vocabulary, VocabularyConfig, parse_captions};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A folder with ten small images and one caption file.
fn dataset(name: &str, captions: impl AsRef<[u8]>) -> (tempfile::TempDir, DataConfig) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("imgs")).unwrap();
    for number in 0..10u8 {
        let image = image::RgbImage::from_pixel(4, 4, image::Rgb([20 * number; 3]));
        image.save(folder.path().join(format!("imgs/{number}.png"))).unwrap();
    }
    fs::write(folder.path().join(name), captions).unwrap();
    let config = DataConfig { captions: name.into(), ..DataConfig::of_folder(folder.path()) };
    (folder, config)
}

fn load(name: &str, captions: impl AsRef<[u8]>) -> Dataset {
    Dataset::load(&dataset(name, captions).1).unwrap()
}

fn error(captions: &[u8]) -> String {
    parse_captions(captions).unwrap_err().to_string()
}

/// Captions of each image, by name.
fn captions(dataset: &Dataset) -> BTreeMap<&str, Vec<&str>> {
    dataset
        .images
        .iter()
        .map(|image| (image.file_name.as_str(), image.captions.iter().map(|c| c.text.as_str()).collect()))
        .collect()
}

#[test]
fn a_link_to_nothing_is_an_absent_image() {
    let (folder, config) = dataset("captions.csv", "image,caption,split\n1.png,a road,train\nx.png,a lake,train\n");
    std::os::unix::fs::symlink("gone.png", folder.path().join("imgs/x.png")).unwrap();
    let own = Dataset::load(&config).unwrap();
    assert_eq!(own.images.len(), 1);
    assert_eq!(own.skipped[0].fault, Fault::Absent);
}

#[test]
fn a_limit_keeps_the_first_images_of_each_split() {
    let rows: String = (0..10).map(|i| format!("{i}.png,a road,{}\n", if i < 6 { "train" } else { "test" })).collect();
    let (_folder, config) = dataset("captions.csv", format!("image,caption,split\n{rows}"));
    let limited = Dataset::load(&DataConfig { limit: Some(3), ..config }).unwrap();
    assert_eq!(
        captions(&limited).into_keys().collect::<Vec<_>>(),
        ["0.png", "1.png", "2.png", "6.png", "7.png", "8.png"]
    );
}

#[test]
fn an_image_that_a_file_lists_twice_is_one_image_in_one_split() {
    let rows: Vec<String> = (0..10)
        .flat_map(|i| ["a road", "a lake"].map(|text| (i, text)))
        .map(|(i, text)| format!(r#"{{"filename": "{i}.png", "sentences": [{{"raw": "{text}", "tokens": []}}]}}"#))
        .collect();
    let (_folder, mut config) = dataset("dataset.json", format!(r#"{{"images": [{}]}}"#, rows.join(",")));
    config.text = rsic::data::TextField::Raw;
    let own = Dataset::load(&config).unwrap();
    assert_eq!((own.images.len(), own.repeated.len()), (10, 10));
    assert_eq!(captions(&own)["3.png"], ["a road", "a lake"]);
    assert_eq!(Split::ALL.map(|split| own.split(split).len()), [8, 1, 1]);
}

#[test]
fn an_image_with_two_ids_in_a_coco_file_has_the_captions_of_both() {
    let own = load(
        "dataset.json",
        r#"{"images": [{"id": 1, "file_name": "0.png"}, {"id": 999, "file_name": "0.png"}, {"id": 2, "file_name": "1.png"}],
            "annotations": [{"image_id": 1, "caption": "a road"}, {"image_id": 999, "caption": "a lake"},
                            {"image_id": 2, "caption": "a field"}]}"#,
    );
    assert_eq!(captions(&own)["0.png"], ["a road", "a lake"]);
    assert_eq!(own.images.len(), 2);
}

#[test]
fn flickr8k_numbers_the_captions_of_an_image() {
    let own = load(
        "captions.tsv",
        "0.png#0\t\"a road , so it seems\n0.png#1\ttwo \"roads\"\n1.png#0\ta lake #1\n1.png#1\ta pond\n",
    );
    assert_eq!(captions(&own)["0.png"], ["\"a road , so it seems", "two \"roads\""]);
    assert_eq!(captions(&own)["1.png"], ["a lake #1", "a pond"]);
    // A name may hold the sign where it numbers nothing.
    let own = parse_captions(b"a#1.png\ta road\nb#x\ta lake\n").unwrap();
    assert_eq!(own.records[0].file_name, "a#1.png");
}

#[test]
fn ids_may_be_text_negative_or_written_as_fractions() {
    let coco = |ids: [&str; 2], of: [&str; 2]| {
        load(
            "dataset.json",
            format!(
                r#"{{"images": [{{"id": {}, "file_name": "0.png"}}, {{"id": {}, "file_name": "1.png"}}],
                    "annotations": [{{"image_id": {}, "caption": "a road"}}, {{"image_id": {}, "caption": "a lake"}}]}}"#,
                ids[0], ids[1], of[0], of[1]
            ),
        )
    };
    for (ids, of, numbers) in [
        (["\"7\"", "\"8\""], ["\"7\"", "8"], [7, 8]),
        (["7.0", "8"], ["7", "8.0"], [7, 8]),
        (["-1", "-2"], ["-1", "-2"], [0, 1]),
        (["\"scene-a\"", "\"scene-b\""], ["\"scene-a\"", "\"scene-b\""], [0, 1]),
    ] {
        let own = coco(ids, of);
        assert_eq!(captions(&own)["1.png"], ["a lake"]);
        assert_eq!([own.images[0].id, own.images[1].id], numbers, "{ids:?}");
    }
    let karpathy = br#"{"images": [{"filename": "0.png", "imgid": "4", "sentences": [{"raw": "a"}]},
        {"filename": "1.png", "imgid": -3, "sentences": [{"raw": "b"}]}]}"#;
    let ids: Vec<u64> = parse_captions(karpathy).unwrap().records.iter().map(|record| record.id).collect();
    assert_eq!(ids, [4, 1]);
}

#[test]
fn a_caption_may_be_a_list() {
    let own = load(
        "val.json",
        r#"[{"image": "0.png", "caption": ["a road", "a lake"]}, {"image": "1.png", "caption": "b"}]"#,
    );
    assert_eq!(captions(&own)["0.png"], ["a road", "a lake"]);
    assert_eq!(own.split(Split::Val), [0, 1]);
    let coco =
        br#"{"images": [{"id": 1, "file_name": "0.png"}], "annotations": [{"image_id": 1, "caption": ["a", "b"]}]}"#;
    assert_eq!(parse_captions(coco).unwrap().records[0].sentences.len(), 2);
}

#[test]
fn encodings_other_than_utf_8_are_named_with_their_place() {
    let latin = error(b"{\"images\": [\n {\"filename\": \"caf\xe9.png\", \"sentences\": []}]}");
    assert!(latin.starts_with("2:19: the file is not UTF-8 (byte 0xE9), perhaps Latin-1"), "{latin}");
    let latin = error(b"image,caption\n1.png,a caf\xe9\n");
    assert!(latin.starts_with("2:12: the file is not UTF-8"), "{latin}");
    let wide = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}[{{\"image\": \"0.png\"}}]").encode_utf16().flat_map(order).collect()
    };
    for bytes in [
        wide(u16::to_le_bytes, "\u{FEFF}"),
        wide(u16::to_be_bytes, "\u{FEFF}"),
        wide(u16::to_le_bytes, ""),
        wide(u16::to_be_bytes, ""),
    ] {
        assert!(error(&bytes).contains("not UTF-8 but UTF-16; save it as UTF-8"), "{}", error(&bytes));
    }
}

#[test]
fn a_vocabulary_that_keeps_no_word_is_refused() {
    let own = load("captions.csv", "image,caption,split\n0.png,a road,train\n1.png,a lake,train\n");
    let rules = VocabularyConfig { min_count: 3, ..VocabularyConfig::default() };
    let text = Vocabulary::build(&own, &rules).unwrap_err().to_string();
    assert!(text.contains("no word of") && text.contains("lower data.vocabulary.min_count"), "{text}");
    assert!(Vocabulary::build(&own, &VocabularyConfig { min_count: 2, ..rules }).is_ok());
}

#[test]
fn captions_too_long_to_learn_are_refused_unless_they_are_cut() {
    let long = "word ".repeat(200_000);
    let own = load("captions.csv", format!("image,caption,split\n0.png,{long},train\n1.png,a word,train\n"));
    let rules = VocabularyConfig { min_count: 1, ..VocabularyConfig::default() };
    let text = Vocabulary::build(&own, &rules).unwrap_err().to_string();
    assert!(text.contains("has 200000 words; set data.vocabulary.max_length"), "{text}");
    assert!(Vocabulary::build(&own, &VocabularyConfig { max_length: Some(20), ..rules }).is_ok());
}

#[test]
fn an_empty_list_of_masks_is_an_image_without_objects() {
    use rsic::data::masks::{MaskMode, draw, read};
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("1.json", "[]\n"), ("2.json", r#"{"image": {"width": 4}, "annotations": []}"#)] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let labels = read(&path).unwrap();
        assert_eq!(labels.objects(), 0);
        let image = image::RgbImage::from_pixel(5, 3, image::Rgb([9, 8, 7]));
        assert_eq!(draw(&image, &labels, MaskMode::Overlay, 0.5), image);
    }
}

#[test]
fn a_mask_that_is_a_finished_overlay_is_told_which_mode_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join("1.png");
    image::RgbImage::from_fn(90, 90, |x, y| image::Rgb([x as u8, y as u8, 7])).save(path).unwrap();
    let text = format!("{:#}", rsic::data::masks::read(path).unwrap_err());
    assert!(text.contains("1.png") && text.contains("model.s2cpnet.masks.mode=picture"), "{text}");
}
