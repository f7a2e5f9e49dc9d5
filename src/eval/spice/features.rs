//! What the network sees of a word: the word itself where it is known, its ends and its shape.

use super::bytes::{shorts, take_shorts, take_u32, take_words, words};
use super::dense::{Fixed, quantise};
use rustc_hash::FxHashMap;

/// Kinds of features; they keep equal letters of different kinds apart.
const WORD: u8 = 0;
const PREFIX: u8 = 9;
const DIGIT: u8 = 10;
const HYPHEN: u8 = 11;

/// Letters of the longest ending.
const ENDING: usize = 4;

/// A number for some texts of a kind, the same everywhere (FNV-1a, then mixed).
pub fn number(kind: u8, texts: &[&str]) -> u32 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    let hash = std::iter::once(kind)
        .chain(bytes)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ hash >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32) as u32
}

fn key(kind: u8, text: &str) -> u32 {
    number(kind, &[text])
}

/// The features of a word, itself first.
pub fn of(word: &str) -> impl Iterator<Item = u32> {
    let endings = word.char_indices().rev().take(ENDING).filter_map(|(at, _)| word.get(at..));
    let endings = (1..).zip(endings).map(|(kind, ending)| key(kind, ending));
    let start = word.char_indices().nth(3).and_then(|(end, _)| word.get(..end)).unwrap_or(word);
    let digit = word.bytes().any(|byte| byte.is_ascii_digit()).then(|| key(DIGIT, ""));
    let hyphen = word.bytes().skip(1).any(|byte| byte == b'-').then(|| key(HYPHEN, ""));
    std::iter::once(key(WORD, word)).chain(endings).chain([key(PREFIX, start)]).chain(digit).chain(hyphen)
}

/// A vector for each known feature.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Embedding {
    size: usize,
    /// Sorted.
    keys: Vec<u32>,
    vectors: Vec<i16>,
    places: FxHashMap<u32, u32>,
}

impl Embedding {
    /// From sorted features and their vectors `[features, size]`.
    pub fn new(keys: Vec<u32>, vectors: &[f32], size: usize) -> Self {
        Self::from_parts(keys, vectors.iter().map(|&value| quantise(value, i16::ONE)).collect(), size)
    }

    fn from_parts(keys: Vec<u32>, vectors: Vec<i16>, size: usize) -> Self {
        let places = keys.iter().copied().zip(0..).collect();
        Self { size, keys, vectors, places }
    }

    /// Numbers in a vector.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Sums of the vectors of each word's features: `[words, size]`.
    pub fn apply(&self, words: &[&str]) -> Vec<i16> {
        let mut out = vec![0i16; words.len() * self.size];
        for (word, sums) in words.iter().zip(out.chunks_exact_mut(self.size.max(1))) {
            for feature in of(word) {
                let Some(&place) = self.places.get(&feature) else { continue };
                let vector = &self.vectors[place as usize * self.size..][..self.size];
                sums.iter_mut().zip(vector).for_each(|(sum, &part)| *sum = sum.saturating_add(part));
            }
        }
        out
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.size as u32).to_le_bytes());
        out.extend((self.keys.len() as u32).to_le_bytes());
        words(out, &self.keys);
        shorts(out, &self.vectors);
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let (size, count) = (take_u32(from)? as usize, take_u32(from)? as usize);
        let keys = take_words(from, count)?;
        let vectors = take_shorts(from, count.checked_mul(size)?)?;
        (size > 0 && size % 2 == 0).then(|| Self::from_parts(keys, vectors, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_share_the_features_of_their_ends() {
        let shared = |a: &str, b: &str| of(a).filter(|feature| of(b).any(|other| other == *feature)).count();
        assert_eq!(shared("buildings", "buildings"), 6);
        assert_eq!(shared("buildings", "dwellings"), 4);
        assert_eq!(shared("a", "a"), 3);
        assert_eq!(shared("t-junction", "x-ray"), 1);
        assert_eq!((of("").count(), of("3").count()), (2, 4));
    }

    #[test]
    fn a_word_is_the_sum_of_what_is_known_of_it() {
        let mut keys: Vec<u32> = of("cars").take(2).collect();
        keys.sort_unstable();
        let embedding = Embedding::new(keys, &[1.0, 0.0, 0.25, 0.5], 2);
        let sums = embedding.apply(&["cars", "lakes", "cat"]);
        assert_eq!(sums[..2], [2560, 1024]);
        assert!(sums[2..4] != [0, 0] && sums[4..] == [0, 0]);
    }
}
