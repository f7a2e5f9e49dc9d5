//! Words and n-grams as numbers, so that BLEU and CIDEr compare counts instead of strings.

use rustc_hash::FxHashMap;

/// Longest n-gram that is counted.
pub(crate) const MAX_N: usize = 4;

/// Words and n-grams of all references. An n-gram's number is unique within its length.
#[derive(Debug, Default, Clone)]
pub(crate) struct NgramIndex {
    words: FxHashMap<Box<str>, u32>,
    /// For n = 2, 3, 4: (number of the first n-1 words, last word) -> number.
    longer: [FxHashMap<(u32, u32), u32>; MAX_N - 1],
}

/// The n-grams of one caption: per length, (number, count) in ascending order of the number.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    entries: Vec<(u32, u32)>,
    ends: [usize; MAX_N],
    /// Length in words.
    pub len: usize,
}

/// A hypothesis against an index: its known n-grams, and how often each unknown one occurs.
#[derive(Debug, Default)]
pub(crate) struct HypothesisCounts {
    pub known: Counts,
    /// Per length, the counts of distinct n-grams that no reference has.
    pub unknown: [Vec<u32>; MAX_N],
}

impl Counts {
    /// The n-grams of `n` words.
    pub(crate) fn of(&self, n: usize) -> &[(u32, u32)] {
        let start = if n < 2 { 0 } else { self.ends.get(n - 2).copied().unwrap_or_default() };
        let end = self.ends.get(n.wrapping_sub(1)).copied().unwrap_or_default();
        self.entries.get(start..end).unwrap_or_default()
    }

    /// Adds the n-grams of the next length.
    fn push(&mut self, n: usize, numbers: &mut [u32]) {
        numbers.sort_unstable();
        for run in numbers.chunk_by(|a, b| a == b) {
            self.entries.push((run[0], run.len() as u32));
        }
        self.ends[n - 1] = self.entries.len();
    }
}

impl NgramIndex {
    /// The number of a word, new if need be.
    pub(crate) fn add_word(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.words.get(word) {
            return number;
        }
        let number = self.words.len() as u32;
        self.words.insert(word.into(), number);
        number
    }

    pub(crate) fn word(&self, word: &str) -> Option<u32> {
        self.words.get(word).copied()
    }

    pub(crate) fn word_count(&self) -> usize {
        self.words.len()
    }

    /// How many different n-grams of `n` words there are.
    pub(crate) fn len(&self, n: usize) -> usize {
        if n == 1 { self.words.len() } else { self.longer.get(n.wrapping_sub(2)).map_or(0, FxHashMap::len) }
    }

    /// Counts a reference, given as word numbers, and adds its n-grams to the index.
    pub(crate) fn add(&mut self, words: &[u32]) -> Counts {
        let mut counts = Counts { len: words.len(), ..Counts::default() };
        counts.entries.reserve(words.len() * MAX_N);
        let mut numbers = words.to_vec();
        counts.push(1, &mut numbers.clone());
        for n in 2..=MAX_N {
            let index = &mut self.longer[n - 2];
            numbers.truncate((words.len() + 1).saturating_sub(n));
            for (number, last) in numbers.iter_mut().zip(words.iter().skip(n - 1)) {
                let new = index.len() as u32;
                *number = *index.entry((*number, *last)).or_insert(new);
            }
            counts.push(n, &mut numbers.clone());
        }
        counts
    }

    /// Counts a hypothesis. Numbers from [`word_count`](Self::word_count) up stand for words that no reference has.
    pub(crate) fn count(&self, words: &[u32]) -> HypothesisCounts {
        let mut counts = HypothesisCounts::default();
        counts.known.len = words.len();
        let mut numbers: Vec<Option<u32>> =
            words.iter().map(|&word| Some(word).filter(|&word| (word as usize) < self.words.len())).collect();
        for n in 1..=MAX_N {
            if n > 1 {
                let index = &self.longer[n - 2];
                numbers.truncate((words.len() + 1).saturating_sub(n));
                for (number, last) in numbers.iter_mut().zip(words.iter().skip(n - 1)) {
                    *number = number.and_then(|first| index.get(&(first, *last)).copied());
                }
            }
            let mut known: Vec<u32> = numbers.iter().filter_map(|&number| number).collect();
            counts.known.push(n, &mut known);
            let mut unknown: Vec<&[u32]> = numbers
                .iter()
                .enumerate()
                .filter(|(_, number)| number.is_none())
                .filter_map(|(at, _)| words.get(at..at + n))
                .collect();
            unknown.sort_unstable();
            counts.unknown[n - 1] = unknown.chunk_by(|a, b| a == b).map(|run| run.len() as u32).collect();
        }
        counts
    }
}

/// Calls `shared` with (number, count on the left, count on the right) for each n-gram that both have.
pub(crate) fn shared(left: &[(u32, u32)], right: &[(u32, u32)], mut shared: impl FnMut(u32, u32, u32)) {
    let (mut i, mut j) = (0, 0);
    while let (Some(&(a, left_count)), Some(&(b, right_count))) = (left.get(i), right.get(j)) {
        if a == b {
            shared(a, left_count, right_count);
        }
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
}

/// Words as Python's `str.split()` finds them: between any Unicode white space.
pub(crate) fn split_unicode(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '\u{1C}'..='\u{1F}')).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hypothesis_finds_its_n_grams_and_counts_the_unknown_ones() {
        let mut index = NgramIndex::default();
        let reference: Vec<u32> = ["a", "b", "a", "b"].iter().map(|word| index.add_word(word)).collect();
        let counts = index.add(&reference);
        assert_eq!(counts.of(1), &[(0, 2), (1, 2)]);
        assert_eq!(counts.of(2), &[(0, 2), (1, 1)]); // ab twice, ba once
        assert_eq!(counts.of(4).len(), 1);
        let hypothesis = index.count(&[0, 1, 2, 2, 2]);
        assert_eq!(hypothesis.known.of(1), &[(0, 1), (1, 1)]);
        assert_eq!(hypothesis.unknown[0], [3]);
        assert_eq!(hypothesis.known.of(2), &[(0, 1)]);
        assert_eq!(hypothesis.unknown[1], [1, 2]); // b?, ?? twice
        assert_eq!(index.count(&[]).known.of(3), &[]);
    }

    #[test]
    fn words_part_at_every_kind_of_space() {
        assert_eq!(split_unicode(" 2\u{A0}1/2  m ").collect::<Vec<_>>(), ["2", "1/2", "m"]);
    }
}
