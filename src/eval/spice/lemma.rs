//! Base forms: what training showed of a word, else of its longest known ending.

use super::hash::number;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Letters to cut from the end, and letters to put there.
pub(crate) type Edit = (u8, String);

/// Edits by a key: the hash of a tag and a word or an ending.
#[derive(Debug, Default, Clone)]
pub struct Lemmas {
    edits: Vec<Edit>,
    keys: FxHashMap<u32, u8>,
}

/// The longest ending that is looked at, letters.
const ENDING: usize = 5;

/// Tags whose lemmas differ from the word: the others' words are their own lemmas, but for learnt exceptions.
fn inflected(tag: &str) -> bool {
    matches!(tag, "NNS" | "NNPS" | "VBZ" | "VBG" | "VBD" | "VBN" | "VBP" | "VB")
}

fn key(tag: &str, text: &str, whole: bool) -> u32 {
    number(64 + u8::from(whole), &[tag, text])
}

fn edit(word: &str, lemma: &str) -> Edit {
    let shared = word.chars().zip(lemma.chars()).take_while(|(a, b)| a == b).count();
    ((word.chars().count() - shared).min(255) as u8, lemma.chars().skip(shared).collect())
}

fn apply(word: &str, (cut, add): &Edit) -> String {
    let keep = word.chars().count().saturating_sub(usize::from(*cut));
    word.chars().take(keep).chain(add.chars()).collect()
}

fn endings(word: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> = word.char_indices().map(|(at, _)| at).collect();
    let first = starts.len().saturating_sub(ENDING);
    starts.into_iter().skip(first).filter_map(|at| word.get(at..))
}

impl Lemmas {
    /// Learns from words with tags and lemmas.
    pub fn train<'w>(words: impl IntoIterator<Item = (&'w str, &'w str, &'w str)>) -> Self {
        // Each distinct word counts once for its endings, however frequent it is.
        let mut distinct: BTreeMap<(&str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
        for (word, tag, lemma) in words {
            *distinct.entry((word, tag)).or_default().entry(lemma).or_default() += 1;
        }
        let best = |lemmas: &BTreeMap<&'w str, usize>| {
            lemmas.iter().max_by_key(|(lemma, count)| (**count, std::cmp::Reverse(**lemma))).map(|(lemma, _)| *lemma)
        };
        let mut endings_seen: BTreeMap<(&str, &str), BTreeMap<Edit, usize>> = BTreeMap::new();
        let mut words = Vec::new();
        for ((word, tag), lemmas) in &distinct {
            let Some(lemma) = best(lemmas) else { continue };
            words.push((*word, *tag, lemma));
            if inflected(tag) {
                for ending in endings(word) {
                    *endings_seen.entry((tag, ending)).or_default().entry(edit(word, lemma)).or_default() += 1;
                }
            }
        }
        let mut learnt = Self::default();
        let mut numbers: BTreeMap<Edit, u8> = BTreeMap::new();
        let mut number = |edit: Edit, edits: &mut Vec<Edit>| {
            numbers.get(&edit).copied().or_else(|| {
                let next = u8::try_from(edits.len()).ok()?;
                edits.push(edit.clone());
                numbers.insert(edit, next);
                Some(next)
            })
        };
        for ((tag, ending), edits) in &endings_seen {
            let common = edits.iter().max_by_key(|(edit, count)| (**count, std::cmp::Reverse((*edit).clone())));
            if let Some(number) = common.and_then(|(edit, _)| number(edit.clone(), &mut learnt.edits)) {
                learnt.keys.insert(key(tag, ending, false), number);
            }
        }
        for (word, tag, lemma) in words {
            if learnt.lemma(word, tag) != lemma
                && let Some(number) = number(edit(word, lemma), &mut learnt.edits)
            {
                learnt.keys.insert(key(tag, word, true), number);
            }
        }
        learnt
    }

    /// A word's base form under a tag.
    pub fn lemma(&self, word: &str, tag: &str) -> String {
        if let Some(edit) = self.edit(tag, word, true) {
            return apply(word, edit);
        }
        if inflected(tag)
            && let Some(edit) = endings(word).find_map(|ending| self.edit(tag, ending, false))
        {
            return apply(word, edit);
        }
        word.to_owned()
    }

    fn edit(&self, tag: &str, text: &str, whole: bool) -> Option<&Edit> {
        self.edits.get(usize::from(*self.keys.get(&key(tag, text, whole))?))
    }

    pub fn parts(&self) -> (&[Edit], BTreeMap<u32, u8>) {
        (&self.edits, self.keys.iter().map(|(key, edit)| (*key, *edit)).collect())
    }

    pub fn from_parts(edits: Vec<Edit>, keys: impl IntoIterator<Item = (u32, u8)>) -> Self {
        Self { edits, keys: keys.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_words_follow_their_endings_and_exceptions_are_learnt() {
        let words =
            [("cars", "NNS", "car"), ("lakes", "NNS", "lake"), ("cities", "NNS", "city"), ("men", "NNS", "man")];
        let lemmas = Lemmas::train(words);
        assert_eq!(["planes", "berries", "men"].map(|word| lemmas.lemma(word, "NNS")), ["plane", "berry", "man"]);
        assert_eq!(lemmas.lemma("is", "NN"), "is");
    }
}
