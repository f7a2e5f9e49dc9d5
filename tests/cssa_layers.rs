//! Transformer layers against PyTorch's (`tests/golden/attention.py`), and what must hold whatever the numbers.
#![allow(clippy::unwrap_used)]

use rsic::models::layers::attention::{attention, probabilities};
use rsic::models::layers::transformer::{DecoderLayer, EncoderLayer, Sizes};
use rsic::models::layers::{ImageRows, Mask, PackedLayout};
use serde_json::Value;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

fn golden(layer: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/attention.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[layer].clone()
}

fn tensor(entry: &Value) -> Tensor {
    let numbers = |key: &str| entry[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
    let shape: Vec<i64> = numbers("shape").iter().map(|&side| side as i64).collect();
    Tensor::from_slice(&numbers("values")).to_kind(Kind::Float).view(shape.as_slice())
}

const SIZES: Sizes = Sizes { width: 8, heads: 2, inner: 12, dropout: 0.0 };

/// Fills a store by name; every name must be there, and no other.
fn fill(store: &VarStore, golden: &Value) {
    let parameters = golden["parameters"].as_object().unwrap();
    let mut variables = store.variables();
    assert_eq!(variables.len(), parameters.len());
    for (name, value) in parameters {
        tch::no_grad(|| variables.get_mut(name).unwrap().copy_(&tensor(value)));
    }
}

fn close(found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size());
    let difference = (found - expected).abs().max().double_value(&[]);
    assert!(difference < tolerance, "differs by {difference}");
}

/// Packs `[B, T, D]` of equal lengths: time first.
fn packed(xs: &Tensor) -> (Tensor, PackedLayout) {
    let size = xs.size();
    let layout = PackedLayout::new(&vec![size[0]; size[1] as usize], Device::Cpu);
    (layout.pack(xs), layout)
}

#[test]
fn the_encoder_layer_with_a_bias_equals_pytorchs_also_in_gradients() {
    let golden = golden("encoder");
    let store = VarStore::new(Device::Cpu);
    let layer = EncoderLayer::new(&store.root(), SIZES);
    fill(&store, &golden);
    let xs = tensor(&golden["xs"]).set_requires_grad(true);
    let bias = tensor(&golden["bias"]).set_requires_grad(true);
    let out = layer.forward(&xs, Mask::Bias(&bias), true);
    close(&out, &tensor(&golden["out"]), 1e-5);
    (&out * tensor(&golden["weights"])).sum(Kind::Float).backward();
    close(&xs.grad(), &tensor(&golden["d_xs"]), 1e-4);
    close(&bias.grad(), &tensor(&golden["d_bias"]), 1e-4);
    let variables = store.variables();
    close(&variables["self_attn.in_proj_weight"].grad(), &tensor(&golden["d_in_proj_weight"]), 1e-4);
    close(&variables["linear1.weight"].grad(), &tensor(&golden["d_linear1"]), 1e-4);
    // The fused kernel, which serves where nothing learns.
    let fused = tch::no_grad(|| layer.forward(&xs, Mask::Bias(&bias.detach()), false));
    close(&fused, &tensor(&golden["out"]), 1e-5);
}

#[test]
fn the_decoder_layer_equals_pytorchs_packed_and_word_by_word() {
    let golden = golden("decoder");
    let store = VarStore::new(Device::Cpu);
    let layer = DecoderLayer::new(&store.root(), SIZES);
    fill(&store, &golden);
    let (xs, memory, expected) = (tensor(&golden["xs"]), tensor(&golden["memory"]), tensor(&golden["out"]));
    let memory = layer.memory(&memory);
    let (packed, layout) = packed(&xs);
    close(&layout.pad(&layer.packed(&packed, &layout, Some(&memory), true)), &expected, 1e-5);
    let images = ImageRows::new(&Tensor::from_slice(&[0i64, 1]), 2);
    let mut words = None;
    for time in 0..4 {
        let out = layer.step(&xs.select(1, time), &mut words, &memory, &images);
        close(&out, &expected.select(1, time), 1e-5);
    }
}

/// Random layer, memory of three images, and rows of which the second image has none.
#[test]
fn the_cache_changes_nothing_when_images_have_unequal_numbers_of_rows() {
    tch::manual_seed(5);
    let store = VarStore::new(Device::Cpu);
    let layer = DecoderLayer::new(&store.root(), SIZES);
    let memory = layer.memory(&Tensor::randn([3, 6, 8], (Kind::Float, Device::Cpu)));
    let xs = Tensor::randn([4, 5, 8], (Kind::Float, Device::Cpu));
    let rows = Tensor::from_slice(&[0i64, 0, 0, 2]);
    let (packed, layout) = packed(&xs);
    let expected = layout.pad(&layer.packed(&packed, &layout, Some(&memory.select(&rows)), false));
    let images = ImageRows::new(&rows, 3);
    let mut words = None;
    for time in 0..5 {
        close(&layer.step(&xs.select(1, time), &mut words, &memory, &images), &expected.select(1, time), 1e-5);
    }
    let (looks, out) = layer.looks(&xs.narrow(0, 3, 1), &memory.select(&Tensor::from_slice(&[2i64])));
    close(&out.squeeze_dim(0), &expected.get(3), 1e-5);
    close(
        &looks.sum_dim_intlist([1i64].as_slice(), false, Kind::Float),
        &Tensor::ones([5], (Kind::Float, Device::Cpu)),
        1e-5,
    );
}

#[test]
fn a_word_never_sees_those_after_it_nor_another_caption() {
    tch::manual_seed(6);
    let store = VarStore::new(Device::Cpu);
    let layer = DecoderLayer::new(&store.root(), SIZES);
    let layout = PackedLayout::new(&[3, 3, 2, 1], Device::Cpu);
    let xs = Tensor::randn([9, 8], (Kind::Float, Device::Cpu));
    let out = layer.packed(&xs, &layout, None, false);
    // Token 7 is row 1 at time 2: its last.
    let changed = layer.packed(
        &xs.index_add(0, &Tensor::from_slice(&[7i64]), &Tensor::ones([1, 8], (Kind::Float, Device::Cpu))),
        &layout,
        None,
        false,
    );
    let moved = (&out - &changed).abs().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    let moved: Vec<f32> = Vec::try_from(moved).unwrap();
    for (token, moved) in moved.iter().enumerate() {
        assert_eq!(*moved > 1e-4, token == 7, "token {token} moved by {moved}");
    }
}

#[test]
fn masked_keys_get_no_weight_and_all_paths_agree() {
    tch::manual_seed(7);
    let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    let (q, k, v) = (random(&[2, 2, 4, 3]), random(&[2, 2, 4, 3]), random(&[2, 2, 4, 3]));
    let bias = Tensor::zeros([1, 1, 4, 4], (Kind::Float, Device::Cpu));
    let bias = bias.index_fill(3, &Tensor::from_slice(&[2i64]), f64::NEG_INFINITY);
    let weights = probabilities(&q, &k, Mask::Bias(&bias));
    assert_eq!(weights.select(3, 2).abs().max().double_value(&[]), 0.0);
    close(&attention(&q, &k, &v, Mask::Bias(&bias), 0.0), &weights.matmul(&v), 1e-5);
    let causal = probabilities(&q, &k, Mask::Causal);
    assert_eq!(causal.triu(1).abs().max().double_value(&[]), 0.0);
    close(&attention(&q, &k, &v, Mask::Causal, 0.0), &causal.matmul(&v), 1e-5);
    close(&attention(&q, &k, &v, Mask::None, 0.0), &probabilities(&q, &k, Mask::None).matmul(&v), 1e-5);
    // Dropout keeps the mean.
    tch::manual_seed(8);
    let draws: Vec<Tensor> = (0..400).map(|_| attention(&q, &k, &v, Mask::Causal, 0.3)).collect();
    let mean = Tensor::stack(&draws, 0).mean_dim([0i64].as_slice(), false, Kind::Float);
    close(&mean, &causal.matmul(&v), 0.25);
}
