//! What METEOR knows of each word: looked up once a word, not once a comparison.

use super::resources::{Resources, Source, UNKNOWN};
use rayon::prelude::*;
use rust_stemmers::{Algorithm, Stemmer};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// A word with all that the four modules compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub id: u32,
    pub stem: u32,
    /// Range in the pool of synset numbers.
    synsets: (u32, u32),
    /// One bit for each synset number's hash: words without a common bit have no common synset.
    signature: u64,
    pub paraphrase: u16,
    pub function: bool,
}

/// The words of all references.
pub(super) struct Lexicon {
    pub resources: Option<Arc<Resources>>,
    stemmer: Stemmer,
    known: Known,
}

/// Words by their spelling, and the numbers that they refer to.
#[derive(Default)]
struct Known {
    ids: FxHashMap<Box<str>, u32>,
    stems: FxHashMap<Box<str>, u32>,
    words: Vec<Word>,
    pool: Vec<u32>,
}

/// A reference ready to be aligned.
#[derive(Debug, Default)]
pub(super) struct Caption {
    /// Word numbers in the lexicon.
    pub words: Vec<u32>,
    pub sources: Vec<Source>,
}

/// A hypothesis ready to be aligned; it may have words that no reference has.
#[derive(Debug, Default)]
pub(super) struct Hypothesis {
    pub words: Vec<Word>,
    pub sources: Vec<Source>,
    pool: Vec<u32>,
}

impl Lexicon {
    pub(super) fn new(resources: Option<Arc<Resources>>) -> Self {
        Self { resources, stemmer: Stemmer::create(Algorithm::English), known: Known::default() }
    }

    /// Takes the words of all references, which are normalised; gives each reference's words as numbers.
    pub(super) fn add(&mut self, texts: &[String]) -> Vec<Vec<u32>> {
        let first_new = self.known.words.len();
        let mut new: Vec<&str> = Vec::new();
        let numbers = texts
            .iter()
            .map(|text| {
                let number = |word| match self.known.ids.get(word) {
                    Some(&id) => id,
                    None => {
                        let id = (first_new + new.len()) as u32;
                        self.known.ids.insert(Box::from(word), id);
                        new.push(word);
                        id
                    }
                };
                text.split_ascii_whitespace().map(number).collect()
            })
            .collect();
        let entries: Vec<(Cow<'_, str>, Entry)> = new
            .into_par_iter()
            .map(|word| (self.stemmer.stem(word), Entry::look_up(self.resources.as_deref(), word)))
            .collect();
        for (stem, entry) in entries {
            let next = self.known.stems.len() as u32;
            let stem = match self.known.stems.get(stem.as_ref()) {
                Some(&stem) => stem,
                None => {
                    self.known.stems.insert(stem.into(), next);
                    next
                }
            };
            let id = self.known.words.len() as u32;
            let word = entry.word(id, stem, 0, &mut self.known.pool);
            self.known.words.push(word);
        }
        numbers
    }

    /// Finds the paraphrase table's phrases in a reference.
    pub(super) fn caption(&self, words: Vec<u32>) -> Caption {
        let mut caption = Caption { words, sources: Vec::new() };
        if let Some(resources) = &self.resources {
            let numbers: Vec<u16> = caption.words.iter().map(|&id| self.word(id).paraphrase).collect();
            resources.sources_in(&numbers, &mut caption.sources);
        }
        caption
    }

    pub(super) fn word(&self, id: u32) -> Word {
        self.known.words[id as usize]
    }

    /// Prepares a hypothesis; `text` is normalised. New words and stems get numbers that no reference has.
    pub(super) fn hypothesis(&self, text: &str) -> Hypothesis {
        let mut new_words: FxHashMap<&str, Word> = FxHashMap::default();
        let mut new_stems: FxHashMap<String, u32> = FxHashMap::default();
        let mut hypothesis = Hypothesis::default();
        for word in text.split_ascii_whitespace() {
            let found = match (self.known.ids.get(word), new_words.get(word)) {
                (Some(&id), _) => self.word(id),
                (None, Some(&word)) => word,
                (None, None) => {
                    let id = (self.known.words.len() + new_words.len()) as u32;
                    let stem = self.stemmer.stem(word);
                    let stem = self.known.stems.get(stem.as_ref()).copied().unwrap_or_else(|| {
                        let next = (self.known.stems.len() + new_stems.len()) as u32;
                        *new_stems.entry(stem.into_owned()).or_insert(next)
                    });
                    let start = self.known.pool.len();
                    let new =
                        Entry::look_up(self.resources.as_deref(), word).word(id, stem, start, &mut hypothesis.pool);
                    new_words.insert(word, new);
                    new
                }
            };
            hypothesis.words.push(found);
        }
        if let Some(resources) = &self.resources {
            let numbers: Vec<u16> = hypothesis.words.iter().map(|word| word.paraphrase).collect();
            resources.sources_in(&numbers, &mut hypothesis.sources);
        }
        hypothesis
    }

    /// Whether a word of the hypothesis and one of a reference share a synset.
    pub(super) fn synonyms(&self, hypothesis: &Hypothesis, ours: &Word, theirs: &Word) -> bool {
        if ours.signature & theirs.signature == 0 {
            return false;
        }
        let base = self.known.pool.len() as u32;
        let slice = |range: (u32, u32)| {
            let (pool, base) = if range.0 >= base { (&hypothesis.pool, base) } else { (&self.known.pool, 0) };
            pool.get((range.0 - base) as usize..(range.1 - base) as usize).unwrap_or_default()
        };
        let (a, b) = (slice(ours.synsets), slice(theirs.synsets));
        let (mut i, mut j) = (0, 0);
        while let (Some(left), Some(right)) = (a.get(i), b.get(j)) {
            match left.cmp(right) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => return true,
            }
        }
        false
    }
}

/// What the resources say of a word.
struct Entry {
    synsets: Vec<u32>,
    paraphrase: u16,
    function: bool,
}

impl Entry {
    fn look_up(resources: Option<&Resources>, word: &str) -> Self {
        let mut entry = Self { synsets: Vec::new(), paraphrase: UNKNOWN, function: false };
        if let Some(resources) = resources {
            resources.synsets(word, &mut entry.synsets);
            entry.paraphrase = resources.paraphrase_word(word);
            entry.function = resources.is_function_word(word);
        }
        entry
    }

    /// Makes the word; its synset numbers are added to `pool`, whose first entry has number `base`.
    fn word(self, id: u32, stem: u32, base: usize, pool: &mut Vec<u32>) -> Word {
        let start = (base + pool.len()) as u32;
        pool.extend_from_slice(&self.synsets);
        let signature =
            self.synsets.iter().fold(0, |bits, number| bits | 1 << (number.wrapping_mul(0x9E37_79B1) >> 26));
        let synsets = (start, (base + pool.len()) as u32);
        Word { id, stem, synsets, signature, paraphrase: self.paraphrase, function: self.function }
    }
}
