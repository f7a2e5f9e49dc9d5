//! Self-critical training through the real binary on a small set of built-in scenes: the reward rises, a run comes
//! back to the bit, captions that collapse end it with a sentence.
#![allow(clippy::unwrap_used)]

mod common;

use common::{command, refused, rsic, succeeds};
use rsic::data::batch::Batch;
use rsic::data::{END, START};
use rsic::decode::sample::{Sample, SampleOptions, sample};
use rsic::models::{Captioner, Losses, State};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use tch::{Device, Kind, Tensor};

/// Scenes, an experiment on them and a feature cache, made once.
fn workplace() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = common::workplace("reinforce");
        let experiment = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {fe_lws: {layers: 1, stack: ns, embedding: 32, hidden: 48, image: 32, merge: 48, dropout: 0.3}}
train: {batch_size: 16, epochs: 25, optimizer: {lr: 5e-3}}
reinforce:
  samples: 10
  train: {batch_size: 16, epochs: 40, log_steps: 1, optimizer: {lr: 1e-3}, early_stop: {metric: CIDEr, patience: 100}}
decode: {method: greedy}
";
        fs::write(place.join("small.yaml"), experiment).unwrap();
        succeeds(&rsic(&place, &["features", "small.yaml"]));
        place
    })
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_reward_rises_and_a_killed_stage_equals_an_undisturbed_one_to_the_bit() {
    let place = workplace();
    succeeds(&rsic(place, &["train", "small.yaml", "--output", "whole"]));
    let stage = place.join("whole/reinforce");
    let epochs = lines(&stage.join("metrics.jsonl"));
    let told = |record: &serde_json::Value, name: &str| record["told"][name].as_f64().unwrap();
    let (first, last) = (&epochs[0], &epochs[epochs.len() - 1]);
    assert!(told(last, "reward") > 1.3 * told(first, "reward"), "{} to {}", first["told"], last["told"]);
    for name in ["baseline", "length", "entropy", "distinct", "copies"] {
        assert!(told(last, name).is_finite(), "{name}");
    }
    assert!(lines(&stage.join("steps.jsonl")).iter().all(|step| told(step, "reward") >= 0.0));
    assert!(fs::read_to_string(stage.join("reward.json")).unwrap().contains("references_sha256"));
    // What is evaluated is the last stage's model, and that of the stage before is still there.
    succeeds(&rsic(place, &["eval", "whole", "--output", "of_last"]));
    succeeds(&rsic(place, &["eval", "whole/checkpoints/best", "--output", "of_captioning"]));
    let scores = |folder: &str| fs::read(place.join(folder).join("predictions/test-greedy.jsonl")).unwrap();
    assert_eq!(scores("of_last"), scores("whole"));

    let arguments =
        |more: &'static str| vec!["train", "small.yaml", "reinforce.train.checkpoint_steps=1", "--output", "cut", more];
    let mut first = arguments("");
    first.pop();
    let mut child = command(place, &first).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = place.join("cut/reinforce/checkpoints/last/state.json");
    while !begun.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    succeeds(&rsic(place, &arguments("--resume")));
    let weights = |run: &str| fs::read(place.join(run).join("reinforce/checkpoints/last/model.safetensors")).unwrap();
    assert!(weights("cut") == weights("whole"), "the weights differ");
}

#[test]
fn every_baseline_and_metric_trains_beside_the_cross_entropy() {
    let place = workplace();
    let reward = "reinforce.reward={CIDEr: 1, BLEU-4: 0.5, METEOR: 0.5, ROUGE_L: 0.5}";
    let stage = "reinforce.train.epochs=1";
    succeeds(&rsic(
        place,
        &[
            "train",
            "small.yaml",
            "train.epochs=2",
            stage,
            reward,
            "reinforce.baseline=greedy",
            "reinforce.cross_entropy=0.3",
            "reinforce.dropout=true",
            "--output",
            "mixed",
        ],
    ));
    assert_eq!(lines(&place.join("mixed/reinforce/metrics.jsonl")).len(), 1);
}

#[test]
fn captions_that_collapse_end_the_stage_with_a_sentence() {
    let place = workplace();
    let output =
        rsic(place, &["train", "small.yaml", "train.epochs=1", "reinforce.min_length=50", "--output", "collapsed"]);
    refused(&output, &["the captions have collapsed", "words in the mean", "reinforce.train.optimizer.lr"]);
    let output = rsic(place, &["train", "small.yaml", "reinforce.samples=1", "--output", "one"]);
    refused(&output, &["reinforce.samples", "expected at least 2"]);
}

#[test]
fn checkpoints_of_a_run_are_averaged_into_one_that_captions() {
    let place = workplace();
    let stage = "reinforce.train.epochs=1";
    succeeds(&rsic(place, &["train", "small.yaml", "train.epochs=4", "train.keep_last=3", stage, "--output", "kept"]));
    let average = |more: &[&str]| rsic(place, &[&["average", "kept"][..], more].concat());
    let printed = succeeds(&average(&["--last", "2", "--output", "mean"]));
    assert!(printed.contains("epoch-0003") && printed.contains("epoch-0004"), "{printed}");
    succeeds(&average(&["--best", "2", "--output", "mean_of_best"]));
    assert!(succeeds(&rsic(place, &["eval", "mean"])).contains("CIDEr"));
    refused(&average(&["--last", "2", "--output", "mean"]), &["'mean' is there already"]);
    refused(&average(&["--last", "9", "--output", "more"]), &["3 epochs' checkpoints", "train.keep_last=9"]);
}

/// After `<start>` one of the words 3 and 4, 4 three times as likely; after a word 4 or `<end>`, as likely each.
struct Coin;

impl Captioner for Coin {
    fn losses(&self, _batch: &Batch, _train: bool) -> Losses {
        Losses::default()
    }

    fn start(&self, features: &[Tensor]) -> State {
        State::new(vec![features[0].shallow_clone()])
    }

    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        assert_eq!(tokens.size()[0], state.tensors[0].size()[0], "a row for each caption that still grows");
        let first = Tensor::from_slice(&[0f32, 0.0, 0.0, 0.25, 0.75]).log().unsqueeze(0);
        let later = Tensor::from_slice(&[0f32, 0.0, 0.5, 0.0, 0.5]).log().unsqueeze(0);
        first.where_self(&tokens.eq(START).unsqueeze(1), &later)
    }
}

#[test]
fn captions_are_drawn_as_likely_as_the_model_says_and_a_seed_repeats_them() {
    let drawn = |temperature: f64| {
        tch::manual_seed(3);
        let features = [Tensor::zeros([2, 1], (Kind::Float, Device::Cpu))];
        sample(&Coin, &features, &SampleOptions { count: 2000, max_length: 3, temperature })
    };
    let found = drawn(1.0);
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [2000, 2000]);
    let all: Vec<&Sample> = found.iter().flatten().collect();
    let share = |fits: &dyn Fn(&Sample) -> bool| all.iter().filter(|s| fits(s)).count() as f64 / all.len() as f64;
    assert!((share(&|s| s.tokens[0] == 4) - 0.75).abs() < 0.03);
    assert!((share(&|s| s.tokens.len() == 1) - 0.5).abs() < 0.03);
    assert!((share(&|s| !s.finished) - 0.25).abs() < 0.03, "two words more, and no end");
    assert!(all.iter().all(|s| !s.tokens.contains(&END) && (s.finished || s.tokens.len() == 3)));
    assert_eq!(found, drawn(1.0));
    // The entropy of two draws: at half the temperature probabilities are squared, 1 to 9 in the first.
    for (temperature, least) in [(1.0, 0.25f64), (0.5, 0.1)] {
        let expected = -(least * least.ln() + (1.0 - least) * (1.0 - least).ln()) + 2f64.ln();
        let short = drawn(temperature).concat().into_iter().find(|sample| sample.steps() == 2).unwrap();
        assert!((short.entropy - expected).abs() < 1e-5, "{} is not {expected}", short.entropy);
    }
}
