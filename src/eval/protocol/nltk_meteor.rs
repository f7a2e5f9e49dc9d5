//! METEOR as NLTK computes it (`meteor_score`; Lavie and Agarwal, WMT 2007): words matched greedily from the last one,
//! exactly, by Porter's stem, then by WordNet; alpha .9, beta 3, gamma .5; the best reference.
//!
//! Synonyms come from METEOR's own WordNet tables where they are installed. Deviation: NLTK reads WordNet 3.0 itself,
//! with another rule for base forms; without the tables the third kind of match finds equal words alone.

use super::porter::stem;
use crate::meteor::Resources;
use rustc_hash::FxHashMap;

const ALPHA: f64 = 0.9;
const BETA: i32 = 3;
const GAMMA: f64 = 0.5;

/// A caption's words with their stems and synsets, so that each is looked up once a caption and not once a pair.
pub(super) struct Words(Vec<Word>);

struct Word {
    lower: String,
    stem: String,
    synsets: Vec<u32>,
}

impl Words {
    pub(super) fn new(words: &[String], resources: Option<&Resources>) -> Self {
        let word = |word: &String| {
            let lower = word.to_lowercase();
            let mut synsets = Vec::new();
            if let Some(resources) = resources {
                resources.synsets(&lower, &mut synsets);
            }
            Word { stem: stem(&lower), lower, synsets }
        };
        Self(words.iter().map(word).collect())
    }
}

/// The best score over the references; 0 where there is none.
pub(super) fn meteor(hypothesis: &Words, references: &[Words]) -> f64 {
    references.iter().map(|reference| single(hypothesis, reference)).fold(0.0, f64::max)
}

fn single(Words(hypothesis): &Words, Words(reference): &Words) -> f64 {
    let mut aligned = Alignment::new(hypothesis.len(), reference.len());
    aligned.by_key(hypothesis, reference, |word| &word.lower);
    aligned.by_key(hypothesis, reference, |word| &word.stem);
    aligned.by_synsets(hypothesis, reference);
    let pairs: Vec<(usize, usize)> =
        aligned.of_hypothesis.iter().enumerate().filter_map(|(at, place)| Some((at, (*place)?))).collect();
    if pairs.is_empty() {
        return 0.0;
    }
    let matched = pairs.len() as f64;
    let (precision, recall) = (matched / hypothesis.len() as f64, matched / reference.len() as f64);
    let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
    let breaks = pairs.windows(2).filter(|pair| !matches!(pair, [(a, b), (c, d)] if *c == a + 1 && *d == b + 1));
    let fragmentation = (breaks.count() + 1) as f64 / matched;
    (1.0 - GAMMA * fragmentation.powi(BETA)) * mean
}

/// Which word of the reference each word of the hypothesis stands for.
struct Alignment {
    of_hypothesis: Vec<Option<usize>>,
    taken: Vec<bool>,
}

impl Alignment {
    fn new(hypothesis: usize, reference: usize) -> Self {
        Self { of_hypothesis: vec![None; hypothesis], taken: vec![false; reference] }
    }

    /// From the last word to the first, each takes the last free one with the same key.
    fn by_key(&mut self, hypothesis: &[Word], reference: &[Word], key: impl Fn(&Word) -> &String) {
        let mut places: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
        for (place, word) in reference.iter().enumerate().filter(|(place, _)| !self.is_taken(*place)) {
            places.entry(key(word)).or_default().push(place);
        }
        self.each_free(hypothesis, |word| places.get_mut(key(word).as_str()).and_then(Vec::pop));
    }

    fn by_synsets(&mut self, hypothesis: &[Word], reference: &[Word]) {
        let mut free: Vec<bool> = self.taken.iter().map(|taken| !taken).collect();
        self.each_free(hypothesis, |word| {
            let synonym = |other: &Word| {
                other.lower == word.lower || other.synsets.iter().any(|set| word.synsets.binary_search(set).is_ok())
            };
            let place = reference.iter().zip(&free).rposition(|(other, free)| *free && synonym(other))?;
            if let Some(free) = free.get_mut(place) {
                *free = false;
            }
            Some(place)
        });
    }

    fn each_free(&mut self, hypothesis: &[Word], mut find: impl FnMut(&Word) -> Option<usize>) {
        for (word, place) in hypothesis.iter().zip(&mut self.of_hypothesis).rev().filter(|(_, place)| place.is_none()) {
            *place = find(word);
            if let Some(taken) = place.and_then(|place| self.taken.get_mut(place)) {
                *taken = true;
            }
        }
    }

    fn is_taken(&self, place: usize) -> bool {
        self.taken.get(place).copied().unwrap_or(true)
    }
}
