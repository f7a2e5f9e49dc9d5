//! How well the native analysis agrees with the reference's: on words, arcs, tuples and scores.

use super::cleanup::clean_up;
use super::convert::{self, Arc};
use super::counts;
use super::graph::{Graph, Word};
use super::model::{Analyser, Room};
use super::parses::{Parsed, Scored};
use super::score::{Lists, SpiceStats};
use super::terms::Terms;
use super::tuples::{Tuple, tuples};
use rayon::prelude::*;

/// Whether a caption belongs to the tenth that training leaves out: by a hash of its text (FNV-1a), so that it depends
/// neither on the order of the captions nor on which others there are.
pub fn is_held_out(caption: &str) -> bool {
    let hash = caption
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ (hash >> 32)).is_multiple_of(10)
}

/// What of an analysis is taken from the reference instead, to learn which part loses tuples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Given {
    pub lemmas: bool,
    pub tags: bool,
    pub governors: bool,
    pub labels: bool,
}

impl Given {
    /// What [`Analysis`] tries, with names; nothing given comes first.
    pub const ALL: [(&'static str, Self); 7] = {
        const NONE: Given = Given { lemmas: false, tags: false, governors: false, labels: false };
        [
            ("nothing", NONE),
            ("lemmas", Given { lemmas: true, ..NONE }),
            ("tags, lemmas", Given { lemmas: true, tags: true, ..NONE }),
            ("labels", Given { labels: true, ..NONE }),
            ("governors", Given { governors: true, ..NONE }),
            ("governors, labels", Given { governors: true, labels: true, ..NONE }),
            ("everything", Given { lemmas: true, tags: true, governors: true, labels: true }),
        ]
    };

    /// The tuples of a sentence of which a part is the reference's.
    fn tuples(self, (words, tree): &(Vec<Word>, Vec<Arc>), theirs: &Graph) -> Vec<Tuple> {
        let (mut words, mut tree) = (words.clone(), tree.clone());
        for (ours, theirs) in words.iter_mut().zip(&theirs.words) {
            if self.lemmas {
                ours.lemma.clone_from(&theirs.lemma);
            }
            if self.tags {
                ours.tag.clone_from(&theirs.tag);
            }
        }
        for (ours, theirs) in tree.iter_mut().zip(convert::tree(theirs)) {
            if self.governors {
                ours.0 = theirs.0;
            }
            if self.labels {
                ours.1 = theirs.1;
            }
        }
        let mut graph = convert::graph(words, &tree);
        clean_up(&mut graph);
        tuples(&graph)
    }
}

/// Distinct tuples of some captions: in common, native, the reference's.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    pub common: usize,
    pub native: usize,
    pub reference: usize,
}

impl Overlap {
    /// Of sorted lists without repetition.
    fn new(ours: &[Tuple], theirs: &[Tuple], fits: impl Fn(&Tuple) -> bool) -> Self {
        let common = ours.iter().filter(|tuple| fits(tuple) && theirs.binary_search(tuple).is_ok()).count();
        let count = |tuples: &[Tuple]| tuples.iter().filter(|tuple| fits(tuple)).count();
        Self { common, native: count(ours), reference: count(theirs) }
    }

    fn add(&mut self, other: &Self) {
        self.common += other.common;
        self.native += other.native;
        self.reference += other.reference;
    }

    pub fn precision(&self) -> f64 {
        self.common as f64 / self.native.max(1) as f64
    }

    pub fn recall(&self) -> f64 {
        self.common as f64 / self.reference.max(1) as f64
    }

    pub fn f1(&self) -> f64 {
        2.0 * self.common as f64 / (self.native + self.reference).max(1) as f64
    }
}

/// Counts over some captions.
#[derive(Debug, Default, Clone, Copy)]
pub struct Analysis {
    pub captions: usize,
    pub words: usize,
    pub tags: usize,
    pub lemmas: usize,
    /// Words with the right governor, and with the right governor and relation.
    pub attached: usize,
    pub labelled: usize,
    pub tuples: Overlap,
    /// Objects, attributes, relations.
    pub kinds: [Overlap; 3],
    /// With parts of the analysis from the reference, in the order of [`Given::ALL`].
    pub given: [Overlap; Given::ALL.len()],
    /// Captions with exactly the reference's tuples.
    pub exact: usize,
}

impl Analysis {
    /// Compares captions, in parallel.
    pub fn new(analyser: &Analyser, parses: &[Parsed]) -> Self {
        let each: Vec<Self> = parses.par_iter().map(|parsed| Self::of(analyser, parsed)).collect();
        let mut sum = Self::default();
        each.iter().for_each(|one| sum.add(one));
        sum
    }

    fn add(&mut self, other: &Self) {
        self.captions += other.captions;
        self.words += other.words;
        self.tags += other.tags;
        self.lemmas += other.lemmas;
        self.attached += other.attached;
        self.labelled += other.labelled;
        self.exact += other.exact;
        self.tuples.add(&other.tuples);
        self.kinds.iter_mut().zip(&other.kinds).for_each(|(sum, more)| sum.add(more));
        self.given.iter_mut().zip(&other.given).for_each(|(sum, more)| sum.add(more));
    }

    fn of(analyser: &Analyser, parsed: &Parsed) -> Self {
        let mut counts = Self { captions: 1, ..Self::default() };
        let mut given = [const { Vec::new() }; Given::ALL.len()];
        for sentence in &parsed.sentences {
            let text: Vec<&str> = sentence.words.iter().map(|word| word.text.as_str()).collect();
            let native = analyser.tree(&text.join(" "), &mut Room::default());
            counts.words += text.len();
            for (ours, theirs) in native.0.iter().zip(&sentence.words) {
                counts.tags += usize::from(ours.tag == theirs.tag);
                counts.lemmas += usize::from(ours.lemma == theirs.lemma);
            }
            for (ours, theirs) in native.1.iter().zip(convert::tree(sentence)) {
                counts.attached += usize::from(ours.0 == theirs.0);
                counts.labelled += usize::from(*ours == theirs);
            }
            for (tuples, (_, given)) in given.iter_mut().zip(Given::ALL) {
                tuples.extend(given.tuples(&native, sentence));
            }
        }
        let distinct = |mut tuples: Vec<Tuple>| {
            tuples.sort();
            tuples.dedup();
            tuples
        };
        let (ours, theirs) = (distinct(analyser.tuples(&parsed.caption)), distinct(parsed.tuples.clone()));
        counts.exact = usize::from(ours == theirs);
        counts.tuples = Overlap::new(&ours, &theirs, |_| true);
        counts.kinds = [
            Overlap::new(&ours, &theirs, |tuple| matches!(tuple, Tuple::Object(_))),
            Overlap::new(&ours, &theirs, |tuple| matches!(tuple, Tuple::Attribute(..))),
            Overlap::new(&ours, &theirs, |tuple| matches!(tuple, Tuple::Relation(..))),
        ];
        counts.given = given.map(|tuples| Overlap::new(&distinct(tuples), &theirs, |_| true));
        counts
    }
}

/// Agreement of scores, caption by caption.
#[derive(Debug, Clone, Copy)]
pub struct Correlation {
    pub captions: usize,
    pub pearson: f64,
    pub spearman: f64,
    /// Mean score: native, the reference's.
    pub native: f64,
    pub reference: f64,
}

impl Correlation {
    /// Of pairs (native, the reference's).
    pub fn new(pairs: &[(f64, f64)]) -> Self {
        let (native, reference): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        Self {
            captions: pairs.len(),
            pearson: pearson(&native, &reference),
            spearman: pearson(&ranks(&native), &ranks(&reference)),
            native: mean(&native),
            reference: mean(&reference),
        }
    }

    /// Scores groups from native tuples, against the reference's scores.
    pub fn of_groups(analyser: &Analyser, groups: &[Scored], terms: &Terms) -> Self {
        let lists = Lists::new(terms);
        let score = |group: &Scored| {
            let references: Vec<Vec<Tuple>> = group.references.iter().map(|caption| analyser.tuples(caption)).collect();
            let references = references.iter().map(Vec::as_slice);
            let counts = counts(&analyser.tuples(&group.hypothesis), references, terms, &lists);
            (SpiceStats::new(&counts).mean(0), group.spice)
        };
        Self::new(&groups.par_iter().map(score).collect::<Vec<_>>())
    }

    /// Scores each caption against the five after it (the first ones for the last), from native tuples and from the
    /// reference's: where parses come without groups of references.
    pub fn of_neighbours(analyser: &Analyser, parses: &[Parsed], terms: &Terms) -> Self {
        let lists = Lists::new(terms);
        let captions: Vec<&str> = parses.iter().map(|parsed| parsed.caption.as_str()).collect();
        let native = analyser.all_tuples(&captions);
        let reference: Vec<Vec<Tuple>> = parses.iter().map(|parsed| parsed.tuples.clone()).collect();
        let score = |tuples: &[Vec<Tuple>], at: usize| {
            let others = (1..=5).filter_map(|by| tuples.get((at + by) % tuples.len())).map(Vec::as_slice);
            let hypothesis = tuples.get(at).map(Vec::as_slice).unwrap_or_default();
            SpiceStats::new(&counts(hypothesis, others, terms, &lists)).mean(0)
        };
        let pairs: Vec<(f64, f64)> = (0..parses.len()).map(|at| (score(&native, at), score(&reference, at))).collect();
        Self::new(&pairs)
    }
}

/// NaN where either side is constant.
fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    ab / (aa * bb).sqrt()
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let first = order.partition_point(|&at| values[at] < values[group[0]]);
        let rank = first as f64 + (group.len() + 1) as f64 / 2.0;
        group.iter().for_each(|&at| ranks[at] = rank);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_equal_values_are_shared() {
        assert_eq!(ranks(&[0.5, 0.1, 0.5, 0.9]), [2.5, 1.0, 2.5, 4.0]);
    }

    #[test]
    fn correlations_of_a_line_are_1_and_of_a_curve_that_rises_only_the_ranks_are() {
        let line = Correlation::new(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]);
        assert!((line.pearson - 1.0).abs() < 1e-12 && (line.reference - line.native - 2.0).abs() < 1e-12);
        let curve = Correlation::new(&[(1.0, 1.0), (2.0, 8.0), (3.0, 27.0)]);
        assert!(curve.pearson < 0.99 && (curve.spearman - 1.0).abs() < 1e-12);
    }

    #[test]
    fn about_a_tenth_is_held_out() {
        let held = (0..10_000).filter(|n| is_held_out(&format!("{n} planes are parked"))).count();
        assert!((900..1100).contains(&held), "{held}");
    }
}
