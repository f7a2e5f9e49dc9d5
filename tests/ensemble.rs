//! Several captioners as one.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Table, refused, rsic, succeeds, workplace};
use rsic::data::{END, START, Vocabulary};
use rsic::decode::{BeamOptions, Hypothesis, beam_search};
use rsic::models::Captioner;
use rsic::models::ensemble::{Ensemble, Mean, Part};
use std::collections::BTreeMap;
use std::fs;
use tch::{Device, Tensor};

fn table(seed: i64, vocabulary: &Vocabulary) -> Table {
    Table::new(seed, vocabulary.len() as i64)
}

fn vocabulary(words: &[&str]) -> Vocabulary {
    let counts: BTreeMap<&str, usize> = words.iter().map(|&word| (word, 5)).collect();
    Vocabulary::from_counts(&counts, 1, 6)
}

fn images() -> Tensor {
    Tensor::from_slice(&[1f32, 2.0, 3.0, 40.0, 500.0]).view([-1, 1])
}

fn found(model: &dyn Captioner, members: usize, width: usize) -> Vec<Vec<Hypothesis>> {
    let features: Vec<Tensor> = (0..members).map(|_| images()).collect();
    beam_search(model, &features, &BeamOptions { width, max_length: 6, ..BeamOptions::default() })
}

fn part<'a>(model: &'a Table, vocabulary: &'a Vocabulary) -> Part<'a> {
    Part { model, vocabulary, encoders: 1 }
}

fn same(left: &[Vec<Hypothesis>], right: &[Vec<Hypothesis>]) {
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().flatten().zip(right.iter().flatten()) {
        assert_eq!(left.tokens, right.tokens);
        assert!((left.log_prob - right.log_prob).abs() < 1e-4, "{} {}", left.log_prob, right.log_prob);
    }
}

#[test]
fn one_model_and_the_same_model_twice_caption_as_the_model_alone() {
    let words = vocabulary(&["a", "b", "c", "d", "e"]);
    let model = table(1, &words);
    for mean in [Mean::Probabilities, Mean::LogProbabilities] {
        for width in [1, 3] {
            let alone = found(&model, 1, width);
            let (once, _) = Ensemble::new(&[part(&model, &words)], &[1.0], mean, Device::Cpu).unwrap();
            same(&found(&once, 1, width), &alone);
            let twice = [part(&model, &words), part(&model, &words)];
            let (twice, _) = Ensemble::new(&twice, &[3.0, 1.0], mean, Device::Cpu).unwrap();
            same(&found(&twice, 2, width), &alone);
        }
    }
}

/// Two members of other words: the mean of the first step worked out by hand, word by word.
#[test]
fn words_are_aligned_and_their_probabilities_averaged() {
    let (left, right) = (vocabulary(&["a", "b", "d"]), vocabulary(&["b", "c"]));
    let (one, two) = (table(1, &left), table(2, &right));
    let parts = [part(&one, &left), part(&two, &right)];
    let probability = |model: &Table, vocabulary: &Vocabulary, word: &str| {
        let mut state = model.start(&[images().get(0).view([1, 1])]);
        let logits = model.step(&Tensor::from_slice(&[START]), &mut state).get(0);
        let exponentials: Vec<f64> = (0..vocabulary.len() as i64).map(|id| logits.double_value(&[id]).exp()).collect();
        let id = if word == "<end>" { END } else { vocabulary.id(word) };
        let known = word == "<end>" || vocabulary.words().iter().any(|known| known == word);
        if known { exponentials[id as usize] / exponentials.iter().sum::<f64>() } else { 0.0 }
    };
    let first_step = |mean: Mean| {
        let (ensemble, union) = Ensemble::new(&parts, &[1.0, 3.0], mean, Device::Cpu).unwrap();
        let image = || images().get(0).view([1, 1]);
        let mut state = ensemble.start(&[image(), image()]);
        let logits = ensemble.step(&Tensor::from_slice(&[START]), &mut state).get(0);
        let values: Vec<f64> = (0..union.len() as i64).map(|id| logits.double_value(&[id])).collect();
        (union, values)
    };
    let (union, means) = first_step(Mean::Probabilities);
    assert_eq!(union.words()[4..], ["a", "b", "d", "c"]);
    for (word, found) in union.words().iter().zip(&means).skip(4) {
        let expected = 0.25 * probability(&one, &left, word) + 0.75 * probability(&two, &right, word);
        assert!((found.exp() - expected).abs() < 1e-6, "{word}: {} {expected}", found.exp());
    }
    let total: f64 = means.iter().map(|mean| mean.exp()).sum();
    assert!((total - 1.0).abs() < 1e-6, "{total}");

    let (union, means) = first_step(Mean::LogProbabilities);
    let of = |word: &str| means[if word == "<end>" { END } else { union.id(word) } as usize];
    for word in ["b", "<end>"] {
        let expected = 0.25 * probability(&one, &left, word).ln() + 0.75 * probability(&two, &right, word).ln();
        assert!((of(word) - expected).abs() < 1e-5, "{word}: {} {expected}", of(word));
    }
    for word in ["a", "c", "d"] {
        assert_eq!(of(word), f64::NEG_INFINITY, "{word} is not known to both");
    }
}

/// Beams of one image move about; the members' states must move with them.
#[test]
fn the_best_of_a_wide_beam_is_the_best_of_all_captions() {
    let words = vocabulary(&["a", "b", "c"]);
    let (one, two) = (table(5, &words), table(6, &words));
    let parts = [part(&one, &words), part(&two, &words)];
    let (ensemble, _) = Ensemble::new(&parts, &[1.0, 1.0], Mean::Probabilities, Device::Cpu).unwrap();
    let image = || images().get(3).view([1, 1]);
    let score = |tokens: &[i64]| {
        let mut state = ensemble.start(&[image(), image()]);
        let mut last = START;
        let mut total = 0.0;
        for &next in tokens.iter().chain([&END]) {
            let logits = ensemble.step(&Tensor::from_slice(&[last]), &mut state).get(0);
            total += logits.double_value(&[next]);
            last = next;
        }
        total
    };
    let mut best = (score(&[]), Vec::new());
    let mut all: Vec<Vec<i64>> = vec![Vec::new()];
    for _ in 0..3 {
        all = all.iter().flat_map(|t| (4..7).map(move |word| [t.as_slice(), &[word]].concat())).collect();
        for tokens in &all {
            let score = score(tokens);
            if score > best.0 {
                best = (score, tokens.clone());
            }
        }
    }
    let options = BeamOptions { width: 60, max_length: 4, finished_only: true, ..BeamOptions::default() };
    let found = beam_search(&ensemble, &[image(), image()], &options).remove(0).remove(0);
    assert_eq!(found.tokens, best.1);
    assert!((found.log_prob - best.0).abs() < 1e-5);
}

#[test]
fn weights_that_do_not_fit_are_one_sentence() {
    let words = vocabulary(&["a"]);
    let model = table(1, &words);
    let refused = |weights: &[f64]| {
        let refused = Ensemble::new(&[part(&model, &words)], weights, Mean::Probabilities, Device::Cpu);
        refused.err().unwrap().to_string()
    };
    assert!(refused(&[1.0, 2.0]).contains("one weight for each of its 1 models, found 2"));
    assert!(refused(&[0.0]).contains("must be a positive number, found 0"));
}

/// Two runs of other encoders, other words and other seeds; a run with itself is that run.
#[test]
fn runs_evaluated_together_are_one_captioner() {
    let place = workplace("ensemble");
    let experiment = |name: &str, data: &str, encoder: &str| {
        let text = format!(
            "name: {name}
data: {{root: scenes, {data}}}
encoders: [{{name: {encoder}, weights: random, image_size: 64}}]
model: {{fe_lws: {{embedding: 16, hidden: 16}}}}
train: {{batch_size: 16, epochs: 2, optimizer: {{lr: 5e-3}}}}
decode: {{method: beam, beam: 3}}
"
        );
        fs::write(place.join(format!("{name}.yaml")), text).unwrap();
        let file = format!("{name}.yaml");
        succeeds(&rsic(&place, &["train", file.as_str(), "--output", name]));
    };
    experiment("a", "vocabulary: {min_count: 1}", "resnet50");
    experiment("b", "vocabulary: {min_count: 3}", "densenet121");
    let captions = |folder: &str, decoding: &str| -> Vec<String> {
        let lines = fs::read_to_string(place.join(folder).join("predictions").join(decoding)).unwrap();
        let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["caption"].to_string();
        lines.lines().map(of).collect()
    };

    succeeds(&rsic(&place, &["eval", "a", "a", "--output", "twice", "--member-weights", "1,3"]));
    assert_eq!(captions("twice", "test-beam-3-ensemble-of-2.jsonl"), captions("a", "test-beam-3.jsonl"));

    let together = ["eval", "a", "b", "--output", "both"];
    let printed = succeeds(&rsic(&place, &together));
    assert!(printed.contains("beam 3, ensemble of 2"), "{printed}");
    let scores = fs::read_to_string(place.join("both/predictions/test-beam-3-ensemble-of-2.scores.json")).unwrap();
    assert!(scores.contains("CIDEr"), "{scores}");
    let comparison = ["decode.method=comparison", "--mean", "log-probabilities"];
    succeeds(&rsic(&place, &[&together[..], &comparison].concat()));

    refused(&rsic(&place, &["eval", "a", "b"]), &["an ensemble has no run folder", "--output"]);
    refused(&rsic(&place, &[&together[..], &["--member-weights", "1"]].concat()), &["2 models, found 1"]);
    refused(&rsic(&place, &["eval", "a", "--member-weights", "1"]), &["name further runs"]);
    let dataset = fs::read_to_string(place.join("scenes/dataset.json")).unwrap();
    fs::create_dir_all(place.join("others")).unwrap();
    fs::write(place.join("others/dataset.json"), dataset.replacen("\"train\"", "\"test\"", 1)).unwrap();
    experiment("c", "images: imgs, captions: ../others/dataset.json", "resnet50");
    refused(&rsic(&place, &["eval", "a", "c", "--output", "both"]), &["make no ensemble", "runs of one dataset"]);
}
