//! The network, the lemmatiser and the names of tags and labels together, and the file that holds them.

use super::bytes::{strings, take, take_strings, take_u32, take_words, words};
use super::cleanup;
use super::convert::{self, Arc};
use super::dense::ROWS;
use super::graph::{Label, Word};
use super::lemma::Lemmas;
use super::network::{Analysed, Network};
use super::tuples::{Tuple, tuples};
use anyhow::{Context, Result};
use rayon::prelude::*;
use std::sync::OnceLock;

/// Words of a caption that are read; no caption of a dataset comes near.
const LONGEST: usize = 250;

const MAGIC: &[u8; 8] = b"RSICSPC3";

/// What analyses captions.
#[derive(Debug, Default)]
pub struct Analyser {
    pub tags: Vec<String>,
    pub labels: Vec<Label>,
    pub lemmas: Lemmas,
    pub network: Network,
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

    /// The words of cleaned captions with tags and lemmas, and their trees.
    pub fn trees(&self, captions: &[&str]) -> Vec<(Vec<Word>, Vec<Arc>)> {
        let texts: Vec<Vec<&str>> =
            captions.iter().map(|caption| caption.split_whitespace().take(LONGEST).collect()).collect();
        let analysed = self.network.analyse(&texts);
        texts.iter().zip(analysed).map(|(texts, analysed)| self.named(texts, &analysed)).collect()
    }

    fn named(&self, texts: &[&str], analysed: &Analysed) -> (Vec<Word>, Vec<Arc>) {
        let words = texts.iter().zip(&analysed.tags).map(|(text, &tag)| {
            let tag = self.tags.get(tag).map(String::as_str).unwrap_or_default();
            Word { text: (*text).to_owned(), lemma: self.lemmas.lemma(text, tag), tag: tag.to_owned() }
        });
        let arcs = analysed.governors.iter().zip(&analysed.labels).map(|(&governor, &label)| {
            let label = self.labels.get(label).copied().unwrap_or(Label::DEP);
            // The root's label and no governor go together.
            match (governor, label) {
                (0, _) => (0, Label::ROOT),
                (governor, Label::ROOT) => (governor, Label::DEP),
                arc => arc,
            }
        });
        (words.collect(), arcs.collect())
    }

    /// The tuples of a cleaned caption.
    pub fn tuples(&self, caption: &str) -> Vec<Tuple> {
        self.trees(&[caption]).into_iter().flat_map(|(words, tree)| of_tree(words, &tree)).collect()
    }

    /// The tuples of cleaned captions, in parallel; a few at a time, of like lengths, share the work.
    pub fn all_tuples(&self, captions: &[&str]) -> Vec<Vec<Tuple>> {
        let mut order: Vec<usize> = (0..captions.len()).collect();
        order.sort_by_cached_key(|&at| captions[at].split_whitespace().count()); // stable
        let groups: Vec<Vec<Vec<Tuple>>> = order
            .par_chunks(ROWS)
            .map(|group| {
                let trees = self.trees(&group.iter().map(|&at| captions[at]).collect::<Vec<_>>());
                trees.into_iter().map(|(words, tree)| of_tree(words, &tree)).collect()
            })
            .collect();
        let mut all = vec![Vec::new(); captions.len()];
        order.into_iter().zip(groups.into_iter().flatten()).for_each(|(at, tuples)| all[at] = tuples);
        all
    }

    /// The model file. It is read without being unpacked.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        strings(&mut out, self.tags.iter().map(String::as_str));
        strings(&mut out, self.labels.iter().map(|label| label.name()));
        let (edits, keys) = self.lemmas.parts();
        out.push(edits.len() as u8);
        edits.iter().for_each(|(cut, _)| out.push(*cut));
        strings(&mut out, edits.iter().map(|(_, add)| add.as_str()));
        out.extend((keys.len() as u32).to_le_bytes());
        words(&mut out, &keys.keys().copied().collect::<Vec<_>>());
        out.extend(keys.values());
        self.network.write(&mut out);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made; `None` where it is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let from = &mut bytes.strip_prefix(MAGIC)?;
        let tags = take_strings(from)?;
        let labels = take_strings(from)?.iter().map(|name| Label::named(name)).collect::<Option<Vec<_>>>()?;
        let count = usize::from(take(from, 1)?[0]);
        let cuts = take(from, count)?;
        let edits = cuts.iter().copied().zip(take_strings(from)?).collect();
        let count = take_u32(from)? as usize;
        let keys = take_words(from, count)?;
        let lemmas = Lemmas::from_parts(edits, keys.into_iter().zip(take(from, count)?.iter().copied()));
        let network = Network::read(from)?;
        let fits = network.tag.outputs() == tags.len() && network.label.outputs() == labels.len() && from.is_empty();
        fits.then_some(Self { tags, labels, lemmas, network })
    }
}
