//! Attribute words of a dataset: the frequent nouns and adjectives of its captions.
//!
//! JTTS (Ye et al. 2022) predicts them from the image. The paper names no tagger; words are not lemmatised there.

use super::pos::Tagger;
use super::{Dataset, ImageEntry, Split};
use crate::util::fs::{read_text, write_atomic};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which words are attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// A noun or adjective is an attribute where the counted captions hold it more often than this.
    pub above: usize,
    /// Splits whose captions are counted.
    ///
    /// Deviation: the paper does not say; counting all splits lets words of the test captions choose attributes.
    #[serde(skip_serializing_if = "is_train")]
    pub splits: Vec<Split>,
    /// Folder with the JSON tables of NLTK's `averaged_perceptron_tagger_eng`; our own small tables where absent.
    pub tagger: Option<PathBuf>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { above: 100, splits: vec![Split::Train], tagger: None }
    }
}

/// What is so by default is not written, so that experiments keep their identity.
fn is_train(splits: &[Split]) -> bool {
    splits == [Split::Train]
}

/// The attribute words: by falling count, equal counts alphabetically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    words: Vec<String>,
    /// How often the training captions hold each as a noun or an adjective.
    counts: Vec<usize>,
    /// Place of each word.
    places: BTreeMap<String, usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    words: Vec<String>,
    counts: Vec<usize>,
}

impl Attributes {
    /// Counts the nouns and adjectives of the training captions; every word of a caption counts.
    pub fn build(dataset: &Dataset, rules: &Rules) -> Result<Self> {
        let tagger = match &rules.tagger {
            Some(folder) => Tagger::load(folder)?,
            None => Tagger::builtin()?,
        };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for image in dataset.images.iter().filter(|image| rules.splits.contains(&image.split)) {
            for caption in &image.captions {
                for (word, tag) in caption.words.iter().zip(tagger.tag(&caption.words)) {
                    if tag.is_noun() || tag.is_adjective() {
                        *counts.entry(word).or_default() += 1;
                    }
                }
            }
        }
        let mut kept: Vec<(&str, usize)> = counts.into_iter().filter(|(_, count)| *count > rules.above).collect();
        kept.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        if kept.is_empty() {
            bail!(
                "no noun or adjective occurs more than {} times in the counted captions of '{}'; lower the threshold",
                rules.above,
                dataset.name
            );
        }
        Ok(Self::new(kept.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()))
    }

    fn new(kept: Vec<(String, usize)>) -> Self {
        let (words, counts): (Vec<String>, Vec<usize>) = kept.into_iter().unzip();
        let places = words.iter().cloned().zip(0..).collect();
        Self { words, counts, places }
    }

    /// Number of attributes; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The words in order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How often the training captions hold each word as a noun or an adjective.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The attributes of an image, 1 or 0 each: those that one of its captions holds, as whatever part of speech.
    pub fn of_image(&self, image: &ImageEntry) -> Vec<f32> {
        let mut present = vec![0.0; self.len()];
        for word in image.captions.iter().flat_map(|caption| &caption.words) {
            if let Some(value) = self.places.get(word).and_then(|&place| present.get_mut(place)) {
                *value = 1.0;
            }
        }
        present
    }

    /// The attributes as JSON.
    pub fn to_json(&self) -> Result<String> {
        let stored = Stored { words: self.words.clone(), counts: self.counts.clone() };
        Ok(serde_json::to_string_pretty(&stored)? + "\n")
    }

    /// Writes [`Self::to_json`].
    pub fn save(&self, path: &Path) -> Result<()> {
        write_atomic(path, self.to_json()?.as_bytes())
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(path: &Path) -> Result<Self> {
        let stored: Stored = serde_json::from_str(&read_text(path)?)
            .map_err(crate::util::json::error)
            .with_context(|| format!("'{}' is not a list of attributes", path.display()))?;
        let attributes = Self::new(stored.words.into_iter().zip(stored.counts.iter().copied()).collect());
        if attributes.words.is_empty() || attributes.places.len() != stored.counts.len() {
            bail!("'{}' is not a list of attributes: words and counts do not match", path.display());
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Caption;

    fn image(split: Split, captions: &[&str]) -> ImageEntry {
        let caption =
            |text: &&str| Caption { words: text.split(' ').map(str::to_owned).collect(), text: (*text).to_owned() };
        ImageEntry {
            id: 0,
            file_name: "a.png".into(),
            path: "a.png".into(),
            split,
            class: None,
            captions: captions.iter().map(caption).collect(),
        }
    }

    fn dataset() -> Dataset {
        Dataset {
            name: "some".into(),
            caption_files: Vec::new(),
            captions_sha256: String::new(),
            images_dir: PathBuf::new(),
            images: vec![
                image(Split::Train, &["many green trees are near a river", "there are many trees"]),
                image(Split::Train, &["a building is near many cars", "a white building"]),
                image(Split::Test, &["white trees in a river"]),
            ],
            skipped: Vec::new(),
            empty_captions: Vec::new(),
            repeated: Vec::new(),
            splits_given: true,
        }
    }

    #[test]
    fn nouns_and_adjectives_above_the_threshold_are_counted_in_training_captions_alone() {
        let attributes = Attributes::build(&dataset(), &Rules { above: 1, ..Rules::default() }).unwrap();
        assert_eq!(attributes.words(), ["many", "building", "trees"]);
        assert_eq!(attributes.counts(), [3, 2, 2]);
        let error = Attributes::build(&dataset(), &Rules { above: 9, ..Rules::default() }).unwrap_err().to_string();
        assert!(error.contains("more than 9 times"), "{error}");
        let all = Rules { above: 1, splits: vec![Split::Train, Split::Test], tagger: None };
        assert_eq!(
            Attributes::build(&dataset(), &all).unwrap().words(),
            ["many", "trees", "building", "river", "white"]
        );
    }

    #[test]
    fn an_image_has_the_attributes_of_any_of_its_captions() {
        let attributes = Attributes::build(&dataset(), &Rules { above: 1, ..Rules::default() }).unwrap();
        assert_eq!(attributes.of_image(&dataset().images[1]), [1.0, 1.0, 0.0]);
        assert_eq!(attributes.of_image(&dataset().images[2]), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn they_come_back_from_their_file_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attributes.json");
        let attributes = Attributes::build(&dataset(), &Rules { above: 0, ..Rules::default() }).unwrap();
        attributes.save(&path).unwrap();
        assert_eq!(Attributes::load(&path).unwrap(), attributes);
        for bad in ["{", r#"{"words": ["a", "a"], "counts": [1, 1]}"#, r#"{"words": [], "counts": []}"#] {
            std::fs::write(&path, bad).unwrap();
            assert!(format!("{:#}", Attributes::load(&path).unwrap_err()).contains("attributes.json"));
        }
    }
}
