//! Tagging, with the tables laid out so that a word costs a handful of look-ups.

use super::features::{AFTER, BEFORE, Feature, STATES, normalize, state_name, suffix};
use super::tables::Tables;
use super::tag::Tag;
use anyhow::{Context, Result};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

/// A part-of-speech tagger.
///
/// Tags words from left to right; each word's features add up to one score a tag, and the highest wins (of equal ones
/// the last in order of names). Scores are summed in NLTK's order, so that they round alike.
#[derive(Debug)]
pub struct Tagger {
    tagdict: FxHashMap<Box<str>, Tag>,
    words: FxHashMap<Box<str>, Word>,
    suffixes: FxHashMap<Box<str>, Suffix>,
    prefixes: FxHashMap<char, Row>,
    bias: Row,
    /// By state of the tag before, of the one before that, and of both (`before * STATES + that`).
    before: Vec<Row>,
    before_that: Vec<Row>,
    both: Vec<Row>,
    /// By state of the tag before and number of the word.
    before_and_word: FxHashMap<(u8, u32), Row>,
    weights: Vec<(u8, f64)>,
}

/// A feature's tags and weights: a range of [`Tagger::weights`].
type Row = Range<u32>;

/// Rows of a word by its place from the tagged one, -2 to 2.
#[derive(Debug, Default, Clone)]
struct Word {
    number: u32,
    places: [Row; 5],
}

/// Rows of an ending by its word's place, -1 to 1.
#[derive(Debug, Default, Clone)]
struct Suffix {
    places: [Row; 3],
}

/// A word of the sentence and its rows.
#[derive(Clone, Copy, Default)]
struct Entry<'a> {
    word: Option<&'a Word>,
    suffix: Option<&'a Suffix>,
}

impl Tagger {
    /// The tagger that comes with the program: for captions of remote-sensing images, in lower or mixed case.
    pub fn builtin() -> Result<Self> {
        Self::new(&Tables::builtin()?)
    }

    /// A tagger with NLTK's tables, read from a folder; see [`Tables::load`].
    pub fn load(folder: &Path) -> Result<Self> {
        Self::new(&Tables::load(folder)?)
            .with_context(|| format!("the tagger's tables in '{}' cannot be used", folder.display()))
    }

    /// A tagger with the given tables. Features that no word gives are left out.
    pub fn new(tables: &Tables) -> Result<Self> {
        let mut tagger = Self {
            tagdict: FxHashMap::default(),
            words: FxHashMap::default(),
            suffixes: FxHashMap::default(),
            prefixes: FxHashMap::default(),
            bias: 0..0,
            before: vec![0..0; STATES],
            before_that: vec![0..0; STATES],
            both: vec![0..0; STATES * STATES],
            before_and_word: FxHashMap::default(),
            weights: Vec::new(),
        };
        for (word, tag) in &tables.tagdict {
            let tag = Tag::of(tag).with_context(|| format!("the tag of the word '{word}'"))?;
            tagger.tagdict.insert(word.as_str().into(), tag);
        }
        for (name, weights) in &tables.weights {
            let Some(feature) = Feature::parse(name) else { continue };
            let start = tagger.weights.len() as u32;
            for (tag, weight) in weights {
                let tag = Tag::of(tag).with_context(|| format!("a weight of the feature '{name}'"))?;
                tagger.weights.push((tag.index() as u8, *weight));
            }
            let row = start..tagger.weights.len() as u32;
            tagger.place(feature, row);
        }
        Ok(tagger)
    }

    fn place(&mut self, feature: Feature, row: Row) {
        match feature {
            Feature::Bias => self.bias = row,
            Feature::Prefix(text) => {
                if let Some(first) = text.chars().next() {
                    self.prefixes.insert(first, row);
                }
            }
            Feature::Suffix(at, text) => {
                let rows = self.suffixes.entry(text.into()).or_default();
                rows.places[(at + 1) as usize] = row;
            }
            Feature::Word(at, text) => self.word(text).places[(at + 2) as usize] = row,
            Feature::Before(tag) => {
                if let Some(state) = state(tag) {
                    self.before[state] = row;
                }
            }
            Feature::BeforeThat(tag) => {
                if let Some(state) = state(tag) {
                    self.before_that[state] = row;
                }
            }
            Feature::Both(before, that) => {
                if let (Some(before), Some(that)) = (state(before), state(that)) {
                    self.both[before * STATES + that] = row;
                }
            }
            Feature::BeforeAndWord(before, text) => {
                let number = self.word(text).number;
                if let Some(before) = state(before) {
                    self.before_and_word.insert((before as u8, number), row);
                }
            }
        }
    }

    fn word(&mut self, text: &str) -> &mut Word {
        let number = self.words.len() as u32;
        self.words.entry(text.into()).or_insert_with(|| Word { number, ..Word::default() })
    }

    /// The tag of every word of a sentence.
    pub fn tag<S: AsRef<str>>(&self, words: &[S]) -> Vec<Tag> {
        let mut entries = Vec::with_capacity(words.len() + 4);
        entries.extend(BEFORE.map(|word| self.entry(word)));
        entries.extend(words.iter().map(|word| self.entry(&normalize(word.as_ref()))));
        entries.extend(AFTER.map(|word| self.entry(word)));
        let (mut before, mut that) = (Tag::COUNT, Tag::COUNT + 1);
        let mut tags = Vec::with_capacity(words.len());
        for (word, around) in words.iter().zip(entries.windows(5)) {
            let word = word.as_ref();
            let tag = match self.tagdict.get(word) {
                Some(&tag) => tag,
                None => self.predict(word, around, before, that),
            };
            tags.push(tag);
            (before, that) = (tag.index(), before);
        }
        tags
    }

    fn entry(&self, word: &str) -> Entry<'_> {
        Entry { word: self.words.get(word), suffix: self.suffixes.get(suffix(word)) }
    }

    /// `around`: the word and its two neighbours on either side.
    fn predict(&self, word: &str, around: &[Entry], before: usize, that: usize) -> Tag {
        let mut scores = [0f64; Tag::COUNT];
        let mut add = |row: Option<&Row>| {
            let Some(row) = row else { return };
            for &(tag, weight) in self.weights.get(row.start as usize..row.end as usize).unwrap_or_default() {
                scores[usize::from(tag)] += weight;
            }
        };
        let word_at = |place: usize| around.get(place).and_then(|entry| entry.word);
        let suffix_at = |place: usize| around.get(place).and_then(|entry| entry.suffix);
        add(Some(&self.bias));
        add(self.suffixes.get(suffix(word)).map(|s| &s.places[1]));
        add(word.chars().next().and_then(|first| self.prefixes.get(&first)));
        add(self.before.get(before));
        add(self.before_that.get(that));
        add(self.both.get(before * STATES + that));
        add(word_at(2).map(|w| &w.places[2]));
        add(word_at(2).and_then(|w| self.before_and_word.get(&(before as u8, w.number))));
        add(word_at(1).map(|w| &w.places[1]));
        add(suffix_at(1).map(|s| &s.places[0]));
        add(word_at(0).map(|w| &w.places[0]));
        add(word_at(3).map(|w| &w.places[3]));
        add(suffix_at(3).map(|s| &s.places[2]));
        add(word_at(4).map(|w| &w.places[4]));
        let mut best = 0;
        for (index, score) in scores.iter().enumerate() {
            if *score >= scores[best] {
                best = index;
            }
        }
        Tag::at(best).unwrap_or_else(|| unreachable!("there is a score for every tag"))
    }

    /// Whether a word always gets the same tag.
    pub fn is_settled(&self, word: &str) -> bool {
        self.tagdict.contains_key(word)
    }
}

/// The state of a tag before, by its name.
fn state(name: &str) -> Option<usize> {
    (0..STATES).find(|&state| state_name(state) == name)
}

/// A sentence's normalised words between beginnings and ends.
pub(super) fn context<S: AsRef<str>>(words: &[S]) -> Vec<Cow<'_, str>> {
    let inside = words.iter().map(|word| normalize(word.as_ref()));
    BEFORE.iter().map(|&word| word.into()).chain(inside).chain(AFTER.iter().map(|&word| word.into())).collect()
}
