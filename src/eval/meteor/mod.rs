//! METEOR 1.5 (Denkowski and Lavie, WMT 2014) for English, as coco-caption runs it: `-l en -norm`.
//!
//! Words match exactly, by stem, by WordNet synset or by a table of paraphrases; a beam search picks the alignment; 23
//! statistics give the score. A corpus is scored by the sum of its segments' statistics, each from its best reference.
//! Synsets, function words and paraphrases come from [`Resources`]; without them METEOR runs with its first two modules
//! and every word counts as a content word.

mod align;
mod compile;
mod lexicon;
mod matches;
mod morphology;
mod normalize;
mod resources;
mod stats;

pub use compile::{Compiled, compile};
pub use normalize::normalize;
pub use resources::{Prefix, Resources};
pub use stats::{Matched, MeteorStats};

use align::Workspace;
use lexicon::{Caption, Lexicon};
use rayon::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;

/// References prepared for METEOR.
pub struct MeteorReferences {
    lexicon: Lexicon,
    captions: Vec<Caption>,
}

/// A hypothesis prepared against the same words.
pub struct MeteorHypothesis(lexicon::Hypothesis);

impl MeteorReferences {
    /// Prepares cleaned captions; they keep their order.
    pub fn new<S: AsRef<str> + Sync>(captions: &[S], resources: Option<Arc<Resources>>) -> Self {
        let normalized: Vec<String> =
            captions.par_iter().map(|text| normalize(text.as_ref(), resources.as_deref())).collect();
        let (lexicon, words) = Lexicon::new(&normalized, resources);
        let captions = words.into_par_iter().map(|words| lexicon.caption(words)).collect();
        Self { lexicon, captions }
    }

    pub fn has_resources(&self) -> bool {
        self.lexicon.resources.is_some()
    }

    /// Prepares a cleaned hypothesis.
    pub fn hypothesis(&self, text: &str) -> MeteorHypothesis {
        let text = normalize(&normalize::hypothesis_text(text), self.lexicon.resources.as_deref());
        MeteorHypothesis(self.lexicon.hypothesis(&text))
    }

    /// Statistics against the best of some references: the first with the greatest score.
    pub fn best(&self, hypothesis: &MeteorHypothesis, captions: impl IntoIterator<Item = usize>) -> MeteorStats {
        thread_local!(static WORKSPACE: RefCell<Workspace> = RefCell::default());
        WORKSPACE.with_borrow_mut(|workspace| {
            let mut best: Option<(f64, MeteorStats)> = None;
            for caption in captions.into_iter().filter_map(|caption| self.captions.get(caption)) {
                let stats = workspace.stats(&self.lexicon, &hypothesis.0, caption);
                let score = stats.score();
                if best.as_ref().is_none_or(|(greatest, _)| score > *greatest) {
                    best = Some((score, stats));
                }
            }
            best.map(|(_, stats)| stats).unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(hypothesis: &str, reference: &str) -> MeteorStats {
        let references = MeteorReferences::new(&[reference], None);
        references.best(&references.hypothesis(hypothesis), [0])
    }

    #[test]
    fn words_match_exactly_and_by_stem_in_as_few_chunks_as_can_be() {
        let found = stats("two planes parked there", "two plane parking here");
        assert_eq!([found.modules[0].test_content, found.modules[1].test_content], [1, 2]);
        assert_eq!((found.chunks, found.test_matches, found.reference_matches), (1, 3, 3));
        // Of two places for the same word the one that continues the chunk is taken.
        assert_eq!(stats("the end of the road", "near the road").chunks, 1);
        assert_eq!(stats("b a", "a b").chunks, 2);
    }

    #[test]
    fn identical_captions_score_1_and_unlike_or_empty_ones_0() {
        assert_eq!(stats("a red road", "a red road").score(), 1.0);
        for (hypothesis, reference) in [("a", "b"), ("", "b"), ("a", ""), ("", "")] {
            assert_eq!(stats(hypothesis, reference).score(), 0.0);
        }
    }

    #[test]
    fn the_first_of_equally_good_references_is_the_best() {
        let references = MeteorReferences::new(&["a x y", "a y x", "a z"], None);
        let best = references.best(&references.hypothesis("a"), [0, 1]);
        assert_eq!(best, references.best(&references.hypothesis("a"), [0]));
        assert_eq!(references.best(&references.hypothesis("a"), 0..3).reference_length, 2);
    }
}
