//! What a dataset holds: counts, lengths, vocabularies.

use super::locate::Fault;
use super::overlap::Overlap;
use super::vocabulary::{self, UNK};
use super::{Caption, Dataset, ImageEntry, Split, Vocabulary};
use crate::data::{DataConfig, VocabularyConfig};
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The statistics of one dataset, over all images of its caption file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    pub name: String,
    pub caption_files: Vec<String>,
    pub captions_sha256: String,
    pub images_dir: String,
    /// Whether the file names the splits; else they were drawn by the settings.
    pub splits_given: bool,
    pub splits: BTreeMap<Split, Part>,
    pub total: Part,
    /// Images of the file that are absent, empty or without a caption.
    pub not_usable: usize,
    pub empty_captions: usize,
    /// Of val and test: images whose references are training captions.
    pub overlap: BTreeMap<Split, Overlap>,
    /// Images by class; empty where there are no classes.
    pub classes: BTreeMap<String, usize>,
    /// Images by their number of captions.
    pub captions_per_image: BTreeMap<usize, usize>,
    /// Captions by their number of words.
    pub lengths: BTreeMap<usize, usize>,
    pub vocabularies: Vec<VocabularySize>,
    /// The vocabulary of the settings.
    pub vocabulary: Coverage,
}

/// Counts of a split, or of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Part {
    pub images: usize,
    /// Images whose file is there and not empty.
    pub found: usize,
    pub captions: usize,
    /// Different captions of each image, summed over the images.
    pub distinct_per_image: usize,
    /// Different captions in the part.
    pub distinct: usize,
    pub words: usize,
    pub shortest: usize,
    pub longest: usize,
    /// Words in a caption.
    pub mean_length: f64,
}

/// Number of words (without specials) that a rule keeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VocabularySize {
    pub lowercase: bool,
    pub counted: &'static str,
    /// Words of the counted splits that are seen this often or more.
    pub min_count: usize,
    pub words: usize,
}

/// The vocabulary of the settings, and what lies outside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    pub rules: VocabularyConfig,
    /// Ids, the four specials included.
    pub ids: usize,
    pub max_length: usize,
    pub hash: String,
    /// By split: different words outside the vocabulary, and how often they are there.
    pub outside: BTreeMap<Split, Outside>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outside {
    pub distinct: usize,
    pub words: usize,
    /// Of all words of the split.
    pub share: f64,
    /// Captions longer than the vocabulary's longest.
    pub too_long: usize,
}

impl Stats {
    /// Reads a dataset and counts. Images need not be there.
    pub fn of(config: &DataConfig) -> Result<Self> {
        let dataset = Dataset::survey(config)?;
        let unusable: BTreeSet<&str> = dataset
            .skipped
            .iter()
            .filter(|skipped| skipped.fault != Fault::NoCaption)
            .map(|skipped| skipped.file_name.as_str())
            .collect();
        let part = |split: Option<Split>| {
            Part::of(dataset.images.iter().filter(|image| split.is_none_or(|split| image.split == split)), &unusable)
        };
        let mut classes = BTreeMap::new();
        let mut captions_per_image = BTreeMap::new();
        let mut lengths = BTreeMap::new();
        for image in &dataset.images {
            if let Some(class) = &image.class {
                *classes.entry(class.clone()).or_default() += 1;
            }
            *captions_per_image.entry(image.captions.len()).or_default() += 1;
            for caption in &image.captions {
                *lengths.entry(caption.words.len()).or_default() += 1;
            }
        }
        Ok(Self {
            splits: Split::ALL.map(|split| (split, part(Some(split)))).into(),
            total: part(None),
            not_usable: dataset.skipped.len(),
            empty_captions: dataset.empty_captions.len(),
            overlap: [Split::Val, Split::Test]
                .into_iter()
                .filter_map(|split| Some((split, Overlap::of(&dataset, split)?)))
                .collect(),
            classes,
            captions_per_image,
            lengths,
            vocabularies: sizes(config, &dataset)?,
            vocabulary: Coverage::of(config, &dataset)?,
            name: dataset.name,
            caption_files: dataset.caption_files.iter().map(|path| path.display().to_string()).collect(),
            captions_sha256: dataset.captions_sha256,
            images_dir: dataset.images_dir.display().to_string(),
            splits_given: dataset.splits_given,
        })
    }
}

impl Part {
    fn of<'a>(images: impl Iterator<Item = &'a ImageEntry>, unusable: &BTreeSet<&str>) -> Self {
        let mut part = Self { shortest: usize::MAX, ..Self::default() };
        let mut distinct: BTreeSet<&[String]> = BTreeSet::new();
        for image in images {
            part.images += 1;
            part.found += usize::from(!unusable.contains(image.file_name.as_str()));
            let own: BTreeSet<&[String]> = image.captions.iter().map(|caption| caption.words.as_slice()).collect();
            part.distinct_per_image += own.len();
            distinct.extend(own);
            for caption in &image.captions {
                let length = caption.words.len();
                part.captions += 1;
                part.words += length;
                part.shortest = part.shortest.min(length);
                part.longest = part.longest.max(length);
            }
        }
        part.distinct = distinct.len();
        if part.captions == 0 {
            part.shortest = 0;
        } else {
            part.mean_length = part.words as f64 / part.captions as f64;
        }
        part
    }
}

/// Vocabulary sizes by letter case, counted splits and threshold.
fn sizes(config: &DataConfig, dataset: &Dataset) -> Result<Vec<VocabularySize>> {
    let rules = VocabularyConfig { lowercase: !config.vocabulary.lowercase, ..config.vocabulary.clone() };
    let other = Dataset::load_captions(&DataConfig { vocabulary: rules, ..config.clone() })?;
    let (lower, cased) = if config.vocabulary.lowercase { (dataset, &other) } else { (&other, dataset) };
    let mut sizes = Vec::new();
    for (lowercase, dataset) in [(true, lower), (false, cased)] {
        for (counted, only) in [("train", Some(Split::Train)), ("all", None)] {
            let images = dataset.images.iter().filter(|image| only.is_none_or(|split| image.split == split));
            let counts = vocabulary::count(images.flat_map(|image| &image.captions).map(|c| c.words.as_slice()));
            for min_count in [1, 2, 5, 6, 10] {
                let words = counts.values().filter(|&&count| count >= min_count).count();
                sizes.push(VocabularySize { lowercase, counted, min_count, words });
            }
        }
    }
    Ok(sizes)
}

impl Coverage {
    fn of(config: &DataConfig, dataset: &Dataset) -> Result<Self> {
        let rules = &config.vocabulary;
        // A part of a dataset may lack the counted splits: then all its captions stand in for them.
        let splits = Split::parse_list(&rules.splits)?;
        let counted = dataset.images.iter().any(|image| splits.contains(&image.split) && !image.captions.is_empty());
        let rules =
            if counted { rules.clone() } else { VocabularyConfig { splits: vec!["all".into()], ..rules.clone() } };
        let vocabulary = Vocabulary::survey(dataset, &rules)?;
        let mut outside = BTreeMap::new();
        for split in Split::ALL {
            let captions = dataset.images.iter().filter(|image| image.split == split).flat_map(|image| &image.captions);
            outside.insert(split, Outside::of(captions, &vocabulary));
        }
        Ok(Self { rules, ids: vocabulary.len(), max_length: vocabulary.max_length(), hash: vocabulary.hash(), outside })
    }
}

impl Outside {
    fn of<'a>(captions: impl Iterator<Item = &'a Caption>, vocabulary: &Vocabulary) -> Self {
        let mut distinct = BTreeSet::new();
        let (mut outside, mut all, mut too_long) = (0, 0, 0);
        for caption in captions {
            too_long += usize::from(caption.words.len() > vocabulary.max_length());
            all += caption.words.len();
            for word in caption.words.iter().filter(|word| vocabulary.id(word) == UNK) {
                distinct.insert(word.as_str());
                outside += 1;
            }
        }
        let share = if all == 0 { 0.0 } else { outside as f64 / all as f64 };
        Self { distinct: distinct.len(), words: outside, share, too_long }
    }
}
