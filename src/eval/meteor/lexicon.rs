//! What METEOR knows of each word: looked up once a word, not once a comparison.

use super::matches::{EXACT, STEM, SYNONYM};
use super::resources::{Resources, Source, UNKNOWN};
use rayon::prelude::*;
use rust_stemmers::{Algorithm, Stemmer};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// A word with what alignment asks of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub id: u32,
    /// Number in the paraphrase table.
    pub paraphrase: u16,
    pub function: bool,
}

/// Words that match a word, and the module by which they do.
type Related = Vec<(u32, u8)>;

/// The words of all references.
pub(super) struct Lexicon {
    pub resources: Option<Arc<Resources>>,
    stemmer: Stemmer,
    ids: FxHashMap<Box<str>, u32>,
    words: Vec<Word>,
    stems: FxHashMap<Box<str>, Vec<u32>>,
    /// (synset, word), sorted.
    synsets: Vec<(u32, u32)>,
    /// Of each word.
    related: Vec<Related>,
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
    /// Every match of single words that a reference could bring: (word of the reference, module, place here), sorted.
    pub candidates: Vec<(u32, u8, u32)>,
}

impl Lexicon {
    /// Takes the words of all references, which are normalised; gives each reference's words as numbers, too.
    pub(super) fn new(texts: &[String], resources: Option<Arc<Resources>>) -> (Self, Vec<Vec<u32>>) {
        let stemmer = Stemmer::create(Algorithm::English);
        let mut ids: FxHashMap<Box<str>, u32> = FxHashMap::default();
        let mut spelt: Vec<&str> = Vec::new();
        let mut number = |word| match ids.get(word) {
            Some(&id) => id,
            None => {
                let id = spelt.len() as u32;
                ids.insert(Box::from(word), id);
                spelt.push(word);
                id
            }
        };
        let numbers = texts.iter().map(|text| text.split_ascii_whitespace().map(&mut number).collect()).collect();
        let entries: Vec<(Cow<'_, str>, Entry)> =
            spelt.par_iter().map(|word| (stemmer.stem(word), Entry::look_up(resources.as_deref(), word))).collect();
        let mut lexicon = Self {
            resources,
            stemmer: Stemmer::create(Algorithm::English),
            ids,
            words: Vec::new(),
            stems: FxHashMap::default(),
            synsets: Vec::new(),
            related: Vec::new(),
        };
        for (id, (stem, entry)) in (0..).zip(&entries) {
            lexicon.words.push(entry.word(id));
            lexicon.synsets.extend(entry.synsets.iter().map(|&synset| (synset, id)));
            match lexicon.stems.get_mut(stem.as_ref()) {
                Some(words) => words.push(id),
                None => {
                    lexicon.stems.insert(stem.as_ref().into(), vec![id]);
                }
            }
        }
        lexicon.synsets.sort_unstable();
        let related = entries.par_iter().zip(0..entries.len() as u32);
        lexicon.related = related.map(|((stem, entry), id)| lexicon.related_to(Some(id), stem, entry)).collect();
        (lexicon, numbers)
    }

    /// The words of references that a word matches: itself, those of the same stem, those of a common synset.
    fn related_to(&self, id: Option<u32>, stem: &str, entry: &Entry) -> Related {
        let mut related: Related = id.map(|id| (id, EXACT)).into_iter().collect();
        let others = |other: &u32| Some(*other) != id;
        let stems = self.stems.get(stem).into_iter().flatten().copied();
        related.extend(stems.filter(others).map(|word| (word, STEM)));
        let first_synonym = related.len();
        for &synset in &entry.synsets {
            let from = self.synsets.partition_point(|&(other, _)| other < synset);
            let words = self.synsets.iter().skip(from).take_while(|(other, _)| *other == synset);
            related.extend(words.map(|&(_, word)| word).filter(others).map(|word| (word, SYNONYM)));
        }
        if let Some(synonyms) = related.get_mut(first_synonym..) {
            synonyms.sort_unstable();
        }
        related.dedup();
        related
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
        self.words[id as usize]
    }

    /// Prepares a hypothesis; `text` is normalised. New words get numbers that no reference has.
    pub(super) fn hypothesis(&self, text: &str) -> Hypothesis {
        let mut hypothesis = Hypothesis::default();
        let mut new: FxHashMap<&str, (Word, Related)> = FxHashMap::default();
        for (place, word) in (0..).zip(text.split_ascii_whitespace()) {
            let (found, related) = match self.ids.get(word) {
                Some(&id) => (self.word(id), self.related.get(id as usize)),
                None => {
                    let id = (self.words.len() + new.len()) as u32;
                    let (word, related) = new.entry(word).or_insert_with(|| {
                        let entry = Entry::look_up(self.resources.as_deref(), word);
                        (entry.word(id), self.related_to(None, &self.stemmer.stem(word), &entry))
                    });
                    (*word, Some(&*related))
                }
            };
            hypothesis.words.push(found);
            hypothesis.candidates.extend(related.into_iter().flatten().map(|&(word, module)| (word, module, place)));
        }
        hypothesis.candidates.sort_unstable();
        if let Some(resources) = &self.resources {
            let numbers: Vec<u16> = hypothesis.words.iter().map(|word| word.paraphrase).collect();
            resources.sources_in(&numbers, &mut hypothesis.sources);
        }
        hypothesis
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

    fn word(&self, id: u32) -> Word {
        Word { id, paraphrase: self.paraphrase, function: self.function }
    }
}
