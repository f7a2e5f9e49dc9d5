//! Learning an [`Analyser`] from the reference parser's output.

use super::beam::{self, Training, search};
use super::convert;
use super::graph::{Graph, Label};
use super::lemma::Lemmas;
use super::linear::{ACTIONS, Hash, Packed};
use super::model::{Analyser, Widths, kinds};
use super::parser::{Parser, Tagged};
use super::tagger::{Lexicon, Tagger, Tokens};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// How an analyser is trained.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    pub tagger: Training,
    pub parser: Training,
    /// Parts of the sentences, each of which is tagged by a tagger that did not see it, for the parser to train on.
    pub folds: usize,
    /// Weights below this are left out of the model.
    pub least: f32,
    /// Features with fewer updates are left out of the model.
    pub updates: u16,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            tagger: Training { epochs: 8, width: 4, seed: 1 },
            parser: Training { epochs: 10, width: 8, seed: 2 },
            folds: 5,
            least: 0.0,
            updates: 1,
        }
    }
}

fn words(graph: &Graph) -> Vec<&str> {
    graph.words.iter().map(|word| word.text.as_str()).collect()
}

/// The most frequent of some things, ties by order.
fn most<T: Ord + Copy>(things: impl Iterator<Item = T>, keep: usize) -> Vec<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    things.for_each(|thing| *counts.entry(thing).or_default() += 1);
    let mut list: Vec<(T, usize)> = counts.into_iter().collect();
    list.sort_by_key(|(_, count)| std::cmp::Reverse(*count)); // stable
    list.into_iter().take(keep).map(|(thing, _)| thing).collect()
}

/// Tags of new words.
const OPEN: [&str; 13] = ["NN", "NNS", "NNP", "JJ", "VBG", "VBN", "VBD", "VBZ", "VBP", "VB", "RB", "CD", "IN"];

/// How often a word must occur to be known by itself.
const FREQUENT: usize = 3;

fn tag_inputs(graphs: &[&Graph], tags: &[String]) -> (Lexicon, Vec<Tokens>) {
    let place = |tag: &str| tags.iter().position(|other| other == tag).unwrap_or(0);
    let mut counts: FxHashMap<u32, (u64, usize)> = FxHashMap::default();
    for word in graphs.iter().flat_map(|graph| &graph.words) {
        let entry = counts.entry(Hash::of(&word.text)).or_default();
        entry.0 |= 1 << place(&word.tag);
        entry.1 += 1;
    }
    let open = tags.iter().zip(0..).filter(|(tag, _)| OPEN.contains(&tag.as_str())).map(|(_, at)| 1u64 << at).sum();
    let known = counts.into_iter().filter(|(_, (_, count))| *count >= FREQUENT).map(|(word, (bits, _))| (word, bits));
    let lexicon = Lexicon { known: known.collect(), open };
    let inputs = graphs
        .iter()
        .map(|graph| Tokens::new(&words(graph), &lexicon, graph.words.iter().map(|word| place(&word.tag)).collect()))
        .collect();
    (lexicon, inputs)
}

/// Trains on sentences. The same sentences in the same order give the same analyser, whatever the number of threads.
pub fn train(graphs: &[Graph], recipe: &Recipe) -> Analyser {
    let graphs: Vec<&Graph> = graphs.iter().filter(|graph| !graph.is_empty()).collect();
    let all_tags = graphs.iter().flat_map(|graph| graph.words.iter().map(|word| word.tag.as_str()));
    let tags: Vec<String> = most(all_tags, ACTIONS).into_iter().map(str::to_owned).collect();
    let tagger = Tagger;
    let folds = recipe.folds.max(2);
    // The last job is the tagger itself; the others tag what they did not see.
    let mut jobs: Vec<(Option<(Lexicon, beam::Training, Packed)>, Vec<Vec<u8>>)> = (0..=folds)
        .into_par_iter()
        .map(|fold| {
            let part: Vec<&Graph> =
                graphs.iter().enumerate().filter(|(at, _)| at % folds != fold).map(|(_, graph)| *graph).collect();
            let (lexicon, inputs) = tag_inputs(&part, &tags);
            let trained = beam::train(&tagger, &inputs, recipe.tagger);
            let weights = Packed::new(&trained.average(recipe.updates), recipe.least);
            if fold == folds {
                return (Some((lexicon, recipe.tagger, weights)), Vec::new());
            }
            let unseen = graphs.iter().skip(fold).step_by(folds);
            let tagged = unseen.map(|graph| {
                let tokens = Tokens::new(&words(graph), &lexicon, Vec::new());
                search(&tagger, &tokens, &weights, recipe.tagger.width).tags
            });
            (None, tagged.collect())
        })
        .collect();
    let (lexicon, tag_weights) = match jobs.pop() {
        Some((Some((lexicon, _, weights)), _)) => (lexicon, weights),
        _ => Default::default(),
    };
    let trees: Vec<Vec<convert::Arc>> = graphs.iter().map(|graph| convert::tree(graph)).collect();
    let arcs = || trees.iter().flat_map(|tree| tree.iter().zip(1..).map(|(arc, place)| (arc.0, arc.1, place)));
    let left = most(arcs().filter(|(governor, _, place)| governor > place).map(|arc| arc.1), ACTIONS / 2 - 3);
    let right = most(arcs().filter(|(governor, _, place)| governor < place).map(|arc| arc.1), ACTIONS - 1 - left.len());
    let parser = Parser { left, right };
    let kinds = kinds(&tags);
    let inputs: Vec<Tagged> = graphs
        .iter()
        .enumerate()
        .filter_map(|(at, graph)| {
            let tagged = jobs.get(at % folds)?.1.get(at / folds)?;
            Some(Tagged::new(&words(graph), tagged, kinds, trees.get(at)?.clone()))
        })
        .filter(|input| !beam::System::right(&parser, input).is_empty())
        .collect();
    let trained = beam::train(&parser, &inputs, recipe.parser);
    let parse_weights = Packed::new(&trained.average(recipe.updates), recipe.least);
    let all = graphs.iter().flat_map(|graph| &graph.words);
    let lemmas = Lemmas::train(all.map(|word| (word.text.as_str(), word.tag.as_str(), word.lemma.as_str())));
    Analyser {
        tags,
        lexicon,
        lemmas,
        parser,
        tag_weights,
        parse_weights,
        widths: Widths { tagger: recipe.tagger.width, parser: recipe.parser.width },
    }
}
