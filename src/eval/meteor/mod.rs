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
        let mut lexicon = Lexicon::new(resources);
        let words = lexicon.add(&normalized);
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
