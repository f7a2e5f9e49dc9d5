//! Which tags of a word its neighbours leave: a logistic regression, whose unlikely tags the chart need not try.

use super::grammar::{Grammar, Tagging, bit};
use super::linear::{Linear, feature};
use std::ops::Range;

/// How far a tag may be behind the likeliest one, a factor of e to the seventh in odds.
const MARGIN: i32 = 7 * Linear::ONE as i32;

/// Tags of finite verbs: a clause has one, so that others are less likely.
const FINITE: [&str; 4] = ["VBZ", "VBP", "VBD", "MD"];

/// What is looked at on either side of a caption, and of a word.
const AROUND: usize = 2;
const OUTSIDE: u32 = 1 << 30;

/// Features of a word.
pub(crate) const FEATURES: usize = 12;

/// What is seen of a caption's words.
#[derive(Debug, Default)]
pub struct View {
    /// What each word is known by, where its taggings start: unknown words with the same taggings are one.
    ids: Vec<u32>,
    /// The categories of each word's tags, as one number.
    categories: Vec<u32>,
    /// Of each word, whether there is a finite verb before and after it: 0 no, 1 maybe, 2 yes, the former three times.
    verbs: Vec<u32>,
}

impl View {
    /// What each word is known by.
    pub fn ids(&self) -> &[u32] {
        self.ids.get(AROUND..self.ids.len() - AROUND).unwrap_or_default()
    }

    /// Takes a caption of words with these taggings.
    pub fn look(&mut self, grammar: &Grammar, finite: u128, taggings: &[Range<usize>]) {
        let Self { ids, categories, verbs } = self;
        for list in [&mut *ids, categories] {
            list.clear();
            list.resize(AROUND, OUTSIDE);
        }
        verbs.clear();
        let of = |range: &Range<usize>| grammar.categories_of(grammar.taggings.get(range.clone()).unwrap_or_default());
        let mut before = 0;
        for range in taggings {
            let set = of(range);
            ids.push(range.start as u32);
            categories.push(((set ^ set >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32) as u32);
            verbs.push(3 * before);
            before = before.max(certainty(set, finite));
        }
        let mut after = 0;
        for (range, verbs) in taggings.iter().zip(verbs).rev() {
            *verbs += after;
            after = after.max(certainty(of(range), finite));
        }
        ids.resize(ids.len() + AROUND, OUTSIDE);
        categories.resize(categories.len() + AROUND, OUTSIDE);
    }

    /// The features of a word.
    pub fn features(&self, word: usize) -> [u32; FEATURES] {
        let around = |list: &[u32]| [0, 1, 2, 3, 4].map(|at| list[word + at]);
        let [a, b, c, d, e] = around(&self.ids);
        let [far_before, before, _, after, far_after] = around(&self.categories);
        let verbs = self.verbs[word];
        [
            feature(0, c, 0),
            feature(1, c, b),
            feature(2, c, d),
            feature(3, b, d),
            feature(4, c, verbs),
            feature(5, a, b),
            feature(6, d, e),
            feature(7, b, verbs),
            feature(8, d, verbs),
            feature(9, before, after),
            feature(10, far_before, before),
            feature(11, after, far_after),
        ]
    }
}

/// Whether a word with these categories is a finite verb: 0 no, 1 maybe, 2 yes.
fn certainty(categories: u128, finite: u128) -> u32 {
    match (categories & finite, categories & !finite) {
        (0, _) => 0,
        (_, 0) => 2,
        _ => 1,
    }
}

/// Scores the tags of words by what surrounds them.
#[derive(Debug, Default)]
pub struct Tagger {
    weights: Linear,
    /// The categories of finite verbs, a bit each.
    finite: u128,
}

impl Tagger {
    pub fn new(grammar: &Grammar, weights: Linear) -> Self {
        let categories = grammar.categories.iter().zip(0..);
        let finite = categories.filter(|(name, _)| FINITE.contains(&name.as_str())).map(|(_, category)| bit(category));
        Self { weights, finite: finite.fold(0, |all, bit| all | bit) }
    }

    pub fn weights(&self) -> &Linear {
        &self.weights
    }

    pub fn look(&self, grammar: &Grammar, taggings: &[Range<usize>], view: &mut View) {
        view.look(grammar, self.finite, taggings);
    }

    /// Adds the likely taggings of a word to a list; gives the likeliest tag. `scores` is room for their scores.
    pub fn narrow(
        &self,
        features: [u32; FEATURES],
        taggings: &[Tagging],
        scores: &mut Vec<i32>,
        kept: &mut Vec<Tagging>,
    ) -> u16 {
        if let [only] = taggings {
            kept.push(*only);
            return only.tag;
        }
        let score = |tag: u16| features.iter().map(|&feature| self.weights.weight(feature, tag)).sum::<i32>();
        scores.clear();
        scores.extend(taggings.iter().map(|tagging| score(tagging.tag)));
        let scored = || taggings.iter().zip(&*scores);
        let Some((likeliest, best)) = scored().rev().max_by_key(|(_, score)| **score) else { return 0 };
        kept.extend(scored().filter(|(_, score)| **score >= best - MARGIN).map(|(tagging, _)| tagging));
        likeliest.tag
    }
}

#[cfg(test)]
mod tests {
    use super::super::grammar::Symbol;
    use super::super::linear::place;
    use super::*;

    /// Words of nouns, of finite verbs, and of both.
    fn grammar() -> Grammar {
        let symbol = |category| Symbol { open: false, be: false, category, before: 0, after: 0 };
        let tagging = |tag| Tagging { tag, weight: -i32::from(tag) };
        Grammar {
            categories: vec!["NN".into(), "VBZ".into()],
            symbols: vec![symbol(0), symbol(1)],
            taggings: [0, 1, 0, 1].map(tagging).to_vec(),
            ..Grammar::default()
        }
    }

    const NOUN: Range<usize> = 0..1;
    const VERB: Range<usize> = 1..2;
    const BOTH: Range<usize> = 2..4;

    #[test]
    fn verbs_before_and_after_count() {
        let grammar = grammar();
        let mut view = View::default();
        let verbs = |view: &mut View, taggings: &[Range<usize>]| {
            Tagger::new(&grammar, Linear::default()).look(&grammar, taggings, view);
            view.verbs.clone()
        };
        assert_eq!(verbs(&mut view, &[NOUN, BOTH, VERB, NOUN]), [2, 2, 3, 6]);
        assert_eq!(verbs(&mut view, &[BOTH, NOUN]), [0, 3]);
        assert_eq!(view.ids(), [2, 0]);
        assert!(verbs(&mut view, &[]).is_empty());
    }

    #[test]
    fn unlikely_tags_are_left_out_and_the_rest_keep_their_weights() {
        let grammar = grammar();
        let untrained = Tagger::new(&grammar, Linear::default());
        let mut view = View::default();
        untrained.look(&grammar, &[NOUN, BOTH], &mut view);
        let features = view.features(1);
        let narrow = |tagger: &Tagger| {
            let mut kept = vec![grammar.taggings[0]];
            let best = tagger.narrow(features, &grammar.taggings[BOTH], &mut Vec::new(), &mut kept);
            (best, kept)
        };
        assert_eq!(narrow(&untrained), (0, [&grammar.taggings[..1], &grammar.taggings[BOTH]].concat()));
        let length = 1 << 12;
        let with = |weight: f32| {
            let mut weights = vec![0.0; length];
            weights[place(features[1], 1, length)] = weight;
            Tagger::new(&grammar, Linear::new(&weights))
        };
        assert_eq!(narrow(&with(6.9)), (1, [&grammar.taggings[..1], &grammar.taggings[BOTH]].concat()));
        assert_eq!(narrow(&with(7.1)), (1, vec![grammar.taggings[0], grammar.taggings[3]]));
        assert_eq!(narrow(&with(-7.1)), (0, vec![grammar.taggings[0], grammar.taggings[2]]));
    }
}
