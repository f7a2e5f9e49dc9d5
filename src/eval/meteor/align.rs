//! The beam search for the best alignment, with the reference program's habits.
//!
//! Three of them show in scores: the weighted coverage of a path is cut to an integer after each match, so that single
//! stem, synonym and paraphrase matches add nothing to it; the distance of a match is charged to the path it was added
//! to, not to the new path; and only the first 40 paths live on.

use super::lexicon::{Caption, Hypothesis, Lexicon};
use super::matches::{EXACT, Match, Matches};
use super::stats::MeteorStats;

const BEAM: usize = 40;
const NONE: u32 = u32::MAX;

/// Buffers that one thread uses for pair after pair.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    matches: Matches,
    paths: Vec<Path>,
    next: Vec<Candidate>,
    survivors: Vec<Path>,
    /// Used words of each path, `stride` numbers a path: the hypothesis's bits, then the reference's.
    used: Vec<u64>,
    next_used: Vec<u64>,
    /// Chosen matches as linked lists: (match, rest).
    chosen: Vec<(u32, u32)>,
    alignment: Vec<Match>,
}

/// A partial alignment.
#[derive(Debug, Clone, Copy)]
struct Path {
    test_weight: i64,
    reference_weight: i64,
    chunks: i64,
    distance: i64,
    /// Next place of the reference that this path looks at.
    next: usize,
    /// End of the last match in the hypothesis; -1 where the last reference word was skipped.
    last_end: i64,
    /// Head of the list of chosen matches.
    chosen: u32,
}

/// A path that may live on: its numbers, the path it comes from, and the match to be marked as used.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    path: Path,
    parent: usize,
    add: u32,
}

impl Path {
    /// Adds a match; its distance is the caller's concern.
    fn apply(&mut self, found: &Match) {
        let halves = if found.module == EXACT { 2 } else { 1 };
        self.test_weight += i64::from(found.test_len) * halves / 2;
        self.reference_weight += i64::from(found.reference_len) * halves / 2;
        if self.last_end != -1 && i64::from(found.test_start) != self.last_end {
            self.chunks += 1;
        }
        self.next = (found.reference_start + found.reference_len) as usize;
        self.last_end = i64::from(found.test_start + found.test_len);
    }

    fn close_chunk(&mut self) {
        if self.last_end != -1 {
            self.chunks += 1;
            self.last_end = -1;
        }
    }

    fn key(&self) -> (std::cmp::Reverse<i64>, i64, i64) {
        (std::cmp::Reverse(self.test_weight + self.reference_weight), self.chunks, self.distance)
    }
}

fn distance(found: &Match) -> i64 {
    i64::from(found.reference_start.abs_diff(found.test_start))
}

impl Workspace {
    /// Aligns a pair and gives its statistics.
    pub(super) fn stats(&mut self, lexicon: &Lexicon, test: &Hypothesis, reference: &Caption) -> MeteorStats {
        self.matches.find(lexicon, test, reference);
        self.search(test.words.len());
        self.count(test)
    }

    /// Leaves the best alignment in `alignment`, by place in the reference.
    fn search(&mut self, test_len: usize) {
        let reference_len = self.matches.reference.len();
        let (test_stride, reference_stride) = (test_len.div_ceil(64), reference_len.div_ceil(64));
        let stride = test_stride + reference_stride;
        self.chosen.clear();
        self.used.clear();
        self.used.resize(stride, 0);
        for place in 0..reference_len {
            if let Some(fixed) = self.matches.fixed(place) {
                mark(&mut self.used, test_stride, &self.matches.list[fixed]);
            }
        }
        self.paths.clear();
        self.paths.push(Path {
            test_weight: 0,
            reference_weight: 0,
            chunks: 0,
            distance: 0,
            next: 0,
            last_end: -1,
            chosen: NONE,
        });
        for place in 0..=reference_len {
            self.next.clear();
            for parent in 0..self.paths.len() {
                self.extend(place, parent, reference_len, test_stride, stride);
            }
            if self.next.is_empty() {
                break;
            }
            // A stable sort: paths that are equal keep their order.
            self.next.sort_by_key(|candidate| candidate.path.key());
            self.next.truncate(BEAM);
            self.settle(test_stride, stride);
        }
        self.alignment.clear();
        let mut at = self.paths.first().map_or(NONE, |path| path.chosen);
        while let Some(&(found, rest)) = self.chosen.get(at as usize) {
            self.alignment.push(self.matches.list[found as usize]);
            at = rest;
        }
        self.alignment.reverse();
    }

    /// Puts all continuations of a path at a place into `next`.
    fn extend(&mut self, place: usize, parent: usize, reference_len: usize, test_stride: usize, stride: usize) {
        let mut path = self.paths[parent];
        if place == reference_len {
            path.close_chunk();
            self.next.push(Candidate { path, parent, add: NONE });
            return;
        }
        let used = &self.used[parent * stride..(parent + 1) * stride];
        let (test_used, reference_used) = used.split_at(test_stride);
        if bit(reference_used, place) {
            if place < path.next {
                self.next.push(Candidate { path, parent, add: NONE });
            } else if let Some(fixed) = self.matches.fixed(path.next) {
                let found = self.matches.list[fixed];
                path.apply(&found);
                path.distance += distance(&found);
                self.next.push(Candidate { path, parent, add: fixed as u32 });
            }
            return;
        }
        for number in self.matches.at(place) {
            let found = self.matches.list[number];
            if any(test_used, found.test_start, found.test_len)
                || any(reference_used, found.reference_start, found.reference_len)
            {
                continue;
            }
            let mut child = path;
            child.apply(&found);
            path.distance += distance(&found);
            self.next.push(Candidate { path: child, parent, add: number as u32 });
        }
        path.close_chunk();
        path.next += 1;
        self.next.push(Candidate { path, parent, add: NONE });
    }

    /// Turns the candidates that live on into paths.
    fn settle(&mut self, test_stride: usize, stride: usize) {
        self.survivors.clear();
        self.next_used.clear();
        for candidate in &self.next {
            let mut path = candidate.path;
            let from = self.next_used.len();
            self.next_used.extend_from_slice(&self.used[candidate.parent * stride..(candidate.parent + 1) * stride]);
            if candidate.add != NONE {
                self.chosen.push((candidate.add, path.chosen));
                path.chosen = (self.chosen.len() - 1) as u32;
                mark(&mut self.next_used[from..], test_stride, &self.matches.list[candidate.add as usize]);
            }
            self.survivors.push(path);
        }
        std::mem::swap(&mut self.paths, &mut self.survivors);
        std::mem::swap(&mut self.used, &mut self.next_used);
    }

    /// The statistics of the alignment.
    fn count(&self, test: &Hypothesis) -> MeteorStats {
        let reference = &self.matches.reference;
        let function = |words: &[super::lexicon::Word]| words.iter().filter(|word| word.function).count() as u64;
        let mut stats = MeteorStats {
            test_length: test.words.len() as u64,
            reference_length: reference.len() as u64,
            test_function: function(&test.words),
            reference_function: function(reference),
            ..MeteorStats::default()
        };
        let mut last: Option<&Match> = None;
        for found in &self.alignment {
            let adjacent = last.is_some_and(|last| {
                last.reference_start + last.reference_len == found.reference_start
                    && last.test_start + last.test_len == found.test_start
            });
            stats.chunks += u64::from(!adjacent);
            last = Some(found);
            let words = |words: &[super::lexicon::Word], start: u32, len: u32| {
                function(words.get(start as usize..(start + len) as usize).unwrap_or_default())
            };
            let test_function = words(&test.words, found.test_start, found.test_len);
            let reference_function = words(reference, found.reference_start, found.reference_len);
            let module = &mut stats.modules[usize::from(found.module)];
            module.test_function += test_function;
            module.reference_function += reference_function;
            module.test_content += u64::from(found.test_len) - test_function;
            module.reference_content += u64::from(found.reference_len) - reference_function;
            stats.test_matches += u64::from(found.test_len);
            stats.reference_matches += u64::from(found.reference_len);
        }
        stats
    }
}

fn bit(bits: &[u64], at: usize) -> bool {
    bits[at / 64] >> (at % 64) & 1 == 1
}

fn any(bits: &[u64], start: u32, len: u32) -> bool {
    (start..start + len).any(|at| bit(bits, at as usize))
}

fn mark(used: &mut [u64], test_stride: usize, found: &Match) {
    for at in found.test_start..found.test_start + found.test_len {
        used[at as usize / 64] |= 1 << (at % 64);
    }
    for at in found.reference_start..found.reference_start + found.reference_len {
        used[test_stride + at as usize / 64] |= 1 << (at % 64);
    }
}
