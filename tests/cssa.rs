//! CSSA on small made-up features: it learns, searches and remembers as it should.
#![allow(clippy::unwrap_used)]

use rsic::data::batch::{Batch, PackedCaptions};
use rsic::data::{END, START};
use rsic::decode::{BeamOptions, beam_search};
use rsic::models::ModelConfig;
use rsic::models::cssa::{Config, ContrastiveConfig, Geometry, Sentence};
use rsic::models::{Captioner, Inputs};
use rsic::train::Optimizer;
use rsic::train::OptimizerConfig;
use rsic::util::rng::Rng;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

const VOCABULARY: i64 = 20;
const IMAGES: usize = 8;

fn config() -> ModelConfig {
    ModelConfig::new(Config {
        width: 32,
        heads: 4,
        inner: 64,
        encoder_layers: 2,
        decoder_layers: 2,
        dropout: 0.0,
        ..Config::default()
    })
}

fn changed(change: impl FnOnce(&mut Config)) -> ModelConfig {
    let mut config = config().get::<Config>().unwrap().clone();
    change(&mut config);
    ModelConfig::new(config)
}

fn model(config: &ModelConfig, seed: i64) -> (VarStore, Box<dyn Captioner>) {
    // The generator is the process's: other tests must not draw between.
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = GENERATOR.lock().unwrap();
    tch::manual_seed(seed);
    let store = VarStore::new(Device::Cpu);
    let model = config.build(&store.root(), &Inputs { features: vec![12, 4], vocabulary: VOCABULARY, attributes: 0 });
    (store, model)
}

/// Grids of two encoders, of which the second has fewer cells.
fn features(images: usize) -> Vec<Tensor> {
    let mut rng = Rng::new(&[100]);
    let mut map = |shape: [i64; 3]| {
        let count = images * shape.iter().product::<i64>() as usize;
        let values: Vec<f32> = (0..count).map(|_| (rng.unit() * 3.4 - 1.7) as f32).collect();
        Tensor::from_slice(&values).view([&[images as i64], shape.as_slice()].concat().as_slice())
    };
    vec![map([12, 3, 3]), map([4, 2, 2])]
}

/// `<start> words <end>`, image `i` with `3 + i % 4` words.
fn captions() -> Vec<Vec<i64>> {
    let word = |i: usize, place: usize| 4 + ((7 * i + 5 * place + i * place) % 16) as i64;
    (0..IMAGES)
        .map(|i| [vec![START], (0..3 + i % 4).map(|place| word(i, place)).collect(), vec![END]].concat())
        .collect()
}

fn batch(captions: &[Vec<i64>], features: Vec<Tensor>) -> Batch {
    let ids: Vec<&[i64]> = captions.iter().map(Vec::as_slice).collect();
    let packed = PackedCaptions::new(&ids, Device::Cpu);
    let rows: Vec<i64> = packed.order.iter().map(|&i| i as i64).collect();
    Batch {
        captions: packed,
        image_rows: Tensor::from_slice(&rows),
        features,
        attributes: None,
        augmented: None,
        nouns: None,
    }
}

fn adam(store: &VarStore, lr: f64) -> Optimizer {
    let variables = store.variables().into_iter().collect();
    Optimizer::new(variables, &OptimizerConfig { lr, ..OptimizerConfig::default() }, &[]).unwrap()
}

fn overfit(store: &VarStore, model: &dyn Captioner, steps: usize) -> f64 {
    let mut adam = adam(store, 2e-3);
    let batch = batch(&captions(), features(IMAGES));
    let mut last = f64::NAN;
    for _ in 0..steps {
        let losses = model.losses(&batch, true);
        last = losses.total().double_value(&[]);
        adam.zero_grad();
        losses.backward(1.0);
        adam.step();
    }
    last
}

fn options(width: usize) -> BeamOptions {
    BeamOptions { width, max_length: 8, ..BeamOptions::default() }
}

fn best(model: &dyn Captioner, features: &[Tensor], width: usize) -> Vec<Vec<i64>> {
    beam_search(model, features, &options(width)).into_iter().map(|mut found| found.remove(0).tokens).collect()
}

#[test]
fn it_learns_eight_captions_by_heart_and_a_loaded_copy_says_them_too() {
    let (store, trained) = model(&config(), 1);
    let loss = overfit(&store, &*trained, 250);
    assert!(loss < 0.05, "the loss stays at {loss}");
    let expected: Vec<Vec<i64>> = captions().iter().map(|ids| ids[1..ids.len() - 1].to_vec()).collect();
    assert_eq!(best(&*trained, &features(IMAGES), 3), expected);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    store.save(&file).unwrap();
    let (mut other_store, other) = model(&config(), 2);
    other_store.load(&file).unwrap();
    let (one, two) =
        (beam_search(&*trained, &features(IMAGES), &options(3)), beam_search(&*other, &features(IMAGES), &options(3)));
    assert_eq!(one, two);
    // The map of the last words sums to one over the cells.
    let map = trained.attention(&features(1), &expected[0]).unwrap();
    assert_eq!(map.size(), [expected[0].len() as i64 + 1, 3, 3]);
    let sums = map.flatten(1, 2).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    assert!((sums - 1.0).abs().max().double_value(&[]) < 1e-5);
}

/// The next word by the training pass over the whole caption so far: no cache.
fn next_logits(model: &dyn Captioner, features: &[Tensor], words: &[i64]) -> Tensor {
    let one = [[START].as_slice(), words, &[END]].concat();
    // The loss at the last place tells the logits: its gradient is softmax - onehot. Simpler: score every word.
    let scores: Vec<f32> = (0..VOCABULARY)
        .map(|word| {
            let with = [&one[..one.len() - 1], &[word, END]].concat();
            let length = with.len() as f64 - 1.0;
            let whole = model.losses(&batch(&[with], features.iter().map(Tensor::shallow_clone).collect()), false);
            (-whole.total().double_value(&[]) * length) as f32
        })
        .collect();
    Tensor::from_slice(&scores)
}

#[test]
fn steps_with_a_cache_give_the_logits_of_the_training_pass_also_after_rows_have_moved() {
    for geometry in [Geometry::None, Geometry::Exp, Geometry::Cos] {
        let (_store, model) = model(&changed(|config| config.geometry = geometry), 3);
        let features = features(2);
        tch::no_grad(|| {
            let mut state = model.start(&features);
            let _ = model.step(&Tensor::from_slice(&[START, START]), &mut state);
            // Two rows of the second image, one of the first.
            state.reorder(&Tensor::from_slice(&[0i64, 1, 1]));
            let _ = model.step(&Tensor::from_slice(&[5i64, 6, 7]), &mut state);
            state.reorder(&Tensor::from_slice(&[2i64, 1]));
            let logits = model.step(&Tensor::from_slice(&[8i64, 9]), &mut state).log_softmax(-1, None);
            for (row, words) in [[7, 8], [6, 9]].iter().enumerate() {
                let second: Vec<Tensor> = features.iter().map(|map| map.narrow(0, 1, 1)).collect();
                let table = next_logits(&*model, &second, words);
                // Two words share what comes before; what comes after differs: take it away.
                for word in 4..8i64 {
                    let after = [words.as_slice(), &[word]].concat();
                    let mut replay = model.start(&second);
                    let mut tail = model.step(&Tensor::from_slice(&[START]), &mut replay);
                    let mut before = 0.0;
                    for (place, &fed) in after.iter().enumerate() {
                        if place < words.len() {
                            before += tail.log_softmax(-1, None).double_value(&[0, fed]);
                        }
                        tail = model.step(&Tensor::from_slice(&[fed]), &mut replay);
                    }
                    let end = tail.log_softmax(-1, None).double_value(&[0, END]);
                    let expected = table.double_value(&[word]) - end - before;
                    let found = logits.double_value(&[row as i64, word]);
                    assert!((found - expected).abs() < 1e-3, "{geometry:?}: {found}, not {expected}");
                }
            }
        });
    }
}

#[test]
fn a_beam_of_one_is_greedy_search_and_a_batch_is_its_images_one_by_one() {
    let (store, model) = model(&config(), 4);
    overfit(&store, &*model, 40);
    let features = features(IMAGES);
    let together = best(&*model, &features, 1);
    let wide = best(&*model, &features, 3);
    for (image, (caption, wide)) in together.iter().zip(&wide).enumerate() {
        let one: Vec<Tensor> = features.iter().map(|map| map.narrow(0, image as i64, 1)).collect();
        assert_eq!(best(&*model, &one, 3)[0], *wide);
        let mut words: Vec<i64> = Vec::new();
        tch::no_grad(|| {
            let mut state = model.start(&one);
            let mut last = START;
            while words.len() < 8 {
                let logits = model.step(&Tensor::from_slice(&[last]), &mut state);
                let logits = logits.index_fill(1, &Tensor::from_slice(&[0i64, START, 3]), f64::NEG_INFINITY);
                last = logits.argmax(1, false).int64_value(&[0]);
                if last == END {
                    break;
                }
                words.push(last);
            }
        });
        assert_eq!(words, *caption);
    }
}

/// A pair's own batch, both forms equal.
fn pairs() -> Batch {
    let again = Box::new(batch(&captions(), features(IMAGES)));
    Batch { augmented: Some(again), ..batch(&captions(), features(IMAGES)) }
}

#[test]
fn the_first_stage_learns_to_find_eight_images_by_their_captions() {
    for (sentence, projection) in [(Sentence::End, true), (Sentence::Mean, false)] {
        let contrastive = ContrastiveConfig { sentence, projection, ..ContrastiveConfig::default() };
        let (store, model) = model(&changed(|config| config.contrastive = contrastive), 5);
        let stage = model.first_stage().unwrap();
        let recall = || {
            let mut halves = [0..4, 4..IMAGES].into_iter().map(|range| {
                let captions = captions()[range.clone()].to_vec();
                let features = features(IMAGES).iter().map(|map| map.narrow(0, range.start as i64, 4)).collect();
                Ok(batch(&captions, features))
            });
            stage.scores(&mut halves).unwrap().get("R_mean").unwrap()
        };
        let before = recall();
        let mut adam = adam(&store, 1e-3);
        for _ in 0..80 {
            let losses = stage.losses(&pairs(), true);
            adam.zero_grad();
            losses.backward(1.0);
            adam.step();
        }
        assert!(before < 0.9 && recall() == 1.0, "recall went from {before} to {}", recall());
        let untouched = [
            "decoder.output.weight",
            "decoder.layers.0.multihead_attn.in_proj_weight",
            "decoder.layers.0.norm2.weight",
        ];
        let variables = store.variables();
        for name in untouched {
            assert!(!variables[name].grad().defined(), "{name} belongs to the second stage");
        }
        for name in ["decoder.embedding.weight", "decoder.layers.1.norm3.weight", "image_encoder.geometry.rate"] {
            assert!(variables[name].grad().defined(), "{name} is trained in the first stage");
        }
    }
}

#[test]
fn branches_of_no_weight_are_left_out_and_weights_scale_the_others() {
    let (first, _) = model(&config(), 6);
    let terms = |image_weight: f64, text_weight: f64| {
        let contrastive = ContrastiveConfig { image_weight, text_weight, ..ContrastiveConfig::default() };
        let (mut store, model) = model(&changed(|config| config.contrastive = contrastive), 6);
        store.copy(&first).unwrap();
        let losses = model.first_stage().unwrap().losses(&pairs(), false);
        losses.terms().iter().map(|(name, term)| (*name, term.double_value(&[]))).collect::<Vec<_>>()
    };
    let names = |terms: &[(&'static str, f64)]| terms.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(names(&terms(0.0, 0.0)), ["image_text"]);
    assert_eq!(names(&terms(0.0, 0.1)), ["image_text", "text_text"]);
    assert_eq!(names(&terms(0.4, 0.0)), ["image_text", "image_image"]);
    let (one, two) = (terms(0.4, 0.1), terms(0.8, 0.3));
    for ((first, second), scale) in one.iter().zip(&two).zip([1.0, 2.0, 3.0]) {
        assert!((first.1 * scale - second.1).abs() < 1e-5, "{}", first.0);
    }
}

#[test]
fn only_the_text_side_is_withheld_where_it_is_not_transferred() {
    for (transfer_text, expected) in [(true, [true, true]), (false, [true, false])] {
        let (_store, model) = model(&changed(|config| config.transfer_text = transfer_text), 7);
        let stage = model.first_stage().unwrap();
        let names = ["image_encoder.project.weight", "decoder.layers.0.self_attn.in_proj_weight"];
        assert_eq!(names.map(|name| stage.transfers(name)), expected);
    }
}
