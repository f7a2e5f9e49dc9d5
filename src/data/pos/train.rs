//! Learning the tables from tagged sentences.

use super::features::{names, state_name};
use super::tables::Tables;
use super::tag::Tag;
use super::tagger::context;
use crate::util::rng::Rng;
use std::collections::BTreeMap;

/// Words seen so often, and with one tag so surely, need no features.
const SETTLED_COUNT: usize = 20;
const SETTLED_SHARE: f64 = 0.999;

/// A feature while learning: by tag the weight, its sum over all words so far, and when it last changed.
#[derive(Default, Clone)]
struct Weights {
    now: BTreeMap<usize, (f64, f64, u64)>,
}

impl Weights {
    fn change(&mut self, tag: usize, by: f64, time: u64) {
        let (weight, sum, since) = self.now.entry(tag).or_default();
        *sum += (time - *since) as f64 * *weight;
        *since = time;
        *weight += by;
    }
}

/// Averaged perceptron (Collins 2002) over tagged sentences, seen `epochs` times in an order drawn by `seed`. Averaged
/// weights below `least` are dropped and the rest rounded to hundredths: how small the tables are.
pub fn train(sentences: &[Vec<(String, Tag)>], epochs: usize, least: f64, seed: u64) -> Tables {
    let tagdict = settled(sentences);
    let mut weights: BTreeMap<String, Weights> = BTreeMap::new();
    let mut order: Vec<usize> = (0..sentences.len()).collect();
    let mut rng = Rng::new(&[seed]);
    let mut time = 0;
    for _ in 0..epochs {
        rng.shuffle(&mut order);
        for sentence in order.iter().filter_map(|&i| sentences.get(i)) {
            let words: Vec<&str> = sentence.iter().map(|(word, _)| word.as_str()).collect();
            let context = context(&words);
            let (mut before, mut that) = (Tag::COUNT, Tag::COUNT + 1);
            for (i, (word, truth)) in sentence.iter().enumerate() {
                let guess = match tagdict.get(word) {
                    Some(&tag) => tag,
                    None => {
                        time += 1;
                        let features = names(word, &context, i, before, that);
                        let guess = predict(&weights, &features);
                        if guess != *truth {
                            for name in features {
                                let feature = weights.entry(name).or_default();
                                feature.change(truth.index(), 1.0, time);
                                feature.change(guess.index(), -1.0, time);
                            }
                        }
                        guess
                    }
                };
                (before, that) = (guess.index(), before);
            }
        }
    }
    let name = |tag: usize| state_name(tag).to_owned();
    let mut tables = Tables { tagdict: BTreeMap::new(), weights: BTreeMap::new() };
    tables.tagdict.extend(tagdict.into_iter().map(|(word, tag)| (word, tag.name().to_owned())));
    for (feature, weights) in weights {
        let averaged = weights.now.into_iter().map(|(tag, (weight, sum, since))| {
            (tag, ((sum + (time - since) as f64 * weight) / time.max(1) as f64 * 100.0).round() / 100.0)
        });
        let kept: BTreeMap<String, f64> =
            averaged.filter(|(_, weight)| weight.abs() >= least).map(|(tag, weight)| (name(tag), weight)).collect();
        if !kept.is_empty() {
            tables.weights.insert(feature, kept);
        }
    }
    tables
}

fn predict(weights: &BTreeMap<String, Weights>, features: &[String]) -> Tag {
    let mut scores = [0f64; Tag::COUNT];
    for feature in features.iter().filter_map(|name| weights.get(name)) {
        for (&tag, (weight, ..)) in &feature.now {
            scores[tag] += weight;
        }
    }
    let best = (0..Tag::COUNT).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).and_then(Tag::at);
    best.unwrap_or_else(|| unreachable!("there is a score for every tag"))
}

fn settled(sentences: &[Vec<(String, Tag)>]) -> BTreeMap<String, Tag> {
    let mut counts: BTreeMap<&str, BTreeMap<Tag, usize>> = BTreeMap::new();
    for (word, tag) in sentences.iter().flatten() {
        *counts.entry(word).or_default().entry(*tag).or_default() += 1;
    }
    let sure = |tags: &BTreeMap<Tag, usize>| {
        let total: usize = tags.values().sum();
        let (&tag, &most) = tags.iter().max_by_key(|(_, count)| **count)?;
        (total >= SETTLED_COUNT && most as f64 >= SETTLED_SHARE * total as f64).then_some(tag)
    };
    counts.into_iter().filter_map(|(word, tags)| Some((word.to_owned(), sure(&tags)?))).collect()
}
