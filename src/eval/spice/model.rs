//! The grammar, what narrows its search, the relations and the lemmatiser together, and the file that holds them.

use super::bytes::{strings, take, take_strings, take_u32, take_words, words};
use super::chart::Chart;
use super::cleanup;
use super::convert::{self, Arc};
use super::derivation::{Derivation, constituents};
use super::grammar::Grammar;
use super::graph::Word;
use super::lattice::{Lattice, Pruner};
use super::lemma::Lemmas;
use super::linear::Linear;
use super::relations::Relations;
use super::spans::Spans;
use super::tagger::Tagger;
use super::tuples::{Tuple, tuples};
use anyhow::{Context, Result};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

/// Words of a caption that are read; no caption of a dataset comes near.
const LONGEST: usize = 250;

const MAGIC: &[u8; 8] = b"RSICSPC5";

/// What analyses captions.
#[derive(Debug, Default)]
pub struct Analyser {
    pub lemmas: Lemmas,
    pub grammar: Grammar,
    pub pruner: Pruner,
    pub relations: Relations,
    /// Of each symbol, whether it only joins.
    open: Vec<bool>,
}

/// Room to analyse captions in, used again for the next one.
#[derive(Debug, Default)]
pub struct Room {
    lattice: Lattice,
    chart: Chart,
}

fn of_tree(words: Vec<Word>, tree: &[Arc]) -> Vec<Tuple> {
    let mut graph = convert::graph(words, tree);
    cleanup::clean_up(&mut graph);
    tuples(&graph)
}

impl Analyser {
    /// The analyser in the binary, read when it is first asked for. `docs/spice.md` says how it was trained.
    ///
    /// # Errors
    /// A damaged model.
    pub fn built_in() -> Result<&'static Self> {
        static READ: OnceLock<Option<Analyser>> = OnceLock::new();
        let read = READ.get_or_init(|| Analyser::from_bytes(include_bytes!("captions.model")));
        read.as_ref().context("the SPICE model in this program is damaged")
    }

    pub fn new(lemmas: Lemmas, grammar: Grammar, pruner: Pruner, relations: Relations) -> Self {
        let open = grammar.symbols.iter().map(|symbol| symbol.open).collect();
        Self { lemmas, grammar, pruner, relations, open }
    }

    /// The derivations of words' taggings: one, or those of as few parts as there can be, in order.
    fn derive(&self, taggings: &[Range<usize>], room: &mut Room) -> Vec<Derivation<u16>> {
        let Room { lattice, chart } = room;
        self.pruner.fill(&self.grammar, taggings, lattice);
        let mut whole = chart.parse(&self.grammar, lattice);
        if whole.is_none() {
            lattice.fill(&self.grammar, taggings);
            whole = chart.parse(&self.grammar, lattice);
        }
        whole.map_or_else(|| chart.pieces(&self.grammar), |whole| vec![whole])
    }

    /// The words of a cleaned caption with tags and lemmas, and its tree.
    pub fn tree(&self, caption: &str, room: &mut Room) -> (Vec<Word>, Vec<Arc>) {
        let texts: Vec<&str> = caption.split_whitespace().take(LONGEST).collect();
        let taggings: Vec<_> = texts.iter().map(|text| self.grammar.taggings_of(text)).collect();
        let (mut all, mut start) = (Vec::new(), 0);
        for derivation in self.derive(&taggings, room) {
            all.extend(constituents(&derivation, &self.open, start));
            start += derivation.words();
        }
        let (tags, arcs) = self.relations.read_off(&self.grammar, &texts, all);
        let word = |(text, tag): (&&str, u32)| {
            let tag = self.grammar.categories.get(tag as usize).map(String::as_str).unwrap_or_default();
            Word { text: (*text).to_owned(), lemma: self.lemmas.lemma(text, tag), tag: tag.to_owned() }
        };
        (texts.iter().zip(tags).map(word).collect(), arcs)
    }

    /// The tuples of a cleaned caption.
    pub fn tuples(&self, caption: &str) -> Vec<Tuple> {
        self.tuples_in(caption, &mut Room::default())
    }

    fn tuples_in(&self, caption: &str, room: &mut Room) -> Vec<Tuple> {
        let (words, tree) = self.tree(caption, room);
        of_tree(words, &tree)
    }

    /// The tuples of cleaned captions, in parallel.
    pub fn all_tuples(&self, captions: &[&str]) -> Vec<Vec<Tuple>> {
        captions.par_iter().map_init(Room::default, |room, caption| self.tuples_in(caption, room)).collect()
    }

    /// The model file. It is read without being unpacked.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let (edits, keys) = self.lemmas.parts();
        out.push(edits.len() as u8);
        edits.iter().for_each(|(cut, _)| out.push(*cut));
        strings(&mut out, edits.iter().map(|(_, add)| add.as_str()));
        out.extend((keys.len() as u32).to_le_bytes());
        words(&mut out, &keys.keys().copied().collect::<Vec<_>>());
        out.extend(keys.values());
        self.grammar.write(&mut out);
        self.pruner.tagger.weights().write(&mut out);
        self.pruner.spans.weights.write(&mut out);
        self.relations.write(&mut out);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made; `None` where it is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let from = &mut bytes.strip_prefix(MAGIC)?;
        let count = usize::from(take(from, 1)?[0]);
        let cuts = take(from, count)?;
        let edits = cuts.iter().copied().zip(take_strings(from)?).collect();
        let count = take_u32(from)? as usize;
        let keys = take_words(from, count)?;
        let lemmas = Lemmas::from_parts(edits, keys.into_iter().zip(take(from, count)?.iter().copied()));
        let grammar = Grammar::read(from)?;
        let tagger = Tagger::new(&grammar, Linear::read(from)?);
        let pruner = Pruner { tagger, spans: Spans { weights: Linear::read(from)? } };
        let relations = Relations::read(from)?;
        from.is_empty().then(|| Self::new(lemmas, grammar, pruner, relations))
    }
}
