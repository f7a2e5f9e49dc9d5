//! The part-of-speech tagger against NLTK's tags of 392 captions, each cut into words in two ways.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

use rsic::data::pos::{Tag, Tagger};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Words and NLTK's tags.
type Sentence = (Vec<String>, Vec<Tag>);

/// The captions, both ways of cutting of each.
fn golden() -> Vec<[Sentence; 2]> {
    let text = include_str!("golden/nltk_pos.json");
    let value: Value = serde_json::from_str(text).unwrap();
    let strings = |v: &Value| -> Vec<String> { serde_json::from_value(v.clone()).unwrap() };
    let sentence =
        |v: &Value| (strings(&v[0]), strings(&v[1]).iter().map(|tag| Tag::of(tag).unwrap()).collect::<Vec<_>>());
    value["items"].as_array().unwrap().iter().map(|item| [sentence(&item[0]), sentence(&item[1])]).collect()
}

fn nltk() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/nltk")).to_owned();
    if !folder.is_dir() {
        eprintln!("NLTK's tables are not at '{}': nothing compared", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn with_nltks_tables_at_most_one_of_392_captions_is_tagged_otherwise() {
    let Some(folder) = nltk() else { return };
    let tagger = Tagger::load(&folder).unwrap();
    let golden = golden();
    assert_eq!(golden.len(), 392);
    let differs = |(words, tags): &Sentence| tagger.tag(words) != *tags;
    let different = golden.iter().filter(|cuts| cuts.iter().any(differs)).count();
    eprintln!("{different} of {} captions differ from NLTK's", golden.len());
    assert!(different <= 1, "{different} captions");
}

/// The golden captions are longer and more varied than those of the datasets, from which the built-in tables learnt.
#[test]
fn the_built_in_tables_agree_with_nltk_on_most_words() {
    let tagger = Tagger::builtin().unwrap();
    let (mut words, mut same, mut kinds) = (0, 0, 0);
    for (sentence, tags) in golden().iter().map(|cuts| &cuts[1]) {
        for (ours, &theirs) in tagger.tag(sentence).into_iter().zip(tags) {
            words += 1;
            same += usize::from(ours == theirs);
            kinds += usize::from((ours.is_noun(), ours.is_adjective()) == (theirs.is_noun(), theirs.is_adjective()));
        }
    }
    let share = |count: usize| count as f64 / words as f64;
    eprintln!(
        "of {words} words {:.4} have NLTK's tag, {:.4} are noun, adjective or neither",
        share(same),
        share(kinds)
    );
    assert!(share(same) > 0.95 && share(kinds) > 0.97, "{} {}", share(same), share(kinds));
}

#[test]
fn odd_words_are_tagged_without_fault() {
    let tagger = Tagger::builtin().unwrap();
    assert!(tagger.tag::<&str>(&[]).is_empty());
    assert_eq!(tagger.tag(&["", "-", "é", "1998", "日本語", "a-b", "\u{0}"]).len(), 7);
}

#[test]
fn a_folder_without_tables_is_an_error_that_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = format!("{:#}", Tagger::load(folder.path()).unwrap_err());
    assert!(error.contains("weights.json") && error.contains("averaged_perceptron_tagger_eng"), "{error}");
    std::fs::write(folder.path().join("x.weights.json"), r#"{"bias": {"NOUN": 1.0}}"#).unwrap();
    std::fs::write(folder.path().join("x.tagdict.json"), "{}").unwrap();
    let error = format!("{:#}", Tagger::load(folder.path()).unwrap_err());
    assert!(error.contains("'NOUN' is not a Penn Treebank tag"), "{error}");
}
