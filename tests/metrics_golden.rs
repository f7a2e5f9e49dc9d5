//! Parity with the reference scorers (pycocoevalcap 1.2) on golden captions; `tests/golden/README.md` tells their
//! origin.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod common;

use common::shared;
use flate2::read::GzDecoder;
use rsic::eval::meteor::{MeteorReferences, MeteorStats, Resources};
use rsic::eval::{MetricSet, References, tokenize};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

#[derive(Deserialize)]
struct Golden {
    corpus: BTreeMap<String, f64>,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    hyp: String,
    refs: Vec<String>,
    hyp_tok: String,
    refs_tok: Vec<String>,
    scores: BTreeMap<String, serde_json::Value>,
}

impl Item {
    /// METEOR's 23 numbers.
    fn statistics(&self) -> [u64; 23] {
        let numbers = self.scores["meteor_stats"].as_str().unwrap().split(' ');
        let numbers: Vec<u64> = numbers.map(|number| number.parse::<f64>().unwrap() as u64).collect();
        numbers.try_into().unwrap()
    }
}

/// The reference's names and ours.
const NAMES: [(&str, &str); 6] = [
    ("Bleu_1", "BLEU-1"),
    ("Bleu_2", "BLEU-2"),
    ("Bleu_3", "BLEU-3"),
    ("Bleu_4", "BLEU-4"),
    ("ROUGE_L", "ROUGE_L"),
    ("CIDEr", "CIDEr"),
];

fn remote_sensing() -> Golden {
    serde_json::from_str(include_str!("golden/rs_captions.json")).unwrap()
}

fn coco() -> Option<Golden> {
    let mut text = String::new();
    GzDecoder::new(File::open(shared("golden/coco_fakecap.json.gz")?).unwrap()).read_to_string(&mut text).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn assert_scores_equal(golden: &Golden) {
    let groups: Vec<Vec<String>> = golden.items.iter().map(|item| item.refs.clone()).collect();
    let hypotheses: Vec<String> = golden.items.iter().map(|item| item.hyp.clone()).collect();
    let metrics = MetricSet { meteor: false, ..MetricSet::ALL };
    let evaluation = References::new(&groups).score(&hypotheses, metrics).unwrap();
    for (theirs, ours) in NAMES {
        assert!((evaluation.corpus.get(ours).unwrap() - golden.corpus[theirs]).abs() < 1e-9, "corpus {ours}");
        for (item, scores) in golden.items.iter().zip(&evaluation.images) {
            let (ours_value, theirs_value) = (scores.get(ours).unwrap(), item.scores[theirs].as_f64().unwrap());
            assert!((ours_value - theirs_value).abs() < 1e-9, "{ours} of {:?}: {ours_value} {theirs_value}", item.hyp);
        }
    }
}

#[test]
fn tokens_of_the_remote_sensing_captions_equal_the_references() {
    for item in remote_sensing().items {
        assert_eq!(tokenize(&item.hyp), item.hyp_tok);
        for (raw, tokens) in item.refs.iter().zip(&item.refs_tok) {
            assert_eq!(&tokenize(raw), tokens);
        }
    }
}

#[test]
fn at_most_20_of_202654_coco_captions_are_tokenised_otherwise() {
    let Some(path) = shared("golden/coco_val2014_ptb.tsv.gz") else { return };
    let (mut lines, mut differing) = (0, 0);
    for line in BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines() {
        let line = line.unwrap();
        let (raw, tokens) = line.split_once('\t').unwrap();
        lines += 1;
        if tokenize(raw) != tokens {
            differing += 1;
            println!("{raw}\n  reference: {tokens}\n  here:      {}", tokenize(raw));
        }
    }
    println!("{differing} of {lines} captions differ");
    assert_eq!(lines, 202_654);
    assert!(differing <= 20);
}

#[test]
fn bleu_rouge_and_cider_of_the_remote_sensing_captions_equal_the_references() {
    assert_scores_equal(&remote_sensing());
}

#[test]
fn bleu_rouge_and_cider_of_the_coco_example_equal_the_references() {
    if let Some(golden) = coco() {
        assert_scores_equal(&golden);
    }
}

/// METEOR's resources where they are compiled; prints a note where they are not.
fn resources() -> Option<Arc<Resources>> {
    let resources = Resources::open_default().unwrap();
    if resources.is_none() {
        println!("skipped: METEOR's resources are not compiled (make metrics-data)");
    }
    resources.map(Arc::new)
}

/// Every score, every statistic and the corpus value, bit for bit.
fn assert_meteor_identical(golden: &Golden, resources: Arc<Resources>) {
    let cleaned: Vec<Vec<String>> = golden.items.iter().map(|item| item.refs_tok.clone()).collect();
    let prepared = MeteorReferences::new(&cleaned.concat(), Some(resources.clone()));
    let mut start = 0;
    for item in &golden.items {
        let captions = start..start + item.refs_tok.len();
        start = captions.end;
        let best = prepared.best(&prepared.hypothesis(&item.hyp_tok), captions);
        assert_eq!(best.numbers(), item.statistics(), "{:?}", item.hyp);
        assert_eq!(best.score().to_bits(), item.scores["METEOR"].as_f64().unwrap().to_bits(), "{:?}", item.hyp);
    }
    let references = References::from_tokenized(&cleaned).with_resources(Some(resources));
    let hypotheses: Vec<String> = golden.items.iter().map(|item| item.hyp_tok.clone()).collect();
    let evaluation = references.score_tokenized(&hypotheses, MetricSet::ALL).unwrap();
    assert_eq!(evaluation.corpus.get("METEOR").unwrap().to_bits(), golden.corpus["METEOR"].to_bits());
    assert!((evaluation.corpus.get("Sm").unwrap() - golden.corpus["Sm"]).abs() < 1e-9);
}

#[test]
fn meteor_of_the_remote_sensing_captions_is_identical_to_the_references() {
    if let Some(resources) = resources() {
        assert_meteor_identical(&remote_sensing(), resources);
    }
}

#[test]
fn meteor_of_the_coco_example_is_identical_to_the_references() {
    if let (Some(golden), Some(resources)) = (coco(), resources()) {
        assert_meteor_identical(&golden, resources);
    }
}

#[test]
fn meteor_of_each_single_reference_is_identical_to_the_references() {
    let Some(resources) = resources() else { return };
    for item in remote_sensing().items {
        let prepared = MeteorReferences::new(&item.refs_tok, Some(resources.clone()));
        let hypothesis = prepared.hypothesis(&item.hyp_tok);
        for (caption, theirs) in item.scores["meteor_per_ref"].as_array().unwrap().iter().enumerate() {
            assert_eq!(prepared.best(&hypothesis, [caption]).score(), theirs.as_f64().unwrap(), "{:?}", item.hyp);
        }
    }
}

#[test]
fn statistics_of_segments_and_their_sum_give_meteor_to_the_last_bit() {
    for golden in [Some(remote_sensing()), coco()].into_iter().flatten() {
        let mut sum = MeteorStats::default();
        for item in &golden.items {
            let stats = MeteorStats::from_numbers(&item.statistics());
            assert_eq!(stats.numbers(), item.statistics());
            assert_eq!(stats.score().to_bits(), item.scores["METEOR"].as_f64().unwrap().to_bits());
            sum.add(&stats);
        }
        assert_eq!(sum.score().to_bits(), golden.corpus["METEOR"].to_bits());
    }
}

#[test]
fn sentences_score_as_images_do() {
    let golden = remote_sensing();
    let groups: Vec<Vec<String>> = golden.items.iter().map(|item| item.refs.clone()).collect();
    let hypotheses: Vec<String> = golden.items.iter().map(|item| item.hyp.clone()).collect();
    let references = References::new(&groups).with_resources(resources());
    let images = references.score(&hypotheses, MetricSet::SENTENCE).unwrap().images;
    let items: Vec<(String, Vec<usize>)> = hypotheses.into_iter().zip((0..).map(|image| vec![image])).collect();
    assert_eq!(references.score_sentences(&items, MetricSet::SM).unwrap(), images);
}
