//! What a caption's words can be, and which of its spans can be parts: what a chart works on.

use super::grammar::{Grammar, Tagging};
use super::spans::{Ends, Spans};
use super::tagger::{Tagger, View};
use std::ops::Range;

/// The taggings of a caption's words, and its open spans.
#[derive(Debug, Default)]
pub struct Lattice {
    /// Of all words, in their order.
    taggings: Vec<Tagging>,
    /// Where those of each word start; one more at the end.
    starts: Vec<usize>,
    /// Whether a span can be a part, at its start times one more than the words, plus its end.
    open: Vec<bool>,
    /// Room to narrow the next caption down in.
    view: View,
    ends: Ends,
    tags: Vec<u16>,
    scores: Vec<i32>,
}

impl Lattice {
    pub fn words(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub fn taggings(&self, word: usize) -> &[Tagging] {
        &self.taggings[self.starts[word]..self.starts[word + 1]]
    }

    pub fn is_open(&self, start: usize, end: usize) -> bool {
        self.open[start * (self.words() + 1) + end]
    }

    /// All taggings of words, all spans.
    pub fn fill(&mut self, grammar: &Grammar, taggings: &[Range<usize>]) {
        self.clear();
        for range in taggings {
            self.taggings.extend(grammar.taggings.get(range.clone()).into_iter().flatten());
            self.starts.push(self.taggings.len());
        }
        self.open.clear();
        self.open.resize(taggings.len() * (taggings.len() + 1), true);
    }

    fn clear(&mut self) {
        self.taggings.clear();
        self.starts.clear();
        self.starts.push(0);
    }
}

/// Leaves out taggings and spans that are hardly part of the best derivation.
#[derive(Debug, Default)]
pub struct Pruner {
    pub tagger: Tagger,
    pub spans: Spans,
}

impl Pruner {
    /// The likely ones of the taggings that words have, and the likely spans.
    pub fn fill(&self, grammar: &Grammar, taggings: &[Range<usize>], lattice: &mut Lattice) {
        lattice.clear();
        let Lattice { taggings: kept, starts, open, view, ends, tags, scores } = lattice;
        tags.clear();
        self.tagger.look(grammar, taggings, view);
        for (word, range) in taggings.iter().enumerate() {
            let all = grammar.taggings.get(range.clone()).unwrap_or_default();
            tags.push(self.tagger.narrow(view.features(word), all, scores, kept));
            starts.push(kept.len());
        }
        ends.look(tags, view.ids());
        self.spans.open(ends, taggings.len(), open);
    }
}
