//! How captions are worded: lengths, vocabulary, repetition.

use crate::eval::tokenize_all;
use std::collections::BTreeMap;

/// Counts of some captions, by coco-caption's tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wording {
    pub captions: usize,
    /// Captions by their number of words.
    pub lengths: BTreeMap<usize, usize>,
    /// How often each word is said.
    pub words: BTreeMap<String, usize>,
    /// How often each caption is given, the most frequent first, equal ones alphabetically.
    pub repeated: Vec<(String, usize)>,
    /// Captions that say a word twice in a row, or a pair of words.
    pub stuttering: usize,
    /// Captions with `<unk>`.
    pub unknown: usize,
}

impl Wording {
    pub fn of<S: AsRef<str> + Sync>(captions: &[S]) -> Self {
        let mut wording = Self { captions: captions.len(), ..Self::default() };
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        wording.unknown = captions.iter().filter(|caption| caption.as_ref().contains("<unk>")).count();
        for caption in tokenize_all(captions) {
            let words: Vec<&str> = caption.split_whitespace().collect();
            *wording.lengths.entry(words.len()).or_default() += 1;
            wording.stuttering += usize::from(stutters(&words));
            for word in words {
                *wording.words.entry(word.to_owned()).or_default() += 1;
            }
            *counts.entry(caption).or_default() += 1;
        }
        wording.repeated = counts.into_iter().collect();
        wording.repeated.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        wording
    }

    /// Mean number of words of a caption; not a number where there is none.
    pub fn mean_length(&self) -> f64 {
        let words: usize = self.lengths.iter().map(|(length, captions)| length * captions).sum();
        words as f64 / self.captions as f64
    }

    /// Shortest and longest caption, in words.
    pub fn extremes(&self) -> (usize, usize) {
        let first = self.lengths.keys().next().copied().unwrap_or(0);
        (first, self.lengths.keys().next_back().copied().unwrap_or(0))
    }

    /// Different captions as a part of all.
    pub fn distinct(&self) -> f64 {
        self.repeated.len() as f64 / self.captions.max(1) as f64
    }

    /// Words that are said here and never in `other`, the most frequent first.
    pub fn beyond(&self, other: &Self) -> Vec<(&str, usize)> {
        let mut words: Vec<(&str, usize)> = self
            .words
            .iter()
            .filter(|(word, _)| !other.words.contains_key(*word))
            .map(|(word, count)| (word.as_str(), *count))
            .collect();
        words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        words
    }
}

fn stutters(words: &[&str]) -> bool {
    let again = |pair: &[&str]| pair.first() == pair.last();
    let pair_again = |four: &[&str]| matches!(four, [a, b, c, d] if (a, b) == (c, d));
    words.windows(2).any(again) || words.windows(4).any(pair_again)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_vocabulary_and_repetition_are_counted_by_words() {
        let wording = Wording::of(&["A road.", "a road", "many many trees", "it is it is green <unk>"]);
        assert_eq!((wording.captions, wording.extremes()), (4, (2, 6)));
        assert_eq!(wording.mean_length(), (2 + 2 + 3 + 6) as f64 / 4.0);
        assert_eq!((wording.distinct(), wording.stuttering, wording.unknown), (0.75, 2, 1));
        assert_eq!(wording.repeated[0], ("a road".to_owned(), 2));
        let other = Wording::of(&["a green road"]);
        assert_eq!(wording.beyond(&other).first(), Some(&("is", 2)));
        assert_eq!(other.beyond(&wording), []);
    }
}
