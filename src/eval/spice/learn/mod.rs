//! Learning SPICE's caption parser ([`Analyser`]) from the reference parser's output.
//!
//! The grammar gets the rules that the reference's derivations show, with their relative frequencies as first weights.
//! An averaged perceptron (Collins, EMNLP 2002) then makes the same derivations the best ones: where another is, the
//! weights of its rules fall and those of the reference's rise. As the reference is a grammar with these rules, few
//! mistakes are left. What narrows the search (`pruning`) is learnt apart: with it the perceptron would see
//! fewer mistakes, and learn less. Relations and lemmas are counted. The same parses give the same bytes.

mod pruning;

use crate::spice::chart::Chart;
use crate::spice::convert;
use crate::spice::derivation::{Derivation, constituents};
use crate::spice::grammar::{
    Chain, EDGE, Grammar, Neighbours, ONE, Rule, Rules, Symbol, Tagging, bit, starts, unknown_keys, word_key,
};
use crate::spice::graph::Graph;
use crate::spice::lattice::Lattice;
use crate::spice::lemma::Lemmas;
use crate::spice::model::Analyser;
use crate::spice::parses::Parsed;
use crate::spice::relations::Learner;
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use rsic_util::rng::Rng;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How the grammar is trained.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    pub epochs: usize,
    /// Captions parsed with the same weights.
    pub batch: usize,
    /// By how much a mistake changes a weight, a logarithm, in the first epoch; it falls to a tenth of that.
    pub step: f32,
    /// Words that occur so often at most are taken for unknown ones every other time.
    pub rare: usize,
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { epochs: 14, batch: 16, step: 0.1, rare: 2, seed: 1 }
    }
}

/// Words of the longest caption that the grammar learns from.
const LONGEST: usize = 40;

/// Types of words with an ending from which on it tells tags.
const ENDING_TYPES: usize = 3;

/// Words at most as frequent stand for unknown ones where endings are counted.
const ENDING_COUNT: usize = 10;

/// A word does not take a category that it has less often than once in so many times: such mistakes of the reference's
/// cost half of the speed.
const SELDOM: f32 = 300.0;

/// A caption with its right derivation.
pub struct Example<'p> {
    texts: Vec<&'p str>,
    pub derivation: Derivation<u16>,
}

impl Example<'_> {
    /// Where the taggings of its words lie; of rare words those of unknown ones, half of the time.
    pub fn taggings(&self, grammar: &Grammar, rare: impl Fn(&str) -> bool, rng: &mut Rng) -> Vec<Range<usize>> {
        let mut taggings = |text: &&str| {
            if rare(text) && rng.chance(0.5) { grammar.unknown(text) } else { grammar.taggings_of(text) }
        };
        self.texts.iter().map(&mut taggings).collect()
    }
}

/// A symbol's name without what surrounds it: `NP^S-B` is an `NP`.
fn category(name: &str) -> &str {
    let name = name.trim_start_matches('@');
    let end = if name.starts_with('-') {
        name.get(1..).and_then(|rest| rest.find('-')).map(|at| at + 2)
    } else {
        name.find(['^', '-']).filter(|&at| at > 0)
    };
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

/// How often parts of derivations occur.
#[derive(Debug, Default)]
struct Counts {
    /// By the part under which a rule is found, the other one, and the parent: those found by the left part, and by the
    /// right.
    rules: [BTreeMap<(u16, u16, u16), usize>; 2],
    /// By the lowest symbol, then the path.
    chains: BTreeMap<(u16, Vec<u16>), usize>,
    roots: BTreeMap<u16, usize>,
    words: BTreeMap<String, BTreeMap<u16, usize>>,
    tags: BTreeSet<u16>,
    /// Of each symbol, the tags before and after it; `None` for no word.
    beside: BTreeMap<u16, [BTreeSet<Option<u16>>; 2]>,
}

impl Counts {
    /// Notes what stands beside each symbol of a derivation that starts at a word of a caption with these tags.
    fn note(&mut self, derivation: &Derivation<u16>, tags: &[u16], start: usize) {
        let before = start.checked_sub(1).and_then(|at| tags.get(at)).copied();
        let after = tags.get(start + derivation.words()).copied();
        for &symbol in &derivation.path {
            let [befores, afters] = self.beside.entry(symbol).or_default();
            befores.insert(before);
            afters.insert(after);
        }
        if let Some([left, right]) = derivation.parts.as_deref() {
            self.note(left, tags, start);
            self.note(right, tags, start + left.words());
        }
    }

    /// Adds a derivation that starts at a word; gives its outermost symbol.
    fn add(&mut self, derivation: &Derivation<u16>, texts: &[&str], open: &[bool]) -> u16 {
        let (top, bottom) = ends(derivation);
        if derivation.path.len() > 1 {
            *self.chains.entry((bottom, derivation.path.clone())).or_default() += 1;
        }
        match derivation.parts.as_deref() {
            Some([left, right]) => {
                let (first, second) = texts.split_at(left.words().min(texts.len()));
                let (left, right) = (self.add(left, first, open), self.add(right, second, open));
                let (side, known, other) = found_by(left, right, |symbol| open.get(usize::from(symbol)) == Some(&true));
                *self.rules[side].entry((known, other, bottom)).or_default() += 1;
            }
            None => {
                let word = texts.first().copied().unwrap_or_default();
                *self.words.entry(word.to_owned()).or_default().entry(bottom).or_default() += 1;
                self.tags.insert(bottom);
            }
        }
        top
    }
}

/// The tags of a derivation's words, in order.
pub fn list_tags(derivation: &Derivation<u16>, tags: &mut Vec<u16>) {
    match derivation.parts.as_deref() {
        Some(parts) => parts.iter().for_each(|part| list_tags(part, tags)),
        None => tags.push(ends(derivation).1),
    }
}

/// By which side a rule is found (0: left), with the symbol on it and the other one.
fn found_by(left: u16, right: u16, is_open: impl Fn(u16) -> bool) -> (usize, u16, u16) {
    if is_open(right) && !is_open(left) { (1, right, left) } else { (0, left, right) }
}

/// The outermost and the lowest symbol.
fn ends(derivation: &Derivation<u16>) -> (u16, u16) {
    let end = |symbol: Option<&u16>| symbol.copied().unwrap_or_default();
    (end(derivation.path.first()), end(derivation.path.last()))
}

/// A grammar with the weights of its features as floats: rules, chains, roots, taggings, and last what the taggings of
/// one word and category share.
struct Learning {
    grammar: Grammar,
    weights: Vec<f32>,
    /// Of each tagging, the shared feature.
    shared: Vec<usize>,
    /// Of each shared feature, its taggings.
    sharing: Vec<Range<usize>>,
}

impl Learning {
    fn new(counts: &Counts, names: &[String]) -> Result<Self> {
        let mut categories: Vec<String> = names.iter().map(|name| category(name).to_owned()).collect();
        categories.sort();
        categories.dedup();
        if categories.len() > 255 || names.len() >= usize::from(u16::MAX) {
            bail!(
                "the trees have {} symbols of {} categories; they are not the reference parser's",
                names.len(),
                categories.len()
            );
        }
        let place = |name: &str| categories.partition_point(|other| other.as_str() < category(name)) as u8;
        let bits = |tags: &BTreeSet<Option<u16>>| {
            let bit = |tag: &Option<u16>| match tag.and_then(|tag| names.get(usize::from(tag))) {
                Some(name) => bit(place(name)),
                None => EDGE,
            };
            tags.iter().map(bit).fold(0, |all, bit| all | bit)
        };
        let symbol = |(name, number): (&String, u16)| {
            let [before, after] =
                counts.beside.get(&number).map_or([0; 2], |beside| [bits(&beside[0]), bits(&beside[1])]);
            Symbol { open: name.starts_with('@'), be: name.contains("-BE"), category: place(name), before, after }
        };
        let symbols: Vec<Symbol> = names.iter().zip(0..).map(symbol).collect();
        let mut weights = Vec::new();
        // Of each symbol, how often it is made: by a chain, or by a rule.
        let mut made: FxHashMap<u16, usize> = FxHashMap::default();
        counts.rules.iter().flatten().for_each(|((.., parent), count)| *made.entry(*parent).or_default() += count);
        for ((_, path), count) in &counts.chains {
            *made.entry(path.first().copied().unwrap_or_default()).or_default() += count;
        }
        let share = |count: usize, symbol: u16| (count as f32 / made.get(&symbol).copied().unwrap_or(1) as f32).ln();
        weights.extend(counts.rules.iter().flatten().map(|(&(.., parent), &count)| share(count, parent)));
        let top = |path: &[u16]| path.first().copied().unwrap_or_default();
        weights.extend(counts.chains.iter().map(|((_, path), &count)| share(count, top(path))));
        let captions: usize = counts.roots.values().sum();
        weights.extend(counts.roots.values().map(|&count| (count as f32 / captions.max(1) as f32).ln()));
        let rule = |&(_, other, parent): &(u16, u16, u16)| Rule { other, parent, weight: 0 };
        let rules = |rules: &BTreeMap<(u16, u16, u16), usize>| {
            let known: Vec<u16> = rules.keys().map(|&(known, ..)| known).collect();
            Rules { starts: starts(&known, symbols.len(), |&known| known), list: rules.keys().map(rule).collect() }
        };
        let bottoms: Vec<u16> = counts.chains.keys().map(|&(bottom, _)| bottom).collect();
        let mut learning = Self {
            grammar: Grammar {
                rules: [rules(&counts.rules[0]), rules(&counts.rules[1])],
                above: starts(&bottoms, symbols.len(), |&bottom| bottom),
                chains: counts.chains.keys().map(|(_, path)| Chain { top: top(path), weight: 0 }).collect(),
                paths: counts.chains.keys().map(|(_, path)| path.clone()).collect(),
                roots: counts.roots.keys().map(|&tag| Tagging { tag, weight: 0 }).collect(),
                categories,
                neighbours: Neighbours::of(&symbols),
                symbols,
                ..Grammar::default()
            },
            weights,
            shared: Vec::new(),
            sharing: Vec::new(),
        };
        learning.add_words(counts);
        (0..learning.weights.len()).for_each(|feature| learning.refresh(feature));
        Ok(learning)
    }

    /// The lexicon: of each word all tags of the categories that it was seen with, of endings and shapes those of rare
    /// words.
    fn add_words(&mut self, counts: &Counts) {
        let category = |tag: u16| self.grammar.symbols.get(usize::from(tag)).map_or(0, |symbol| symbol.category);
        let mut tags: BTreeMap<u8, Vec<u16>> = BTreeMap::new();
        counts.tags.iter().for_each(|&tag| tags.entry(category(tag)).or_default().push(tag));
        let mut of_tag: BTreeMap<u16, f32> = BTreeMap::new();
        let mut of_category: BTreeMap<u8, f32> = BTreeMap::new();
        for (&tag, &count) in counts.words.values().flatten() {
            *of_tag.entry(tag).or_default() += count as f32;
            *of_category.entry(category(tag)).or_default() += count as f32;
        }
        let number = |map: &BTreeMap<u8, f32>, category: u8| map.get(&category).copied().unwrap_or(1.0);
        let (mut own, mut common) = (Vec::new(), Vec::new());
        let mut lists: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        let mut unknown: BTreeMap<u32, BTreeMap<u8, usize>> = BTreeMap::new();
        // A word's taggings; `seen` says how often it had a tag, and its weight with a category comes with it.
        let mut add = |key: u32, categories: Vec<(u8, f32)>, seen: &BTreeMap<u16, usize>| {
            let first = own.len() as u32;
            for (category, weight) in categories {
                let from = own.len();
                for &tag in tags.get(&category).into_iter().flatten() {
                    // A word takes the tags of its category as often as other words do, unless it is seen to differ.
                    let expected = weight.exp() * of_tag.get(&tag).copied().unwrap_or_default();
                    let count = seen.get(&tag).copied().unwrap_or_default() as f32;
                    let differs = if seen.is_empty() { 0.0 } else { ((count + 1.0) / (expected + 1.0)).ln() };
                    self.grammar.taggings.push(Tagging { tag, weight: 0 });
                    self.shared.push(common.len());
                    own.push(differs);
                }
                self.sharing.push(from..own.len());
                common.push(weight);
            }
            lists.insert(key, (first, own.len() as u32));
        };
        for (word, seen) in &counts.words {
            let mut categories: BTreeMap<u8, f32> = BTreeMap::new();
            seen.iter().for_each(|(&tag, &count)| *categories.entry(category(tag)).or_default() += count as f32);
            let all: f32 = categories.values().sum();
            categories.retain(|_, count| *count * SELDOM >= all);
            if seen.values().sum::<usize>() <= ENDING_COUNT {
                for key in unknown_keys(word) {
                    let of_key = unknown.entry(key).or_default();
                    categories.keys().for_each(|&category| *of_key.entry(category).or_default() += 1);
                }
            }
            let weigh = |(category, count): (u8, f32)| (category, (count / number(&of_category, category)).ln());
            add(word_key(word), categories.into_iter().map(weigh).collect(), seen);
        }
        let rest = unknown_keys("").last();
        for (key, categories) in unknown {
            let types: usize = categories.values().sum();
            if types < ENDING_TYPES && Some(key) != rest {
                continue;
            }
            let weigh = |(category, count): (u8, usize)| {
                (category, (count as f32 / types as f32 / number(&of_category, category)).ln())
            };
            let frequent = categories.into_iter().filter(|(_, count)| count * 100 >= types);
            add(key, frequent.map(weigh).collect(), &BTreeMap::new());
        }
        self.grammar.lexicon = lists.into_iter().collect();
        self.weights.extend(own);
        self.weights.extend(common);
    }

    fn offsets(&self) -> [usize; 4] {
        let chains = self.grammar.rules.iter().map(|rules| rules.list.len()).sum::<usize>();
        let roots = chains + self.grammar.chains.len();
        let taggings = roots + self.grammar.roots.len();
        [chains, roots, taggings, taggings + self.grammar.taggings.len()]
    }

    /// Takes a feature's weight over into the grammar.
    fn refresh(&mut self, feature: usize) {
        let rounded = |weight: f32| (f64::from(weight) * ONE).round() as i32;
        let [chains, roots, taggings, common] = self.offsets();
        let weight = rounded(self.weights[feature]);
        if feature < chains {
            let [by_left, by_right] = &mut self.grammar.rules;
            match feature.checked_sub(by_left.list.len()) {
                None => by_left.list[feature].weight = weight,
                Some(feature) => by_right.list[feature].weight = weight,
            }
        } else if feature < roots {
            self.grammar.chains[feature - chains].weight = weight;
        } else if feature < taggings {
            self.grammar.roots[feature - roots].weight = weight;
        } else {
            let one = feature.wrapping_sub(taggings);
            let changed = if feature < common { one..one + 1 } else { self.sharing[feature - common].clone() };
            for tagging in changed {
                let sum = self.weights[taggings + tagging] + self.weights[common + self.shared[tagging]];
                self.grammar.taggings[tagging].weight = rounded(sum);
            }
        }
    }

    /// The features of a derivation of words with these taggings; `None` where the grammar lacks one.
    fn features(&self, derivation: &Derivation<u16>, taggings: &[Range<usize>]) -> Option<Vec<usize>> {
        let mut features = Vec::new();
        let root = self.gather(derivation, taggings, &mut features)?;
        let [_, roots, ..] = self.offsets();
        features.push(roots + self.grammar.roots.binary_search_by_key(&root, |root| root.tag).ok()?);
        Some(features)
    }

    fn gather(&self, derivation: &Derivation<u16>, taggings: &[Range<usize>], out: &mut Vec<usize>) -> Option<u16> {
        let [chains, _, first_tagging, common] = self.offsets();
        let (top, bottom) = ends(derivation);
        if derivation.path.len() > 1 {
            let (first, over) = self.grammar.chains_over(bottom);
            let mut paths = self.grammar.paths.get(first..first + over.len())?.iter();
            out.push(chains + first + paths.position(|path| *path == derivation.path)?);
        }
        match derivation.parts.as_deref() {
            Some([left, right]) => {
                let (before, after) = taggings.split_at_checked(left.words())?;
                let left = self.gather(left, before, out)?;
                let right = self.gather(right, after, out)?;
                let (side, known, other) = found_by(left, right, |symbol| self.grammar.is_open(symbol));
                let rules = &self.grammar.rules[side];
                let same = |rule: &Rule| (rule.other, rule.parent);
                let at = rules.of(known).binary_search_by_key(&(other, bottom), same).ok()?;
                let before = if side == 0 { 0 } else { self.grammar.rules[0].list.len() };
                out.push(before + rules.starts[usize::from(known)] as usize + at);
            }
            None => {
                let range = taggings.first()?.clone();
                let at = range.start + self.grammar.taggings.get(range)?.iter().position(|one| one.tag == bottom)?;
                out.extend([first_tagging + at, common + self.shared[at]]);
            }
        }
        Some(top)
    }
}

thread_local! {
    static ROOM: RefCell<(Lattice, Chart)> = RefCell::default();
}

/// What differs between the right derivation and the best one: features with how often more the former has them. Empty
/// where they are equal, or cannot be compared.
fn difference(learning: &Learning, example: &Example, taggings: &[Range<usize>]) -> BTreeMap<usize, f32> {
    let best = ROOM.with_borrow_mut(|(lattice, chart)| {
        lattice.fill(&learning.grammar, taggings);
        chart.parse(&learning.grammar, lattice)
    });
    let mut difference = BTreeMap::new();
    let features = |derivation| learning.features(derivation, taggings);
    if let (Some(right), Some(wrong)) = (features(&example.derivation), best.as_ref().and_then(features)) {
        right.into_iter().for_each(|feature| *difference.entry(feature).or_default() += 1.0);
        wrong.into_iter().for_each(|feature| *difference.entry(feature).or_default() -= 1.0);
        difference.retain(|_, by| *by != 0.0);
    }
    difference
}

/// Learns from parses. `on_epoch` gets the epoch, from 1, and the share of captions whose best derivation was another.
///
/// # Errors
/// Parses without derivations, or with symbols that are not the reference parser's.
pub fn train(parses: &[Parsed], recipe: &Recipe, mut on_epoch: impl FnMut(usize, f64)) -> Result<Analyser> {
    let sentences = || {
        let pairs = parses.iter().flat_map(|parsed| parsed.sentences.iter().zip(&parsed.derivations));
        pairs.filter_map(|(graph, derivation)| Some((graph, derivation.as_ref()?)))
    };
    let mut names = BTreeSet::new();
    sentences().for_each(|(_, derivation)| collect(derivation, &mut names));
    let is_open = |name: &str| name.starts_with('@');
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    names.sort_by(|a, b| (is_open(a), a).cmp(&(is_open(b), b)));
    let open: Vec<bool> = names.iter().map(|name| is_open(name)).collect();
    let texts = |graph: &'_ Graph| -> Vec<String> { graph.words.iter().map(|word| word.text.clone()).collect() };
    let place = |name: &String| names.partition_point(|other| (is_open(other), other) < (is_open(name), name)) as u16;
    let words: Vec<Vec<String>> = sentences().map(|(graph, _)| texts(graph)).collect();
    let all: Vec<Example> = sentences()
        .zip(&words)
        .map(|((_, derivation), words)| Example {
            texts: words.iter().map(String::as_str).collect(),
            derivation: derivation.map(&mut { place }),
        })
        .collect();
    if all.is_empty() {
        bail!("no parse has a tree to train on; create parses with scripts/spice/Parses.java");
    }
    let mut counts = Counts::default();
    let examples: Vec<&Example> = all.iter().filter(|example| example.texts.len() <= LONGEST).collect();
    for example in &examples {
        let root = counts.add(&example.derivation, &example.texts, &open);
        *counts.roots.entry(root).or_default() += 1;
        let mut tags = Vec::with_capacity(example.texts.len());
        list_tags(&example.derivation, &mut tags);
        counts.note(&example.derivation, &tags, 0);
    }
    let mut learning = Learning::new(&counts, &names)?;
    let rare = |word: &str| counts.words.get(word).is_none_or(|tags| tags.values().sum::<usize>() <= recipe.rare);
    let pruner = pruning::train(&learning.grammar, &examples, rare, recipe.seed);
    learn(&mut learning, &examples, rare, recipe, &mut on_epoch);
    let mut learner = Learner::default();
    for ((graph, _), example) in sentences().zip(&all) {
        let constituents = constituents(&example.derivation, &open, 0);
        learner.add(&learning.grammar, &example.texts, constituents, &convert::tree(graph));
    }
    let words = parses.iter().flat_map(|parsed| &parsed.sentences).flat_map(|graph| &graph.words);
    let lemmas = Lemmas::train(words.map(|word| (word.text.as_str(), word.tag.as_str(), word.lemma.as_str())));
    let bytes = Analyser::new(lemmas, learning.grammar, pruner, learner.finish()).to_bytes();
    Analyser::from_bytes(&bytes).context("the model cannot be written: it is too large")
}

fn collect<'d>(derivation: &'d Derivation<String>, names: &mut BTreeSet<&'d str>) {
    names.extend(derivation.path.iter().map(String::as_str));
    derivation.parts.iter().flat_map(|parts| parts.iter()).for_each(|part| collect(part, names));
}

fn learn(
    learning: &mut Learning,
    examples: &[&Example],
    rare: impl Fn(&str) -> bool + Sync,
    recipe: &Recipe,
    on_epoch: &mut impl FnMut(usize, f64),
) {
    let steps = examples.len().div_ceil(recipe.batch.max(1)) * recipe.epochs;
    // The mean of the weights after a third of all steps, by what each change still contributes to it.
    let (start, mut step) = (steps / 3, 0usize);
    let mut before = vec![0f64; learning.weights.len()];
    for epoch in 0..recipe.epochs {
        let mut order: Vec<usize> = (0..examples.len()).collect();
        Rng::new(&[recipe.seed, epoch as u64]).shuffle(&mut order);
        let mut wrong = 0;
        for batch in order.chunks(recipe.batch.max(1)) {
            let compare = |&at: &usize| {
                let example = examples[at];
                let mut rng = Rng::new(&[recipe.seed, 1 + epoch as u64, at as u64]);
                let taggings = example.taggings(&learning.grammar, &rare, &mut rng);
                difference(learning, example, &taggings)
            };
            let differences: Vec<BTreeMap<usize, f32>> = batch.par_iter().map(compare).collect();
            let rate = recipe.step * (1.0 - 0.9 * step as f32 / steps as f32);
            wrong += differences.iter().filter(|difference| !difference.is_empty()).count();
            let mut changed = BTreeSet::new();
            for (feature, by) in differences.into_iter().flatten() {
                learning.weights[feature] += rate * by;
                before[feature] += f64::from(rate * by) * step.saturating_sub(start) as f64;
                changed.insert(feature);
            }
            changed.into_iter().for_each(|feature| learning.refresh(feature));
            step += 1;
        }
        on_epoch(epoch + 1, wrong as f64 / examples.len() as f64);
    }
    let averaged = (steps - start).max(1) as f64;
    for (weight, before) in learning.weights.iter_mut().zip(&before) {
        *weight -= (before / averaged) as f32;
    }
    (0..learning.weights.len()).for_each(|feature| learning.refresh(feature));
}
