//! S2CPNet at small sizes: every switch, searches, and whole runs through the binary.
#![allow(clippy::unwrap_used)]

mod common;

use common::{by_heart, eight, greedy, rsic, succeeds, text};
use rsic::data::batch::{Batch, NounBatch, PackedCaptions};
use rsic::decode::{BeamOptions, beam_search};
use rsic::models::s2cpnet::{Config, Decoder, Fusion, Preset, S2cpNet, SpatialPool, Unit};
use rsic::models::{Captioner, Inputs};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

const CHANNELS: i64 = 24;
const VOCABULARY: i64 = 20;

fn small() -> Config {
    Config { grid: 4, width: 16, heads: 2, units: 2, dropout: 0.0, word_dropout: 0.0, ..Config::default() }
}

fn model(config: &Config) -> (VarStore, S2cpNet) {
    tch::manual_seed(3);
    let store = VarStore::new(Device::Cpu);
    let inputs = Inputs { features: vec![CHANNELS], vocabulary: VOCABULARY, attributes: 0 };
    let model = S2cpNet::new(&store.root(), config, &inputs);
    (store, model)
}

fn features(images: i64, config: &Config) -> Vec<Tensor> {
    tch::manual_seed(5);
    let grid = || Tensor::rand([images, CHANNELS, 2, 2], (Kind::Float, Device::Cpu));
    if config.uses_masks() { vec![grid(), grid()] } else { vec![grid()] }
}

fn pack(sequences: &[&[i64]], images: &[i64]) -> (PackedCaptions, Tensor) {
    let packed = PackedCaptions::new(sequences, Device::Cpu);
    let rows: Vec<i64> = packed.order.iter().map(|&row| images[row]).collect();
    (packed, Tensor::from_slice(&rows))
}

/// Three captions of two images.
fn batch(config: &Config) -> Batch {
    let (captions, image_rows) = pack(&[&[1, 4, 5, 2], &[1, 6, 2], &[1, 7, 8, 9, 10, 2]], &[0, 0, 1]);
    let (words, noun_rows) = pack(&[&[1, 4, 2], &[1, 2], &[1, 7, 9, 2]], &[0, 0, 1]);
    let nouns = Some(NounBatch { words, image_rows: noun_rows });
    Batch { captions, image_rows, features: features(2, config), attributes: None, augmented: None, nouns }
}

/// Each row of Tables IV to VII, and each switch by itself.
fn variants() -> Vec<Config> {
    let plain = Config { semantic: false, spatial: false, nouns: false, ..small() };
    vec![
        small(),
        Config { preset: Preset::AuthorCode, ..small() },
        Config { fusion: Fusion::Image, decoder: Decoder::Plain, ..plain.clone() },
        Config { fusion: Fusion::Image, ..plain.clone() },
        Config { fusion: Fusion::Add, ..plain.clone() },
        Config { fusion: Fusion::Concat, ..plain.clone() },
        plain.clone(),
        Config { nouns: true, ..plain.clone() },
        Config { nouns: true, semantic: true, ..plain.clone() },
        Config { nouns: true, spatial: true, ..plain },
        Config { unit: Some(Unit::Full), gate_residual: Some(true), ..small() },
        Config { spatial_pool: Some(SpatialPool::Halved), freeze_enhancement: Some(true), ..small() },
        Config { grid: 3, noun_self_attention: Some(false), ..small() },
    ]
}

#[test]
fn every_variant_gives_all_its_trained_parameters_a_gradient() {
    for config in variants() {
        let (store, model) = model(&config);
        let losses = model.losses(&batch(&config), true);
        assert_eq!(losses.terms().len(), 1 + usize::from(config.nouns), "{config:?}");
        losses.backward(1.0);
        let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, variable) in variables {
            let frozen = config.freeze_enhancement() && name.contains("_enhance.");
            let statistic = name.contains("running_");
            assert_eq!(variable.requires_grad(), !frozen && !statistic, "{name}");
            // Where the surroundings equal the features, the two branches are equal, and so alpha has no say.
            let alpha = config.spatial_pool() == SpatialPool::Halved && name.ends_with("alpha");
            let defined = variable.grad().defined();
            assert!(!variable.requires_grad() || alpha || defined, "{name} has no gradient in {config:?}");
        }
    }
}

/// The published program's logic: with features repeated from half the grid, nothing stands off its surroundings.
#[test]
fn the_programs_spatial_weights_are_a_half_at_half_the_grid_but_not_beyond() {
    let config = Config { preset: Preset::AuthorCode, ..small() };
    let (store, model) = model(&config);
    let conv = |xs: &Tensor| {
        let variables = store.variables();
        xs.conv2d(
            &variables["spatial_enhance.conv.weight"],
            Some(&variables["spatial_enhance.conv.bias"]),
            [1i64, 1].as_slice(),
            [0i64, 0].as_slice(),
            [1i64, 1].as_slice(),
            1,
        )
    };
    tch::no_grad(|| {
        for (side, equal) in [(2, true), (3, false)] {
            let xs = Tensor::rand([1, CHANNELS, side, side], (Kind::Float, Device::Cpu));
            let found = model.encoder.enhanced(&xs, 1).transpose(1, 2).view([1, CHANNELS, 4, 4]);
            let halved = conv(&(xs.adaptive_avg_pool2d([4i64, 4]) * 0.5));
            assert_eq!((found - halved).abs().max().double_value(&[]) < 1e-5, equal, "side {side}");
        }
    });
}

/// The five captions of an image share a pass: the loss is that of the captions one by one.
#[test]
fn captions_of_one_image_together_give_the_loss_of_each_alone() {
    // Without cross-view units there is no batch normalisation, which would tell the two apart.
    let config = Config { fusion: Fusion::Concat, ..small() };
    let (_store, model) = model(&config);
    let together = batch(&config);
    let both = features(2, &config);
    let (mut sum, mut tokens) = (0.0, 0.0);
    for (caption, image) in [(&[1i64, 4, 5, 2][..], 0i64), (&[1, 6, 2], 0), (&[1, 7, 8, 9, 10, 2], 1)] {
        let (captions, image_rows) = pack(&[caption], &[0]);
        let features = both.iter().map(|view| view.narrow(0, image, 1)).collect();
        let alone = Batch { captions, image_rows, features, attributes: None, augmented: None, nouns: None };
        let count = (caption.len() - 1) as f64;
        sum += model.losses(&alone, false).terms()[0].1.double_value(&[]) * count;
        tokens += count;
    }
    let found = model.losses(&together, false).terms()[0].1.double_value(&[]);
    assert!((found - sum / tokens).abs() < 1e-5, "{found}, not {}", sum / tokens);
}

#[test]
fn a_beam_of_one_is_greedy_search_for_words_and_nouns_and_prepared_features_change_nothing() {
    for config in [small(), Config { preset: Preset::AuthorCode, ..small() }] {
        let (_store, model) = model(&config);
        let features = features(3, &config);
        let prepared = tch::no_grad(|| model.prepare(&features));
        let nouns = model.nouns().unwrap();
        for captioner in [&model as &dyn Captioner, &*nouns] {
            let options = |width| BeamOptions { width, max_length: 6, ..BeamOptions::default() };
            let found = beam_search(captioner, &features, &options(1));
            assert_eq!(found, beam_search(captioner, &prepared, &options(1)));
            for (image, hypotheses) in found.iter().enumerate() {
                let own: Vec<Tensor> = features.iter().map(|view| view.narrow(0, image as i64, 1)).collect();
                assert_eq!(hypotheses[0].tokens, greedy(captioner, &own, 6));
            }
            let wide = beam_search(captioner, &features, &options(3));
            assert!(wide.iter().zip(&found).all(|(wide, one)| wide[0].log_prob >= one[0].log_prob - 1e-4));
        }
    }
}

#[test]
fn attention_over_the_grid_sums_to_one_for_every_word() {
    let (_store, model) = model(&small());
    let looks = model.attention(&features(1, &small()), &[4, 5, 6]).unwrap();
    assert_eq!(looks.size(), [4, 4, 4]);
    let sums = Vec::<f32>::try_from(looks.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Float)).unwrap();
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
}

// Whole runs.

const SMALL: &str = "name: small
data: {root: scenes, vocabulary: {min_count: 1, max_length: 20}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model:
  s2cpnet: {grid: 2, width: 32, heads: 2, units: 1, dropout: 0.0, word_dropout: 0.0,
            masks: {mode: solid, missing: fail}, noun_words: {min_count: 1}}
train: {batch_size: 8, epochs: 1, optimizer: {lr: 2e-3}, early_stop: {metric: ROUGE_L, patience: 200}}
decode: {method: beam, beam: 3}
";

/// 34 scenes of 64 pixels with masks, and a dataset of 8 of them, one caption each, in all splits.
fn workplace() -> &'static PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("s2cpnet");
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        succeeds(&rsic(&place, &["data", "scenes", "scenes", "--count", "34", "--size", "64"]));
        fs::write(place.join("small.yaml"), SMALL).unwrap();
        eight(&place, 4);
        place
    })
}

fn predictions(place: &Path, folder: &str, decoding: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(place.join(folder).join(format!("predictions/test-{decoding}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn it_learns_eight_images_by_heart_and_says_the_same_after_loading() {
    let place = workplace();
    let of_eight = ["data.root=eight", "data.images=../scenes/imgs", "model.s2cpnet.masks.folder=../scenes/masks"];
    let mut train = vec!["train", "small.yaml", "name=eight", "train.epochs=100", "train.schedule=constant"];
    train.extend(of_eight);
    train.extend(["decode.method=greedy", "--output", "eight_run"]);
    succeeds(&rsic(place, &train));
    let lines = by_heart(&fs::read_to_string(place.join("eight_run/predictions/test-greedy.jsonl")).unwrap());
    for line in &lines {
        let caption = line["caption"].as_str().unwrap();
        for noun in line["nouns"].as_array().unwrap() {
            assert!(caption.contains(noun.as_str().unwrap()), "{noun} is not in: {caption}");
        }
    }
    assert!(lines.iter().any(|line| line["nouns"].as_array().is_some_and(|nouns| nouns.len() > 1)));
    succeeds(&rsic(place, &["eval", "eight_run", "--output", "eight_again"]));
    assert_eq!(predictions(place, "eight_again", "greedy"), lines);
    // From files, masks beside the folder of the images.
    let mut arguments = vec!["caption".to_owned(), "--model".into(), "eight_run".into(), "-f".into(), "jsonl".into()];
    arguments.extend(["--set".into(), "model.s2cpnet.masks.folder=masks".into()]);
    arguments.extend(lines.iter().map(|line| format!("scenes/imgs/{}", line["file"].as_str().unwrap())));
    let captioned = rsic(place, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    succeeds(&captioned);
    for (printed, line) in text(&captioned.stdout).lines().zip(&lines) {
        let printed: serde_json::Value = serde_json::from_str(printed).unwrap();
        assert_eq!((&printed["caption"], &printed["nouns"]), (&line["caption"], &line["nouns"]));
    }
    // As text and CSV, with nouns where they are asked for.
    let listed = |line: &serde_json::Value| {
        let nouns = line["nouns"].as_array().into_iter().flatten();
        nouns.map(|noun| noun.as_str().unwrap()).collect::<Vec<_>>().join(", ")
    };
    let mut with_format = |format: &str, nouns: bool| {
        arguments[4] = format.to_owned();
        let nouns = nouns.then_some("--nouns");
        let captioned = rsic(place, &arguments.iter().map(String::as_str).chain(nouns).collect::<Vec<_>>());
        succeeds(&captioned);
        text(&captioned.stdout)
    };
    assert!(with_format("text", false).lines().all(|printed| printed.split('\t').count() == 2));
    for (printed, line) in with_format("text", true).lines().zip(&lines) {
        assert_eq!(printed.split('\t').nth(2), Some(listed(line).as_str()));
    }
    let csv = with_format("csv", true);
    assert!(csv.starts_with("file,caption,log_prob,attributes,nouns\n"), "{csv}");
    let first = listed(&lines[0]);
    assert!(csv.lines().nth(1).unwrap().trim_end_matches('"').ends_with(&first), "{csv}");
}

/// The encoder's last stage learns within the model, by the published program's schedule.
#[test]
fn an_encoder_is_tuned_within_the_model_and_saved_with_it() {
    let place = workplace();
    let train = [
        "train",
        "small.yaml",
        "name=tuned",
        "encoders.0.tune={stages: [layer4], norms: train}",
        "model.s2cpnet.preset=author_code",
        "train.epochs=2",
        "train.schedule={plateau: {factor: 0.8, every: 5}}",
        "train.parts=[{prefix: decoder, clip_value: 5.0}, {prefix: encoder, clip_value: 5.0}, {prefix: encoder_feat, \
        decay: false}]",
        "train.early_stop={metric: ROUGE_L, split: test, beside: val, score: ids, beam: 3}",
        "train.keep_best=[val ROUGE_L]",
        "train.share_images=false",
        "decode.unfinished=drop",
        "decode.suppress_specials=false",
        "--output",
        "tuned",
    ];
    succeeds(&rsic(place, &train));
    assert!(place.join("tuned/checkpoints/best-val ROUGE_L").is_dir());
    let chosen = fs::read_to_string(place.join("tuned/best-val ROUGE_L/predictions/test-beam-3.scores.json"));
    assert!(chosen.unwrap().contains("CIDEr"));
    let result = fs::read_to_string(place.join("tuned/result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    let of_ids = &result["decodings"][0]["on_ids"];
    assert!(of_ids.to_string().contains("METEOR") && !of_ids.to_string().contains("SPICE"), "{of_ids}");
    let history = fs::read_to_string(place.join("tuned/metrics.jsonl")).unwrap();
    assert!(history.contains("\"val ROUGE_L\"") && history.contains("\"ROUGE_L\""), "{history}");
    let losses: Vec<f64> = history
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["train_loss"].as_f64().unwrap())
        .collect();
    assert!(losses[1] < losses[0], "{losses:?}");
    let weights = Tensor::read_safetensors(place.join("tuned/checkpoints/last/model.safetensors")).unwrap();
    let find =
        |name: &str| weights.iter().find(|(key, _)| key == name).map(|(_, tensor)| tensor.shallow_clone()).unwrap();
    let made = VarStore::new(Device::Cpu);
    let spec = rsic::models::encoders::spec::find("resnet50").unwrap();
    let _network = spec.network(&made.root(), None);
    rsic::weights::randomise(&made);
    let made = made.variables();
    let changed = |name: &str| find(&format!("encoder.{name}")) != made[name];
    assert!(changed("layer4.2.conv2.weight") && changed("layer1.0.bn1.running_mean"));
    assert!(!changed("layer3.5.conv2.weight") && !changed("conv1.weight"));
    let lines = predictions(place, "tuned", "beam-3");
    let again = rsic(place, &["eval", "tuned", "--output", "tuned_again"]);
    succeeds(&again);
    let (words, ids) = text(&again.stdout).split_once("word ids").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let ids = ids.split("references in training").next().unwrap(); // the table behind it is of words
    assert!(words.contains("SPICE") && ids.contains("CIDEr") && !ids.contains("SPICE"), "{words}{ids}");
    assert_eq!(predictions(place, "tuned_again", "beam-3"), lines);
    let file = format!("scenes/imgs/{}", lines[0]["file"].as_str().unwrap());
    let captioned = rsic(place, &["caption", "--model", "tuned", &file]);
    succeeds(&captioned);
    assert!(text(&captioned.stdout).trim_end().ends_with(lines[0]["caption"].as_str().unwrap()));
}

#[test]
fn settings_that_do_not_fit_are_one_sentence() {
    let place = workplace();
    let refused = |overrides: &[&str], says: &str| {
        let mut arguments = vec!["train", "small.yaml", "--output", "never"];
        arguments.extend(overrides);
        let output = rsic(place, &arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(says) && !error.contains("panicked"), "'{says}' is not in: {error}");
    };
    refused(&["model.s2cpnet.heads=5"], "model.s2cpnet.width");
    refused(&["data.vocabulary.max_length=30"], "max_words");
    refused(&["model.s2cpnet.fusion=sum"], "cvff");
    refused(&["model.s2cpnet.masks.folder=nowhere"], "rsic data masks");
    refused(&["encoders.0.tune={stages: [layer9]}"], "layer4");
    refused(&["model.s2cpnet.noun_words.tagger=nowhere"], "nowhere");
}
