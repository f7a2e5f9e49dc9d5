//! Learning which taggings and which spans SPICE's caption parser need not try ([`Pruner`]): two logistic regressions
//! over hashed features, by stochastic gradients with steps of their own for every weight (AdaGrad; Duchi et al., JMLR
//! 2011).

use super::{Example, list_tags};
use crate::spice::derivation::Derivation;
use crate::spice::grammar::Grammar;
use crate::spice::lattice::Pruner;
use crate::spice::linear::{Linear, place};
use crate::spice::spans::{Ends, Spans};
use crate::spice::tagger::{Tagger, View};
use rsic_util::rng::Rng;
use rustc_hash::FxHashSet;
use std::ops::Range;

/// Lengths of the tables. Longer ones leave out a quarter more for no mistake, but do not stay in the processor's
/// cache.
const TAGGER_WEIGHTS: usize = 1 << 18;
const SPAN_WEIGHTS: usize = 1 << 17;

/// More find the training captions' tags too easy, and then leave out other captions' right ones.
const EPOCHS: usize = 3;

const STEP: f32 = 0.1;

/// Less of a gradient changes nothing worth the time.
const LEAST_GRADIENT: f32 = 1e-3;

/// A table of weights that is learnt.
struct Table {
    weights: Vec<f32>,
    /// Of each weight, the sum of its gradients' squares.
    squares: Vec<f32>,
}

impl Table {
    /// `first` is what the sums of squares start from: the greater, the shorter the first steps.
    fn new(length: usize, first: f32) -> Self {
        Self { weights: vec![0.0; length], squares: vec![first; length] }
    }

    fn sum(&self, features: &[u32], class: u16) -> f32 {
        features.iter().map(|&feature| self.weights[place(feature, class, self.weights.len())]).sum()
    }

    /// A step against the gradient of the loss by the sum of features.
    fn step(&mut self, features: &[u32], class: u16, gradient: f32) {
        if gradient.abs() < LEAST_GRADIENT {
            return;
        }
        for &feature in features {
            let at = place(feature, class, self.weights.len());
            self.squares[at] += gradient * gradient;
            self.weights[at] -= STEP * gradient / self.squares[at].sqrt();
        }
    }
}

/// A caption as the regressions see it.
struct Seen<'e> {
    taggings: Vec<Range<usize>>,
    derivation: &'e Derivation<u16>,
}

/// Learns the tagger, then the spans by the tags that it finds. Of words that are `rare`, some are taken for unknown
/// ones.
pub(super) fn train(grammar: &Grammar, examples: &[&Example], rare: impl Fn(&str) -> bool, seed: u64) -> Pruner {
    let mut rng = Rng::new(&[seed, 0]);
    let mut seen: Vec<Seen> = Vec::with_capacity(examples.len());
    for example in examples {
        seen.push(Seen { taggings: example.taggings(grammar, &rare, &mut rng), derivation: &example.derivation });
    }
    let tagger = tagger(grammar, &mut seen, &mut rng);
    let spans = spans(grammar, &tagger, &mut seen, &mut rng);
    Pruner { tagger, spans }
}

/// The probability of each tag of a word is that of a softmax over its tags.
fn tagger(grammar: &Grammar, seen: &mut [Seen], rng: &mut Rng) -> Tagger {
    let mut table = Table::new(TAGGER_WEIGHTS, 1e-2);
    let untrained = Tagger::new(grammar, Linear::default());
    let (mut view, mut tags, mut shares) = (View::default(), Vec::new(), Vec::new());
    for _ in 0..EPOCHS {
        rng.shuffle(seen);
        for Seen { taggings, derivation } in &*seen {
            untrained.look(grammar, taggings, &mut view);
            tags.clear();
            list_tags(derivation, &mut tags);
            for ((word, range), &right) in taggings.iter().enumerate().zip(&tags) {
                let all = grammar.taggings.get(range.clone()).unwrap_or_default();
                if !all.iter().any(|tagging| tagging.tag == right) {
                    continue;
                }
                let features = view.features(word);
                shares.clear();
                shares.extend(all.iter().map(|tagging| table.sum(&features, tagging.tag)));
                let best = shares.iter().copied().fold(f32::MIN, f32::max);
                shares.iter_mut().for_each(|share| *share = (*share - best).exp());
                let sum: f32 = shares.iter().sum();
                for (tagging, share) in all.iter().zip(&shares) {
                    let wanted = f32::from(u8::from(tagging.tag == right));
                    table.step(&features, tagging.tag, share / sum - wanted);
                }
            }
        }
    }
    Tagger::new(grammar, Linear::new(&table.weights))
}

/// The probability that a span is a part is the logistic function of its features' sum.
fn spans(grammar: &Grammar, tagger: &Tagger, seen: &mut [Seen], rng: &mut Rng) -> Spans {
    let mut table = Table::new(SPAN_WEIGHTS, 1e-6);
    let mut tags = Vec::new();
    let (mut view, mut ends) = (View::default(), Ends::default());
    let mut parts = FxHashSet::default();
    for _ in 0..EPOCHS {
        rng.shuffle(seen);
        for Seen { taggings, derivation } in &*seen {
            tagger.look(grammar, taggings, &mut view);
            tags.clear();
            for (word, range) in taggings.iter().enumerate() {
                let all = grammar.taggings.get(range.clone()).unwrap_or_default();
                tags.push(tagger.narrow(view.features(word), all, &mut Vec::new(), &mut Vec::new()));
            }
            ends.look(&tags, view.ids());
            parts.clear();
            list_parts(derivation, 0, &mut parts);
            let words = taggings.len();
            let all = (0..words).flat_map(|start| (start + 2..=words).map(move |end| (start, end)));
            for (start, end) in all.filter(|(start, end)| end - start < words) {
                let features = [&ends.of_start(start)[..], &ends.of_end(end), &ends.of_both(start, end)].concat();
                let share = 1.0 / (1.0 + (-table.sum(&features, 0)).exp());
                let wanted = f32::from(u8::from(parts.contains(&(start, end))));
                table.step(&features, 0, share - wanted);
            }
        }
    }
    Spans { weights: Linear::new(&table.weights) }
}

/// The spans of a derivation's parts.
fn list_parts(derivation: &Derivation<u16>, start: usize, parts: &mut FxHashSet<(usize, usize)>) {
    parts.insert((start, start + derivation.words()));
    if let Some([left, right]) = derivation.parts.as_deref() {
        list_parts(left, start, parts);
        list_parts(right, start + left.words(), parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_shrink_with_the_squares_of_gradients() {
        let mut table = Table::new(8, 0.75);
        table.step(&[1, 3], 1, -0.5);
        // 0.1 x 0.5 / sqrt(0.75 + 0.25), then 0.1 x 1 / sqrt(0.75 + 0.25 + 1) down for the first.
        assert_eq!(table.weights, [0.0, 0.0, 0.05, 0.0, 0.05, 0.0, 0.0, 0.0]);
        table.step(&[2], 0, 1.0);
        assert!((table.sum(&[1], 1) - (0.05 - 0.1 / 2f32.sqrt())).abs() < 1e-7);
        table.step(&[2], 0, LEAST_GRADIENT / 2.0);
        assert!((table.sum(&[2, 4], 0) - (0.1 - 0.1 / 2f32.sqrt())).abs() < 1e-7);
    }

    #[test]
    fn every_part_has_its_span() {
        let word = || Derivation { path: vec![0u16], parts: None };
        let pair = |left, right| Derivation { path: vec![1], parts: Some(Box::new([left, right])) };
        let mut parts = FxHashSet::default();
        list_parts(&pair(word(), pair(word(), word())), 0, &mut parts);
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_unstable();
        assert_eq!(parts, [(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)]);
    }
}
