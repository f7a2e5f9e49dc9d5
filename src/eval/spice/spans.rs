//! Which spans of words can be parts of a derivation: a logistic regression over the words at a span's ends, whose
//! unlikely spans the chart need not fill (after Roark and Hollingshead, COLING 2008).

use super::linear::{Linear, feature};

/// What a span's odds are at least: a factor of e to the seventh against.
const BOUND: i32 = -7 * Linear::ONE as i32;

/// What is looked at on either side of a caption.
const AROUND: usize = 2;
const NO_TAG: u32 = 1 << 15;
const NO_WORD: u32 = 1 << 30;

/// The likeliest tags of a caption's words, and what the words are known by.
#[derive(Debug, Default)]
pub struct Ends {
    tags: Vec<u32>,
    ids: Vec<u32>,
}

impl Ends {
    pub fn look(&mut self, tags: &[u16], ids: &[u32]) {
        let around = |list: &mut Vec<u32>, outside: u32, inside: &mut dyn Iterator<Item = u32>| {
            list.clear();
            list.resize(AROUND, outside);
            list.extend(inside);
            list.resize(list.len() + AROUND, outside);
        };
        around(&mut self.tags, NO_TAG, &mut tags.iter().map(|&tag| tag.into()));
        around(&mut self.ids, NO_WORD, &mut ids.iter().copied());
    }

    /// The features of spans that start at a word.
    pub fn of_start(&self, start: usize) -> [u32; 4] {
        let [_, before, first, second] = [0, 1, 2, 3].map(|at| self.tags[start + at]);
        let [word_before, word] = [1, 2].map(|at| self.ids[start + at]);
        [
            feature(0, before, first),
            feature(1, word_before, word),
            feature(2, pair(before, first), second),
            feature(3, word, before),
        ]
    }

    /// The features of spans that end before a word.
    pub fn of_end(&self, end: usize) -> [u32; 5] {
        let [last_but_one, last, after, next] = [0, 1, 2, 3].map(|at| self.tags[end + at]);
        let [word, word_after] = [1, 2].map(|at| self.ids[end + at]);
        [
            feature(4, last, after),
            feature(5, word, word_after),
            feature(6, pair(last_but_one, last), after),
            feature(7, pair(last, after), next),
            feature(8, word_after, last),
        ]
    }

    /// The features of one span.
    pub fn of_both(&self, start: usize, end: usize) -> [u32; 6] {
        let [before, first] = [1, 2].map(|at| self.tags[start + at]);
        let [last, after] = [1, 2].map(|at| self.tags[end + at]);
        let length = length_class(end - start);
        [
            feature(9, first, pair(after, length)),
            feature(10, pair(before, first), pair(last, after)),
            feature(11, before, pair(after, length)),
            feature(12, first, pair(last, length)),
            feature(13, pair(before, first), after),
            feature(14, first, pair(last, after)),
        ]
    }
}

/// Two tags as one number.
fn pair(first: u32, second: u32) -> u32 {
    first << 16 | second
}

fn length_class(words: usize) -> u32 {
    match words {
        0..6 => words as u32,
        6..8 => 6,
        8..12 => 7,
        _ => 8,
    }
}

/// Tells the spans that can be parts.
#[derive(Debug, Default)]
pub struct Spans {
    pub weights: Linear,
}

impl Spans {
    /// Of a caption of so many words, whether each span can be a part, at its start times one more than the words, plus
    /// its end. Words and the whole always can.
    pub fn open(&self, ends: &Ends, words: usize, open: &mut Vec<bool>) {
        open.clear();
        open.resize(words * (words + 1), true);
        let (starts, stops): (Vec<i32>, Vec<i32>) = (0..=words)
            .map(|word| {
                let start = if word < words { self.weights.sum(&ends.of_start(word)) } else { 0 };
                (start, self.weights.sum(&ends.of_end(word)))
            })
            .unzip();
        for start in 0..words {
            for end in start + 2..=words {
                if end - start < words {
                    let score = starts[start] + stops[end] + self.weights.sum(&ends.of_both(start, end));
                    open[start * (words + 1) + end] = score >= BOUND;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrained_it_leaves_every_span_open() {
        let mut ends = Ends::default();
        ends.look(&[3, 1, 2], &[30, 10, 20]);
        let mut open = Vec::new();
        Spans::default().open(&ends, 3, &mut open);
        assert_eq!(open, [true; 12]);
    }

    #[test]
    fn words_and_the_whole_are_open_whatever_the_weights() {
        let spans = Spans { weights: Linear::new(&[-1.0]) };
        let mut ends = Ends::default();
        ends.look(&[3, 1, 2], &[30, 10, 20]);
        let mut open = Vec::new();
        spans.open(&ends, 3, &mut open);
        // 15 features of a span make odds of e to the -15.
        let closed: Vec<usize> = (0..12).filter(|&at| !open[at]).collect();
        assert_eq!(closed, [2, 4 + 3]);
    }

    #[test]
    fn the_features_of_a_span_are_those_of_its_ends() {
        let mut ends = Ends::default();
        ends.look(&[3, 1, 2], &[30, 10, 20]);
        assert_eq!(ends.of_start(0)[0], feature(0, NO_TAG, 3));
        assert_eq!(ends.of_end(3)[1], feature(5, 20, NO_WORD));
        assert_eq!(ends.of_both(1, 3)[3], feature(12, 1, pair(2, 2)));
    }
}
