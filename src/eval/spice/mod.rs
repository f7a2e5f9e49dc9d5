//! SPICE (Anderson et al., ECCV 2016) without Java: captions as scene graphs, compared by their tuples.
//!
//! Everything behind the parse is the reference's (SPICE 1.0): clean-up of the dependency graph ([`cleanup`]), tuples
//! ([`tuples`]), merging by WordNet synset ([`scene`]) and F1 ([`score`]). From the reference's own parses scores are
//! equal; `tests/metrics_spice.rs` shows it.
//!
//! Deviation: the parse. The reference runs the Stanford PCFG parser of 2015; here a grammar of the same form
//! ([`grammar`], [`chart`]), tables that read dependencies off its trees ([`relations`]) and a lemmatiser ([`model`]),
//! all learnt from that parser's output on captions, stand in for it. Scores therefore agree
//! closely, not exactly, and are printed as `SPICE (native)`; `docs/spice.md` states how closely.

pub mod agreement;
mod bytes;
mod chart;
pub mod cleanup;
pub mod convert;
mod derivation;
mod grammar;
pub mod graph;
mod hash;
mod lattice;
pub mod learn;
mod lemma;
mod linear;
pub mod model;
pub mod parses;
mod relations;
mod scene;
pub mod score;
mod spans;
mod tagger;
pub mod terms;
pub mod tuples;

pub use score::{KINDS, SpiceStats};

use crate::meteor::Resources;
use anyhow::Result;
use model::Analyser;
use rustc_hash::FxHashMap;
use scene::Scene;
use score::{Counts, Lists};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use terms::Terms;
use tuples::Tuple;

/// References prepared for SPICE.
pub struct SpiceReferences {
    analyser: &'static Analyser,
    terms: Terms,
    lists: Lists,
    /// The tuples of each caption.
    captions: Vec<Arc<[Tuple]>>,
    /// Those of hypotheses met so far: systems repeat themselves.
    met: RwLock<FxHashMap<Box<str>, Arc<[Tuple]>>>,
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
        let captions: Vec<&str> = captions.iter().map(String::as_str).collect();
        let captions = analyser.all_tuples(&captions).into_iter().map(Into::into).collect();
        Ok(Self { analyser, terms, lists, captions, met: RwLock::default() })
    }

    pub fn has_resources(&self) -> bool {
        self.terms.has_resources()
    }

    /// Compares a cleaned caption with some of the references taken together.
    pub fn score(&self, hypothesis: &str, captions: impl IntoIterator<Item = usize>) -> SpiceStats {
        let references = captions.into_iter().filter_map(|caption| self.captions.get(caption)).map(|tuples| &**tuples);
        let hypothesis = self.tuples(hypothesis);
        SpiceStats::new(&counts(&hypothesis, references, &self.terms, &self.lists))
    }

    /// Analyses hypotheses together, which is quicker than one by one; [`score`](Self::score) then finds them.
    pub fn meet(&self, hypotheses: &[String]) {
        let met = self.met.read().unwrap_or_else(PoisonError::into_inner);
        let new = hypotheses.iter().map(String::as_str).filter(|hypothesis| !met.contains_key(*hypothesis));
        let new: Vec<&str> = new.collect::<BTreeSet<_>>().into_iter().collect();
        drop(met);
        let tuples = self.analyser.all_tuples(&new);
        let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
        met.extend(new.into_iter().map(Box::from).zip(tuples.into_iter().map(Arc::from)));
    }

    fn tuples(&self, hypothesis: &str) -> Arc<[Tuple]> {
        let met = self.met.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(tuples) = met.get(hypothesis) {
            return Arc::clone(tuples);
        }
        drop(met);
        let tuples: Arc<[Tuple]> = self.analyser.tuples(hypothesis).into();
        self.met.write().unwrap_or_else(PoisonError::into_inner).insert(hypothesis.into(), Arc::clone(&tuples));
        tuples
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
