//! SPICE (Anderson et al., ECCV 2016) without Java: captions as scene graphs, compared by their tuples.
//!
//! Everything behind the parse is the reference's (SPICE 1.0): clean-up of the dependency graph ([`cleanup`]), tuples
//! ([`tuples`]), merging by WordNet synset ([`scene`]) and F1 ([`score`]). From the reference's own parses scores are
//! equal; `tests/metrics_spice.rs` shows it.
//!
//! Deviation: the parse. The reference runs the Stanford PCFG parser of 2015; here a tagger, a lemmatiser and a
//! transition parser ([`model`]), learnt from that parser's output on captions, stand in for it. Scores therefore agree
//! closely, not exactly, and are printed as `SPICE (native)`; `docs/spice.md` states how closely.

pub mod agreement;
pub mod beam;
pub mod cleanup;
pub mod convert;
pub mod graph;
pub mod lemma;
pub mod linear;
pub mod model;
pub mod parser;
pub mod parses;
pub mod scene;
pub mod score;
pub mod tagger;
pub mod terms;
pub mod train;
pub mod tuples;

pub use score::{KINDS, SpiceStats};

use crate::eval::meteor::Resources;
use anyhow::Result;
use model::Analyser;
use rayon::prelude::*;
use scene::Scene;
use score::{Counts, Lists};
use std::sync::Arc;
use terms::Terms;
use tuples::Tuple;

/// References prepared for SPICE.
pub struct SpiceReferences {
    analyser: &'static Analyser,
    terms: Terms,
    lists: Lists,
    /// The tuples of each caption.
    captions: Vec<Vec<Tuple>>,
}

impl SpiceReferences {
    /// Analyses cleaned captions; they keep their order. Without resources only equal spellings are similar.
    ///
    /// # Errors
    /// A damaged model in the binary.
    pub fn new(captions: &[String], resources: Option<Arc<Resources>>) -> Result<Self> {
        let analyser = Analyser::built_in()?;
        let terms = Terms::new(resources);
        let lists = Lists::new(&terms);
        let captions = captions.par_iter().map(|caption| analyser.tuples(caption)).collect();
        Ok(Self { analyser, terms, lists, captions })
    }

    pub fn has_resources(&self) -> bool {
        self.terms.has_resources()
    }

    /// Compares a cleaned caption with some of the references taken together.
    pub fn score(&self, hypothesis: &str, captions: impl IntoIterator<Item = usize>) -> SpiceStats {
        let references = captions.into_iter().filter_map(|caption| self.captions.get(caption)).map(Vec::as_slice);
        let hypothesis = self.analyser.tuples(hypothesis);
        SpiceStats::new(&counts(&hypothesis, references, &self.terms, &self.lists))
    }
}

/// Compares the tuples of a caption with those of its references.
pub fn counts<'t>(
    hypothesis: &[Tuple],
    references: impl IntoIterator<Item = &'t [Tuple]>,
    terms: &Terms,
    lists: &Lists,
) -> Counts {
    let (mut ours, mut theirs) = (Scene::default(), Scene::default());
    ours.add(hypothesis, terms);
    references.into_iter().for_each(|tuples| theirs.add(tuples, terms));
    score::compare(&ours, &theirs, lists)
}
