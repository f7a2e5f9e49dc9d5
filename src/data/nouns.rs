//! The nouns of captions, which a model may predict beside the words.
//!
//! S2CPNet (Fig. 2): nouns by NLTK's part-of-speech tagger, without rare and meaningless ones. The program
//! that made the authors' lists is not published; what the paper leaves open is a setting here.

use super::pos::Tagger;
use super::{Dataset, Split, stop_words};
use anyhow::{Context, Result, bail};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Which words of a caption are its nouns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NounRules {
    /// Nouns seen fewer times, as nouns, in the counted splits are left out.
    pub min_count: usize,
    /// Splits whose captions are counted.
    pub splits: Vec<String>,
    /// Nouns that say nothing of an image (default: the reviewed list of the dataset).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// Most nouns of a caption: the first ones.
    pub max: usize,
    /// Keep a noun that comes again in the same caption.
    pub repeats: bool,
    /// Folder of NLTK's tagger tables (default: the built-in tables).
    pub tagger: Option<PathBuf>,
}

impl Default for NounRules {
    fn default() -> Self {
        Self { min_count: 5, splits: vec!["train".into()], stop: None, max: 12, repeats: false, tagger: None }
    }
}

/// The nouns of a dataset by some rules.
#[derive(Debug)]
pub struct Nouns {
    tagger: Tagger,
    max: usize,
    repeats: bool,
    /// The nouns that are kept, with their counts.
    kept: BTreeMap<String, usize>,
    /// Those that the stop list leaves out.
    stopped: BTreeMap<String, usize>,
}

impl Nouns {
    /// Tags the captions of the counted splits and counts their nouns.
    ///
    /// Errors: unreadable tables, an unknown split, no caption to count.
    pub fn build(dataset: &Dataset, rules: &NounRules) -> Result<Self> {
        let tagger = match &rules.tagger {
            Some(folder) => Tagger::load(folder)?,
            None => Tagger::builtin()?,
        };
        let splits = Split::parse_list(&rules.splits).context("in the splits whose nouns are counted")?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut captions = 0;
        for image in dataset.images.iter().filter(|image| splits.contains(&image.split)) {
            for caption in &image.captions {
                captions += 1;
                for noun in tagged(&tagger, &caption.words) {
                    *counts.entry(noun.to_owned()).or_default() += 1;
                }
            }
        }
        if captions == 0 {
            bail!("nouns are counted in {}, which have no captions in '{}'", rules.splits.join(", "), dataset.name);
        }
        let stop: BTreeSet<&str> = match &rules.stop {
            Some(given) => given.iter().map(String::as_str).collect(),
            None => stop_words::of(dataset).collect(),
        };
        let (stopped, mut kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            counts.into_iter().partition(|(noun, _)| stop.contains(noun.as_str()));
        kept.retain(|_, count| *count >= rules.min_count);
        Ok(Self { tagger, max: rules.max, repeats: rules.repeats, kept, stopped })
    }

    /// The nouns of a caption in the order of its words.
    pub fn of<'a>(&self, words: &'a [String]) -> Vec<&'a str> {
        let mut nouns = Vec::new();
        for noun in tagged(&self.tagger, words) {
            if nouns.len() < self.max && self.kept.contains_key(noun) && (self.repeats || !nouns.contains(&noun)) {
                nouns.push(noun);
            }
        }
        nouns
    }

    /// Every noun that is kept, by falling count, equal counts alphabetically.
    pub fn counts(&self) -> Vec<(&str, usize)> {
        falling(&self.kept)
    }

    /// Every noun that the stop list leaves out, in the same order.
    pub fn stopped(&self) -> Vec<(&str, usize)> {
        falling(&self.stopped)
    }

    /// The nouns of every caption of every image, in the order of the dataset. Captions that come again are tagged
    /// once.
    pub fn of_dataset(&self, dataset: &Dataset) -> Vec<Vec<Vec<String>>> {
        let mut known: FxHashMap<&[String], Vec<String>> = FxHashMap::default();
        let mut all = Vec::with_capacity(dataset.images.len());
        for image in &dataset.images {
            let of = image.captions.iter().map(|caption| {
                let nouns = known
                    .entry(&caption.words)
                    .or_insert_with(|| self.of(&caption.words).into_iter().map(str::to_owned).collect());
                nouns.clone()
            });
            all.push(of.collect());
        }
        all
    }
}

fn falling(counts: &BTreeMap<String, usize>) -> Vec<(&str, usize)> {
    let mut counts: Vec<(&str, usize)> = counts.iter().map(|(noun, count)| (noun.as_str(), *count)).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts
}

/// The common nouns of a caption: tags NN and NNS. Proper nouns are left out: in captions they are first words with a
/// capital letter.
fn tagged<'a>(tagger: &Tagger, words: &'a [String]) -> impl Iterator<Item = &'a str> {
    let tags = tagger.tag(words);
    words.iter().zip(tags).filter(|(_, tag)| matches!(tag.name(), "NN" | "NNS")).map(|(word, _)| word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Caption, ImageEntry};

    fn dataset(captions: &[&str]) -> Dataset {
        let caption =
            |text: &&str| Caption { words: text.split(' ').map(str::to_owned).collect(), text: (*text).to_owned() };
        let image = ImageEntry {
            id: 0,
            file_name: "a.png".into(),
            path: "a.png".into(),
            split: Split::Train,
            class: None,
            captions: captions.iter().map(caption).collect(),
        };
        Dataset {
            name: "test".into(),
            caption_files: Vec::new(),
            captions_sha256: String::new(),
            images_dir: PathBuf::new(),
            images: vec![image],
            skipped: Vec::new(),
            empty_captions: Vec::new(),
            repeated: Vec::new(),
            splits_given: true,
        }
    }

    fn nouns(rules: &NounRules) -> Vec<Vec<Vec<String>>> {
        let dataset = dataset(&[
            "there are many green trees and some buildings in the park",
            "trees and trees are around a small lake",
            "a row of buildings is near trees",
        ]);
        Nouns::build(&dataset, rules).unwrap().of_dataset(&dataset)
    }

    #[test]
    fn nouns_come_in_the_order_of_the_words_once_and_without_stop_words() {
        let rules = NounRules { min_count: 1, ..NounRules::default() };
        assert_eq!(
            nouns(&rules),
            [[vec!["trees", "buildings", "park"], vec!["trees", "lake"], vec!["buildings", "trees"]]]
        );
        let repeats = NounRules { repeats: true, max: 2, ..rules };
        assert_eq!(nouns(&repeats)[0][1], ["trees", "trees"]);
    }

    /// The nouns of Fig. 2, of captions in the datasets' words that hold them.
    #[test]
    fn the_papers_three_examples_come_out_as_its_figure_has_them() {
        let examples = [
            ("sydney", "there are some green bushes and orange houses beside the meadow", "bushes houses meadow"),
            ("ucm", "many houses with lawn surrounded in the medium residential area", "houses lawn medium area"),
            (
                "sydney",
                "two different sizes of airplanes parked on the airport with a building beside",
                "airplanes airport building",
            ),
        ];
        for (name, caption, expected) in examples {
            let dataset = Dataset { name: name.into(), ..dataset(&[caption]) };
            let nouns = Nouns::build(&dataset, &NounRules { min_count: 1, ..NounRules::default() }).unwrap();
            assert_eq!(nouns.of(&dataset.images[0].captions[0].words).join(" "), expected);
        }
    }

    #[test]
    fn what_the_stop_list_leaves_out_can_be_told_and_a_list_of_ones_own_takes_its_place() {
        let dataset = dataset(&["a row of orange houses beside trees"]);
        let rules = NounRules { min_count: 1, ..NounRules::default() };
        let stopped = |rules: &NounRules| -> Vec<String> {
            Nouns::build(&dataset, rules).unwrap().stopped().iter().map(|(noun, _)| (*noun).to_owned()).collect()
        };
        assert!(stopped(&rules).contains(&"row".to_owned()));
        assert_eq!(stopped(&NounRules { stop: Some(vec!["trees".into()]), ..rules }), ["trees"]);
    }

    #[test]
    fn rare_nouns_are_left_out() {
        let rules = NounRules { min_count: 2, ..NounRules::default() };
        assert_eq!(nouns(&rules), [[vec!["trees", "buildings"], vec!["trees"], vec!["buildings", "trees"]]]);
    }

    #[test]
    fn splits_without_captions_are_an_error() {
        let rules = NounRules { splits: vec!["val".into()], ..NounRules::default() };
        assert!(Nouns::build(&dataset(&["trees"]), &rules).unwrap_err().to_string().contains("val"));
    }
}
