//! The `author_code` preset against the published program, and `paper` against its equations written down in numpy:
//! `tests/golden/s2cpnet.py` and `s2cpnet_paper.py` tell how their numbers were made.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use rsic::data::batch::{Batch, NounBatch, PackedCaptions};
use rsic::models::s2cpnet::{Config, Preset, S2cpNet, Stages};
use rsic::models::{Captioner, Inputs};
use rsic::weights::{random_values, randomise};
use serde_json::Value;
use std::sync::OnceLock;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// Relative difference that is allowed.
const TOLERANCE: f64 = 1e-4;

fn golden() -> &'static Value {
    static GOLDEN: OnceLock<Value> = OnceLock::new();
    GOLDEN.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/s2cpnet.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    })
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Shape, norm, mean and samples of a tensor are those of the program: `|ours - theirs| / |theirs|` over the samples,
/// and of the norms, within the tolerance.
fn agrees(name: &str, found: &Tensor, expected: &Value) {
    let shape: Vec<i64> = numbers(&expected["shape"]).iter().map(|&side| side as i64).collect();
    assert_eq!(found.size(), shape, "{name}");
    let flat = found.detach().to_kind(Kind::Double).contiguous().view(-1);
    let (norm, stride) = (expected["norm"].as_f64().unwrap(), expected["stride"].as_i64().unwrap());
    let samples = Tensor::from_slice(&numbers(&expected["samples"]));
    let ours = flat.slice(0, 0, flat.numel() as i64, stride);
    let scale = samples.norm().double_value(&[]).max(norm / (flat.numel() as f64).sqrt()).max(1e-12);
    let of_samples = (&ours - &samples).norm().double_value(&[]) / scale;
    let of_norm = (flat.norm().double_value(&[]) - norm).abs() / norm.max(1e-12);
    println!("{name}: samples differ by {of_samples:.1e}, the norm by {of_norm:.1e}");
    assert!(of_samples <= TOLERANCE, "{name}: samples differ by {of_samples:e}");
    assert!(of_norm <= TOLERANCE, "{name}: the norm differs by {of_norm:e}");
    let mean = expected["mean"].as_f64().unwrap();
    let root = norm / (flat.numel() as f64).sqrt();
    assert!((flat.mean(Kind::Double).double_value(&[]) - mean).abs() <= TOLERANCE * root, "{name}: the mean differs");
}

/// The program's features: half of the values are zero.
fn features(name: &str, side: i64) -> Tensor {
    let shape = [golden()["batch"].as_i64().unwrap(), 2048, side, side];
    Tensor::from_slice(&random_values(name, shape.iter().product::<i64>() as usize)).view(shape).relu()
}

fn sequences(name: &str) -> Vec<Vec<i64>> {
    let all = golden()[name].as_array().unwrap();
    all.iter().map(|row| numbers(row).iter().map(|&id| id as i64).collect()).collect()
}

fn packed(name: &str) -> (PackedCaptions, Tensor) {
    let rows = sequences(name);
    let packed = PackedCaptions::new(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), Device::Cpu);
    let image_rows: Vec<i64> = packed.order.iter().map(|&row| row as i64).collect();
    (packed, Tensor::from_slice(&image_rows))
}

fn batch(features: Vec<Tensor>) -> Batch {
    let (captions, image_rows) = packed("captions");
    let (words, noun_rows) = packed("nouns");
    Batch {
        captions,
        image_rows,
        features,
        attributes: None,
        augmented: None,
        nouns: Some(NounBatch { words, image_rows: noun_rows }),
    }
}

fn model() -> (VarStore, S2cpNet) {
    let store = VarStore::new(Device::Cpu);
    let config = Config {
        preset: Preset::AuthorCode,
        freeze_enhancement: Some(false), // the program has their gradients, though it never uses them
        dropout: 0.0,
        word_dropout: 0.0,
        ..Config::default()
    };
    let inputs = Inputs { features: vec![2048], vocabulary: golden()["vocabulary"].as_i64().unwrap(), attributes: 0 };
    let model = S2cpNet::new(&store.root(), &config, &inputs);
    randomise(&store);
    (store, model)
}

/// `[I, P, D]` as the program lays it out, `[P, I, D]`.
fn places_first(xs: &Tensor) -> Tensor {
    xs.transpose(0, 1)
}

/// `[I, P, C]` as a grid, `[I, C, H, W]`.
fn grid(xs: &Tensor) -> Tensor {
    xs.transpose(1, 2).view([xs.size()[0], xs.size()[2], 14, 14])
}

/// Values of a packed batch in the order of the captions, one after the other.
fn by_caption(packed: &PackedCaptions, values: &Tensor) -> Tensor {
    let padded = packed.pad(values);
    let lengths = packed.mask().sum_dim_intlist([1i64].as_slice(), false, Kind::Int64);
    let rows: Vec<Tensor> = (0..packed.order.len())
        .map(|caption| packed.order.iter().position(|&row| row == caption).unwrap() as i64)
        .map(|row| padded.get(row).narrow(0, 0, lengths.int64_value(&[row])))
        .collect();
    Tensor::cat(&rows, 0)
}

#[test]
fn every_stage_and_several_gradients_are_those_of_the_published_program() {
    let (mut store, model) = model();
    let stages = &golden()["stages"];
    let (image, mask) = (features("image", 7), features("mask", 7));

    tch::no_grad(|| {
        agrees("semantic", &grid(&model.encoder.enhanced(&image, 0)), &stages["semantic"]);
        agrees("spatial", &grid(&model.encoder.enhanced(&mask, 1)), &stages["spatial"]);
        agrees("semantic8", &grid(&model.encoder.enhanced(&features("image8", 8), 0)), &stages["semantic8"]);
        agrees("spatial8", &grid(&model.encoder.enhanced(&features("mask8", 8), 1)), &stages["spatial8"]);

        let both = [image.shallow_clone(), mask.shallow_clone()];
        let mut found = Stages::default();
        let _ = model.encoder.stages(&both, false, Some(&mut found));
        for (at, (views, aggregated)) in found.units.iter().zip(&found.aggregations).enumerate() {
            agrees(&format!("unit{at}.0"), &places_first(&views.0), &stages[format!("unit{at}.0")]);
            agrees(&format!("unit{at}.1"), &places_first(&views.1), &stages[format!("unit{at}.1")]);
            let name = format!("aggregation{at}");
            agrees(&name, &places_first(aggregated), &stages[&name]);
        }
        assert_eq!(found.units.len(), 3);

        let batch = batch(both.into());
        let (words, nouns) = model.logits(&batch, false);
        agrees("logits", &by_caption(&batch.captions, &words), &stages["logits"]);
        agrees(
            "noun_logits",
            &by_caption(&batch.nouns.as_ref().unwrap().words, &nouns.unwrap()),
            &stages["noun_logits"],
        );
        losses_agree(&model.losses(&batch, false).terms(), &golden()["losses"]);
    });

    // Training mode: batch normalisation by the batch. In double precision, as the program's numbers.
    let out = model.encoder.enhanced(&features("mask8", 8), 1);
    out.square().mean(Kind::Float).backward();
    let mut alpha = store.variables()["spatial_enhance.alpha"].grad();
    agrees("alpha8", &alpha, &golden()["gradients"]["alpha8"]);
    tch::no_grad(|| store.variables().into_values().for_each(|mut variable| variable.zero_grad()));
    let _ = alpha.zero_();
    store.double();
    let double = |xs: &Tensor| xs.to_kind(Kind::Double).set_requires_grad(true);
    let (image, mask) = (double(&image), double(&mask));
    let losses = model.losses(&batch(vec![image.shallow_clone(), mask.shallow_clone()]), true);
    losses_agree(&losses.terms(), &golden()["training_losses"]);
    losses.backward(1.0);
    let variables = store.variables();
    let mut compared = 0;
    for (name, expected) in golden()["gradients"].as_object().unwrap() {
        let gradient = match name.as_str() {
            "image" => image.grad(),
            "mask" => mask.grad(),
            "alpha8" => continue,
            _ => variables[name].grad(),
        };
        if expected["norm"].as_f64() == Some(0.0) {
            assert!(gradient.norm().double_value(&[]) < 1e-6, "{name}");
            continue;
        }
        agrees(name, &gradient, expected);
        compared += 1;
    }
    assert!(compared >= 25);
    agrees("running_mean", &variables["encoder_feat.resblock.1.left.1.running_mean"], &golden()["running_mean"]);
}

#[test]
fn the_preset_paper_computes_the_equations_of_the_text() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/s2cpnet_paper.json");
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let store = VarStore::new(Device::Cpu);
    let config = Config { width: 16, heads: 2, grid: 4, dropout: 0.0, word_dropout: 0.0, ..Config::default() };
    let inputs = Inputs { features: vec![64], vocabulary: golden()["vocabulary"].as_i64().unwrap(), attributes: 0 };
    let model = S2cpNet::new(&store.root(), &config, &inputs);
    randomise(&store);
    let features = |name: &str| Tensor::from_slice(&random_values(name, 2 * 64 * 16)).view([2, 64, 4, 4]).relu();
    let batch = batch(vec![features("image"), features("mask")]);
    tch::no_grad(|| {
        agrees("memory", &model.encoder.stages(&batch.features, false, None), &expected["memory"]);
        let (words, nouns) = model.logits(&batch, false);
        agrees("logits", &by_caption(&batch.captions, &words), &expected["logits"]);
        let nouns = by_caption(&batch.nouns.as_ref().unwrap().words, &nouns.unwrap());
        agrees("noun_logits", &nouns, &expected["noun_logits"]);
        losses_agree(&model.losses(&batch, false).terms(), &expected["losses"]);
    });
}

fn losses_agree(found: &[(&'static str, Tensor)], expected: &Value) {
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len());
    for ((name, found), expected) in found.iter().zip(expected) {
        let found = found.double_value(&[]);
        assert!((found - expected).abs() <= TOLERANCE * expected, "{name}: {found}, not {expected}");
    }
}

/// A search word by word, with its cache, gives the logits of the whole caption at once, also where beams move.
#[test]
fn word_by_word_equals_the_caption_at_once() {
    let (_store, model) = model();
    tch::no_grad(|| {
        let features = [features("image", 7), features("mask", 7)];
        let batch = batch(features.iter().map(Tensor::shallow_clone).collect());
        let (words, _) = model.logits(&batch, false);
        let words = batch.captions.pad(&words);
        let caption = &sequences("captions")[0];
        let mut state = model.start(&features);
        state.reorder(&Tensor::from_slice(&[1i64, 0, 0])); // the second image, and the first twice
        for (time, &word) in caption[..caption.len() - 1].iter().enumerate() {
            let logits = model.step(&Tensor::from_slice(&[word, word, word]), &mut state);
            let expected = words.get(0).get(time as i64);
            for row in [1, 2] {
                let difference = (logits.get(row) - &expected).abs().max().double_value(&[]);
                assert!(difference < 1e-3, "word {time}: {difference}");
            }
        }
    });
}
