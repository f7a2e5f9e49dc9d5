//! JTTS against the same model written plainly in PyTorch: losses, logits and every gradient.
#![allow(clippy::unwrap_used, clippy::iter_over_hash_type)] // each parameter is on its own

use rsic::data::batch::{Batch, PackedCaptions};
use rsic::models::jtts::{Config, Jtts};
use rsic::models::{Captioner, Inputs};
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};

fn tensor(values: &Value, shape: &[i64]) -> Tensor {
    let values: Vec<f32> = serde_json::from_value(values.clone()).unwrap();
    Tensor::from_slice(&values).view(shape)
}

fn near(ours: &Tensor, theirs: &Tensor, what: &str) {
    let difference = (ours - theirs).abs().max().double_value(&[]);
    assert!(difference < 1e-5, "{what} differs by {difference}");
}

#[test]
fn losses_logits_and_gradients_equal_pytorchs() {
    let golden: Value = serde_json::from_str(include_str!("golden/jtts.json")).unwrap();
    let config = Config {
        hidden: 4,
        embedding: 3,
        attribute_embedding: 2,
        attention: 5,
        classifier: [4, 3],
        dropout: 0.5, // off in evaluation
        ..Config::default()
    };
    let store = nn::VarStore::new(Device::Cpu);
    let inputs = Inputs { features: vec![6], vocabulary: 9, attributes: 3 };
    let model = Jtts::new(&store.root(), &config, &inputs);
    let weights = golden["weights"].as_object().unwrap();
    assert_eq!(store.variables().len(), weights.len());
    let of = |name: &str, what: &str| {
        let shape: Vec<i64> = serde_json::from_value(weights[name]["shape"].clone()).unwrap();
        tensor(&weights[name][what], &shape)
    };
    for (name, mut variable) in store.variables() {
        tch::no_grad(|| variable.copy_(&of(&name, "values")));
    }
    let captions: Vec<Vec<i64>> = serde_json::from_value(golden["captions"].clone()).unwrap();
    let images: Vec<i64> = serde_json::from_value(golden["images"].clone()).unwrap();
    let packed = PackedCaptions::new(&captions.iter().map(Vec::as_slice).collect::<Vec<_>>(), Device::Cpu);
    let rows: Vec<i64> = packed.order.iter().map(|&i| images[i]).collect();
    let targets: Vec<Vec<f32>> = serde_json::from_value(golden["targets"].clone()).unwrap();
    let batch = Batch {
        captions: packed,
        image_rows: Tensor::from_slice(&rows),
        features: vec![tensor(&golden["maps"], &[2, 6, 2, 2])],
        attributes: Some(Tensor::from_slice2(&targets)),
        augmented: None,
        nouns: None,
    };
    let losses = model.losses(&batch, false);
    for (name, term) in &losses.terms() {
        let expected = golden["losses"][*name].as_f64().unwrap();
        assert!((term.double_value(&[]) - expected).abs() < 1e-6, "{name}: {term:?}, PyTorch {expected}");
    }
    losses.backward(1.0);
    for (name, variable) in store.variables() {
        near(&variable.grad(), &of(&name, "gradient"), &name);
    }
    // The same through single steps, caption by caption.
    let mut expected = golden["logits"].as_array().unwrap().iter();
    for (caption, image) in captions.iter().zip(images) {
        let mut state = model.start(&[batch.features[0].narrow(0, image, 1)]);
        for token in &caption[..caption.len() - 1] {
            let logits = tch::no_grad(|| model.step(&Tensor::from_slice(&[*token]), &mut state));
            near(&logits, &tensor(expected.next().unwrap(), &[1, 9]).to_kind(Kind::Float), "a step's logits");
        }
    }
    assert!(expected.next().is_none());
}
