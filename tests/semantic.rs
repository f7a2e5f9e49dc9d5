//! Scores of captions by meaning: tokens and pixels against public implementations (`tests/golden/clip.py`), and the
//! commands.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

mod common;

use rsic::models::clip::Clip;
use rsic::models::encoders::Preprocessing;
use rsic::models::layers::Activation;
use rsic::semantic::tokens::Tokens;
use rsic::semantic::{PROMPT, prepare};
use rsic::weights;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tch::{Device, Kind, Tensor};

fn golden_file(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

fn golden() -> Value {
    serde_json::from_str(&fs::read_to_string(golden_file("clip.json")).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

/// Tokens of the small CLIP's vocabulary.
fn vocabulary() -> usize {
    let words: Value = serde_json::from_str(&fs::read_to_string(golden_file("clip/vocab.json")).unwrap()).unwrap();
    words.as_object().unwrap().len()
}

#[test]
fn captions_become_the_tokens_of_transformers() {
    let clip = Tokens::clip(&golden_file("clip"), 77, vocabulary()).unwrap();
    let bert = Tokens::bert(&golden_file("clip"), 64, 1000).unwrap();
    for case in golden()["tokens"].as_array().unwrap() {
        let caption = case["caption"].as_str().unwrap();
        assert_eq!(clip.ids(caption).unwrap(), ids(&case["clip"]), "{caption}");
        assert_eq!(bert.ids(caption).unwrap(), ids(&case["bert"]), "{caption}");
    }
}

#[test]
fn a_vocabulary_that_does_not_fit_is_told_in_a_sentence() {
    let error = |tokens: anyhow::Result<Tokens>| format!("{:#}", tokens.unwrap_err());
    let large = error(Tokens::clip(&golden_file("clip"), 77, 100));
    assert!(large.contains("tokens, and the network knows 100"), "{large}");
    let small = error(Tokens::clip(&golden_file("clip"), 77, 1000));
    assert!(small.contains("tokens, and the network knows 1000"), "{small}");
    let none = error(Tokens::clip(&golden_file("images"), 77, 1000));
    assert!(none.contains("has no vocabulary of CLIP") && none.contains("--clip-tokenizer"), "{none}");
    let other = error(Tokens::clip(&golden_file("clip/vocab.txt"), 77, 1000));
    assert!(other.contains("is not a list of merges"), "{other}");
    let other = error(Tokens::clip(&golden_file("clip/vocab.json"), 77, 1000));
    assert!(other.contains("is not a vocabulary that can be used"), "{other}");
}

#[test]
fn pictures_are_resized_and_cropped_as_openclip_does_it() {
    let expected = ids(&golden()["bicubic"]);
    let found = prepare(&golden_file("images/wide.png"), 24).unwrap();
    assert_eq!(found.len(), expected.len());
    let furthest = found.iter().zip(&expected).map(|(a, b)| (i64::from(*a) - b).abs()).max().unwrap();
    assert!(furthest <= 1, "{furthest} of 255");
}

/// Writes the small networks of the golden file with vocabularies as large as the golden tokenisers', and captions.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let golden = golden();
    let write = |model: &Value, sides: &[(&str, i64)], path: &Path| {
        let named = model["shapes"].as_array().unwrap().iter().map(|entry| {
            let (name, mut shape) = (entry[0].as_str().unwrap(), ids(&entry[1]));
            if let Some((_, side)) = sides.iter().find(|(part, _)| name.contains(part)) {
                shape[0] = *side;
            }
            let unit = Tensor::from_slice(&weights::random_values(name, shape.iter().product::<i64>() as usize));
            let centre = if name.contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
            (name.to_owned(), (unit * 0.1 + centre).view(shape.as_slice()))
        });
        Tensor::write_safetensors(&named.collect::<Vec<_>>(), path).unwrap();
    };
    let at = |name: &str| folder.path().join(name);
    for name in ["clip", "bert", "images"] {
        fs::create_dir(at(name)).unwrap();
    }
    let sides = [("text_model.embeddings.token", vocabulary() as i64), ("text_model.embeddings.position", 77)];
    write(&golden["clip"]["quick_gelu"], &sides, &at("clip/model.safetensors"));
    fs::copy(golden_file("clip/merges.txt"), at("clip/merges.txt")).unwrap();
    write(&golden["bert"], &[("word_embeddings", 200), ("position_embeddings", 64)], &at("bert/model.safetensors"));
    fs::copy(golden_file("clip/vocab.txt"), at("bert/vocab.txt")).unwrap();
    fs::write(at("bert/config.json"), r#"{"num_attention_heads": 4}"#).unwrap();
    fs::copy(golden_file("images/wide.png"), at("images/plane.png")).unwrap();
    fs::copy(golden_file("images/tall.png"), at("images/river.png")).unwrap();
    let hypotheses = json!([
        {"image_id": 0, "caption": "many planes are parked"}, {"image_id": 1, "caption": "the river"}
    ]);
    let references = json!({
        "images": [{"id": 0, "file_name": "plane.png"}, {"id": 1, "file_name": "river.png"}],
        "annotations": [
            {"image_id": 0, "id": 1, "caption": "two planes"}, {"image_id": 0, "id": 2, "caption": "many planes are parked"},
            {"image_id": 1, "id": 3, "caption": "there are trees"}, {"image_id": 1, "id": 4, "caption": "a river"},
        ],
    });
    fs::write(at("hyps.json"), hypotheses.to_string()).unwrap();
    fs::write(at("refs.json"), references.to_string()).unwrap();
    folder
}

fn score(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsic"));
    command.args(["score", "hyps.json", "refs.json", "--device", "cpu"]).args(arguments);
    command.current_dir(folder).env("RSIC_CACHE", folder.join("cache")).output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn score_prints_and_writes_scores_by_meaning_beside_the_others() {
    let folder = folder();
    let at = folder.path();
    let all =
        ["--metrics", "BLEU", "--clip", "clip", "--images", "images", "--sentence", "bert", "--out", "scores.json"];
    let output = score(at, &all);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    for part in ["BLEU-4", "CLIPScore", "RefCLIPScore", "Sentence-max", "Sentence-mean", "(quick_gelu)", "|clip:"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let scores: Value = serde_json::from_str(&fs::read_to_string(at.join("scores.json")).unwrap()).unwrap();
    assert!((scores["images"][0]["Sentence-max"].as_f64().unwrap() - 1.0).abs() < 1e-6, "the caption is a reference");

    // The formulas of the paper on the vectors of the network.
    let dict = weights::read(&at.join("clip/model.safetensors")).unwrap();
    let clip = Clip::load(&dict, Activation::QuickGelu, Device::Cpu).unwrap();
    let tokens = Tokens::clip(&at.join("clip"), 77, vocabulary()).unwrap();
    let unit = |vector: Tensor| &vector / vector.norm();
    let text = |text: &str| unit(clip.texts(&[tokens.ids(&format!("{PROMPT}{text}")).unwrap()]));
    let pixels = prepare(&at.join("images/river.png"), clip.size()).unwrap();
    let pixels = Tensor::from_slice(&pixels).view([1, 32, 32, 3]);
    let image = unit(clip.images(&Preprocessing::CLIP.apply(&pixels)));
    let cosine = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double).double_value(&[]);
    let caption = text("the river");
    let own = 2.5 * cosine(&image, &caption).max(0.0);
    let near = cosine(&caption, &text("there are trees")).max(cosine(&caption, &text("a river"))).max(0.0);
    let expected = if own > 0.0 { 2.0 * own * near / (own + near) } else { 0.0 };
    let of = |name: &str| scores["images"][1][name].as_f64().unwrap();
    assert!((of("CLIPScore") - own).abs() < 1e-5, "{own}: {out}");
    assert!((of("RefCLIPScore") - expected).abs() < 1e-5, "{expected}: {out}");

    let mut again = all;
    again[8] = "--verify";
    assert_eq!(score(at, &again).status.code(), Some(0));
    let several = score(at, &["--protocol", "all", "--sentence", "bert"]);
    assert!(said(&several).0.contains("\nSentence-mean"), "{:?}", said(&several));
}

#[test]
fn what_is_missing_for_scores_by_meaning_is_told_in_a_sentence() {
    let folder = folder();
    let at = folder.path();
    let fault = |arguments: &[&str]| {
        let output = score(at, arguments);
        let (_, err) = said(&output);
        assert_eq!((output.status.code(), err.lines().count()), (Some(2), 1), "{err}");
        err
    };
    assert!(fault(&["--clip", "clip"]).contains("--images FOLDER"));
    assert!(fault(&["--clip", "absent", "--images", "images"]).contains("'absent'"));
    assert!(fault(&["--clip", "clip", "--images", "bert"]).contains("there is no image 'plane.png' in 'bert'"));
    assert!(fault(&["--sentence", "images"]).contains("has no config.json"));
    assert!(fault(&["--sentence", "refs.json"]).contains("is not a folder"));
    assert!(fault(&["--ids", "--sentence", "bert"]).contains("need words, not word ids"));
    fs::rename(at.join("clip/model.safetensors"), at.join("clip/RemoteCLIP-ViT-B-32.safetensors")).unwrap();
    let output = score(at, &["--clip", "clip/RemoteCLIP-ViT-B-32.safetensors", "--images", "images"]);
    let (out, err) = said(&output);
    assert!(out.contains("was trained on the captions of RSICD, RSITMD and UCM-Captions"), "{out}{err}");
    assert!(out.contains("+trained-on-captions"), "{out}");
}

#[test]
fn eval_prints_and_writes_scores_by_meaning_of_its_captions() {
    let (models, place) = (folder(), common::workplace("semantic"));
    let text = "name: a\ndata: {root: scenes, vocabulary: {min_count: 1}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {fe_lws: {embedding: 16, hidden: 16}}
train: {batch_size: 16, epochs: 1}\n";
    fs::write(place.join("a.yaml"), text).unwrap();
    common::succeeds(&common::rsic(&place, &["train", "a.yaml", "--output", "a"]));
    let of = |name: &str| models.path().join(name).to_str().unwrap().to_owned();
    let (clip, bert) = (of("clip"), of("bert"));
    let printed = common::succeeds(&common::rsic(&place, &["eval", "a", "--clip", &clip, "--sentence", &bert]));
    assert!(printed.contains("  RefCLIPScore ") && printed.contains("  Sentence-mean "), "{printed}");
    let predictions = walk(&place.join("a/predictions"));
    let scores = predictions.iter().find(|path| path.to_string_lossy().ends_with("scores.json")).unwrap();
    let scores: Value = serde_json::from_str(&fs::read_to_string(scores).unwrap()).unwrap();
    let mean = scores["by_meaning"]["corpus"]["Sentence-max"].as_f64().unwrap();
    assert!(scores["by_meaning"]["computed_with"]["clip"].as_str().unwrap().ends_with("+quick_gelu"));
    let captions = predictions.iter().find(|path| path.to_string_lossy().ends_with("jsonl")).unwrap();
    let lines = fs::read_to_string(captions).unwrap();
    let each = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["scores"]["Sentence-max"].clone());
    let each: Vec<f64> = each.map(|score| score.as_f64().unwrap()).collect();
    assert!((each.iter().sum::<f64>() / each.len() as f64 - mean).abs() < 1e-9);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    rsic::util::walk::entries(folder).unwrap()
}
