//! All matches between a hypothesis and a reference, by the four modules.

use super::lexicon::{Caption, Hypothesis, Lexicon, Word};

/// Module numbers.
pub(super) const EXACT: u8 = 0;
pub(super) const STEM: u8 = 1;
pub(super) const SYNONYM: u8 = 2;
const PARAPHRASE: u8 = 3;

/// Words `test_start..` of the hypothesis match words `reference_start..` of the reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    pub reference_start: u32,
    pub reference_len: u32,
    pub test_start: u32,
    pub test_len: u32,
    pub module: u8,
}

/// The matches of one pair, and buffers that the next pair uses again.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// By place in the reference, then in the order in which the modules found them.
    pub list: Vec<Match>,
    /// Where each place's matches begin in `list`; one more than there are places.
    pub starts: Vec<u32>,
    /// How many matches cover each word.
    pub test_coverage: Vec<u32>,
    pub reference_coverage: Vec<u32>,
    /// The reference's words.
    pub reference: Vec<Word>,
    test_numbers: Vec<u16>,
    reference_numbers: Vec<u16>,
    /// The list before it is sorted, and where the next match of each place goes.
    found: Vec<Match>,
    next: Vec<u32>,
}

impl Matches {
    pub(super) fn find(&mut self, lexicon: &Lexicon, test: &Hypothesis, reference: &Caption) {
        self.list.clear();
        self.reference.clear();
        self.reference.extend(reference.words.iter().map(|&id| lexicon.word(id)));
        let identical = test.words.iter().map(|word| word.id).eq(reference.words.iter().copied());
        for (j, theirs) in (0..).zip(&self.reference) {
            let from = test.candidates.partition_point(|candidate| candidate.0 < theirs.id);
            for &(word, module, i) in test.candidates.iter().skip(from) {
                if word != theirs.id || (identical && module != EXACT) {
                    break; // sorted: exact matches come first
                }
                self.list.push(Match { reference_start: j, reference_len: 1, test_start: i, test_len: 1, module });
            }
        }
        if !identical {
            self.paraphrases(lexicon, test, reference);
        }
        self.arrange(test.words.len());
    }

    /// Both directions of the table: sources in the reference, then sources in the hypothesis.
    fn paraphrases(&mut self, lexicon: &Lexicon, test: &Hypothesis, reference: &Caption) {
        let Some(resources) = &lexicon.resources else { return };
        self.test_numbers.clear();
        self.test_numbers.extend(test.words.iter().map(|word| word.paraphrase));
        self.reference_numbers.clear();
        self.reference_numbers.extend(self.reference.iter().map(|word| word.paraphrase));
        let list = &mut self.list;
        for source in &reference.sources {
            for target in resources.targets(source) {
                target.each_in(&self.test_numbers, |i| {
                    list.push(Match {
                        reference_start: source.start,
                        reference_len: source.len,
                        test_start: i as u32,
                        test_len: target.len() as u32,
                        module: PARAPHRASE,
                    });
                });
            }
        }
        for source in &test.sources {
            for target in resources.targets(source) {
                target.each_in(&self.reference_numbers, |j| {
                    list.push(Match {
                        reference_start: j as u32,
                        reference_len: target.len() as u32,
                        test_start: source.start,
                        test_len: source.len,
                        module: PARAPHRASE,
                    });
                });
            }
        }
    }

    /// Sorts by place in the reference, equal places as they were found, and counts coverage.
    fn arrange(&mut self, test_len: usize) {
        let reference_len = self.reference.len();
        self.starts.clear();
        self.starts.resize(reference_len + 1, 0);
        self.test_coverage.clear();
        self.test_coverage.resize(test_len, 0);
        self.reference_coverage.clear();
        self.reference_coverage.resize(reference_len, 0);
        for found in &self.list {
            self.starts[found.reference_start as usize + 1] += 1;
            cover(&mut self.test_coverage, found.test_start, found.test_len);
            cover(&mut self.reference_coverage, found.reference_start, found.reference_len);
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        if !self.list.is_sorted_by_key(|found| found.reference_start) {
            self.next.clear();
            self.next.extend_from_slice(&self.starts);
            self.found.clone_from(&self.list);
            for &found in &self.found {
                let place = &mut self.next[found.reference_start as usize];
                self.list[*place as usize] = found;
                *place += 1;
            }
        }
    }

    /// The matches that begin at a place of the reference.
    pub(super) fn at(&self, place: usize) -> std::ops::Range<usize> {
        self.starts[place] as usize..self.starts[place + 1] as usize
    }

    /// The only match at a place, where nothing else competes for any word it covers.
    pub(super) fn fixed(&self, place: usize) -> Option<usize> {
        let range = self.at(place);
        let found = self.list.get(range.start).filter(|_| range.len() == 1)?;
        let alone = |coverage: &[u32], start: u32, len: u32| {
            coverage[start as usize..(start + len) as usize].iter().all(|&count| count == 1)
        };
        (alone(&self.test_coverage, found.test_start, found.test_len)
            && alone(&self.reference_coverage, found.reference_start, found.reference_len))
        .then_some(range.start)
    }
}

fn cover(coverage: &mut [u32], start: u32, len: u32) {
    for count in coverage.iter_mut().skip(start as usize).take(len as usize) {
        *count += 1;
    }
}
