//! Words and their numbers.

use super::{Dataset, Split};
use crate::config::LONGEST_CAPTION;
use crate::data::VocabularyConfig;
use crate::util::fs::{read_text, sha256, write_atomic};
use crate::util::json;
use anyhow::{Result, anyhow, bail};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

/// Fills short sequences.
pub const PAD: i64 = 0;
/// Begins every sequence.
pub const START: i64 = 1;
/// Ends every sequence.
pub const END: i64 = 2;
/// Stands for every word outside the vocabulary.
pub const UNK: i64 = 3;

const SPECIALS: [&str; 4] = ["<pad>", "<start>", "<end>", "<unk>"];

/// The words a model knows: the four specials, then words by falling count, equal counts alphabetically.
#[derive(Clone, PartialEq)]
pub struct Vocabulary {
    words: Vec<String>,
    ids: HashMap<String, i64>, // for look-up only, never iterated
    max_length: usize,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vocabulary({} words, captions of up to {})", self.words.len(), self.max_length)
    }
}

impl Vocabulary {
    /// Counts the words of the splits that `rules` name. A word is kept when it is seen `rules.min_count` times or
    /// more.
    ///
    /// # Errors
    /// No captions, no word that is kept, or captions too long to learn.
    pub fn build(dataset: &Dataset, rules: &VocabularyConfig) -> Result<Self> {
        let built = Self::survey(dataset, rules)?;
        let name = &dataset.name;
        if built.len() == SPECIALS.len() {
            bail!(
                "no word of '{name}' is seen {} times in {}, so the vocabulary would be empty; lower \
                 data.vocabulary.min_count",
                rules.min_count,
                rules.splits.join(", ")
            );
        }
        if built.max_length > LONGEST_CAPTION {
            bail!(
                "the longest caption of '{name}' has {} words; set data.vocabulary.max_length, at which captions are \
                 cut, to at most {LONGEST_CAPTION}",
                built.max_length
            );
        }
        Ok(built)
    }

    /// [`Self::build`] for statistics: the vocabulary may be empty, and captions of any length.
    pub(super) fn survey(dataset: &Dataset, rules: &VocabularyConfig) -> Result<Self> {
        let splits = Split::parse_list(&rules.splits)?;
        let counted = || dataset.images.iter().filter(|image| splits.contains(&image.split));
        let captions = counted().flat_map(|image| &image.captions).map(|caption| caption.words.as_slice());
        let counts = count(captions);
        if counts.is_empty() {
            bail!(
                "the vocabulary is built from {}, which have no captions in '{}'; change data.vocabulary.splits",
                rules.splits.join(", "),
                dataset.name
            );
        }
        let train = dataset.images.iter().filter(|image| image.split == Split::Train);
        let longest = |captions: &mut dyn Iterator<Item = &super::Caption>| captions.map(|c| c.words.len()).max();
        let max_length = match rules.max_length {
            Some(0) => bail!("data.vocabulary.max_length is 0; it must be at least 1"),
            Some(length) => length,
            None => longest(&mut train.flat_map(|image| &image.captions))
                .or_else(|| longest(&mut counted().flat_map(|image| &image.captions)))
                .unwrap_or(1),
        };
        Ok(Self::from_counts(&counts, rules.min_count, max_length))
    }

    /// Words seen at least `min_count` times, with the longest caption in words.
    pub fn from_counts(counts: &BTreeMap<&str, usize>, min_count: usize, max_length: usize) -> Self {
        let mut kept: Vec<(&str, usize)> = counts
            .iter()
            .map(|(&word, &count)| (word, count))
            .filter(|(word, count)| *count >= min_count && !SPECIALS.contains(word))
            .collect();
        kept.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let words = SPECIALS.into_iter().chain(kept.into_iter().map(|(word, _)| word)).map(str::to_owned).collect();
        Self::new(words, max_length)
    }

    fn new(words: Vec<String>, max_length: usize) -> Self {
        let ids = words.iter().zip(0..).map(|(word, id)| (word.clone(), id)).collect();
        Self { words, ids, max_length }
    }

    /// Every word of some vocabularies: those of the first in their order, then those that each further one adds. The
    /// longest caption is the longest of any.
    pub fn union<'a>(vocabularies: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut union = Self::new(SPECIALS.map(str::to_owned).to_vec(), 0);
        for vocabulary in vocabularies {
            union.max_length = union.max_length.max(vocabulary.max_length);
            for word in &vocabulary.words {
                let next = union.words.len() as i64;
                if *union.ids.entry(word.clone()).or_insert(next) == next {
                    union.words.push(word.clone());
                }
            }
        }
        union
    }

    /// Number of ids, the specials included.
    #[allow(clippy::len_without_is_empty)] // the specials are always there
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Longest caption in words, without start and end; sequences hold two more.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Words in id order, specials first.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Id of a word; [`UNK`] for words outside the vocabulary and for the names of the specials.
    pub fn id(&self, word: &str) -> i64 {
        self.ids.get(word).copied().filter(|&id| id >= SPECIALS.len() as i64).unwrap_or(UNK)
    }

    /// The word of an id; `None` for ids that there are not.
    pub fn word(&self, id: i64) -> Option<&str> {
        self.words.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    /// `<start> words <end>`, the words cut at the longest caption.
    pub fn encode<S: AsRef<str>>(&self, words: &[S]) -> Vec<i64> {
        let body = words.iter().take(self.max_length).map(|word| self.id(word.as_ref()));
        std::iter::once(START).chain(body).chain(std::iter::once(END)).collect()
    }

    /// The words up to the first `<end>`, without `<pad>` and `<start>`. Ids that there are not become `<unk>`.
    pub fn decode(&self, ids: &[i64]) -> Vec<String> {
        let body = ids.iter().take_while(|&&id| id != END).filter(|&&id| id != PAD && id != START);
        body.map(|&id| self.word(id).unwrap_or("<unk>").to_owned()).collect()
    }

    /// SHA-256 over the words in id order and the longest caption: equal hashes mean equal numbers for equal captions.
    pub fn hash(&self) -> String {
        sha256(format!("{}\n{}", self.max_length, self.words.join("\n")).as_bytes())
    }

    /// The vocabulary as JSON, words in id order.
    pub fn to_json(&self) -> Result<String> {
        let ids: serde_json::Map<String, serde_json::Value> =
            self.words.iter().zip(0u64..).map(|(word, id)| (word.clone(), id.into())).collect();
        let mut text = serde_json::to_string_pretty(&Document { max_length: self.max_length, ids })?;
        text.push('\n');
        Ok(text)
    }

    /// Writes [`Self::to_json`].
    pub fn save(&self, path: &Path) -> Result<()> {
        write_atomic(path, self.to_json()?.as_bytes())
    }

    /// Reads what [`Self::save`] wrote; refuses ids with holes, words or ids that come twice, and missing specials.
    pub fn load(path: &Path) -> Result<Self> {
        let text = read_text(path)?;
        Self::parse(&text).map_err(|error| anyhow!("'{}' is not a vocabulary: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let stored: Stored = serde_json::from_str(text).map_err(json::error)?;
        let Pairs(mut pairs) = stored.ids;
        pairs.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
        let mut words: Vec<String> = Vec::with_capacity(pairs.len());
        let mut seen = std::collections::BTreeSet::new();
        for (word, id) in pairs {
            if !seen.insert(word.clone()) {
                bail!("duplicate word '{word}'");
            }
            let next = words.len() as u64;
            if id > next {
                bail!("no word has the id {next}");
            }
            if id < next {
                bail!("the words '{}' and '{word}' have the same id {id}", words.last().map_or("", String::as_str));
            }
            words.push(word);
        }
        for (id, special) in SPECIALS.iter().enumerate() {
            if words.get(id).map(String::as_str) != Some(special) {
                bail!("the id {id} must be {special}");
            }
        }
        if stored.max_length == 0 {
            bail!("max_length is 0");
        }
        Ok(Self::new(words, stored.max_length))
    }
}

/// How often each word is there.
pub(super) fn count<'a>(captions: impl Iterator<Item = &'a [String]>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for word in captions.flatten() {
        *counts.entry(word.as_str()).or_default() += 1;
    }
    counts
}

#[derive(Serialize)]
struct Document {
    max_length: usize,
    ids: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    max_length: usize,
    ids: Pairs,
}

/// Word and id as they stand in the file, so that a word that comes twice is seen.
struct Pairs(Vec<(String, u64)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("words with their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        let counts = BTreeMap::from([("trees", 9), ("a", 9), ("rare", 4), ("lawn", 5), ("<end>", 50)]);
        Vocabulary::from_counts(&counts, 5, 3)
    }

    #[test]
    fn words_come_by_falling_count_then_alphabetically_after_the_specials() {
        assert_eq!(vocabulary().words(), ["<pad>", "<start>", "<end>", "<unk>", "a", "trees", "lawn"]);
    }

    #[test]
    fn encoding_cuts_marks_unknown_words_and_never_yields_a_special_from_text() {
        let v = vocabulary();
        assert_eq!(v.encode(&["a", "lawn"]), [START, 4, 6, END]);
        assert_eq!(v.encode(&["a", "rare", "<end>", "trees"]), [START, 4, UNK, UNK, END]);
        assert_eq!(v.decode(&[START, 4, UNK, 99, END, 5, PAD]), ["a", "<unk>", "<unk>"]);
        assert_eq!(v.decode(&v.encode(&["lawn", "trees"])), ["lawn", "trees"]);
    }

    #[test]
    fn a_saved_vocabulary_is_read_back_with_the_same_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocab.json");
        vocabulary().save(&path).unwrap();
        let back = Vocabulary::load(&path).unwrap();
        assert_eq!(back, vocabulary());
        assert_eq!(back.hash(), vocabulary().hash());
        assert_ne!(back.hash(), Vocabulary::new(back.words.clone(), 4).hash());
    }

    #[test]
    fn holes_duplicates_and_missing_specials_are_refused_with_a_sentence() {
        let error =
            |ids: &str| Vocabulary::parse(&format!("{{\"max_length\":3,\"ids\":{ids}}}")).unwrap_err().to_string();
        let specials = "\"<pad>\":0,\"<start>\":1,\"<end>\":2,\"<unk>\":3";
        assert_eq!(error(&format!("{{{specials},\"a\":5}}")), "no word has the id 4");
        assert_eq!(error(&format!("{{{specials},\"a\":4,\"b\":4}}")), "the words 'a' and 'b' have the same id 4");
        assert_eq!(error(&format!("{{{specials},\"a\":4,\"a\":5}}")), "duplicate word 'a'");
        assert_eq!(error("{\"<pad>\":0,\"a\":1}"), "the id 1 must be <start>");
        assert!(error("{\"<pad>\":-1}").contains("line 1"));
    }
}
