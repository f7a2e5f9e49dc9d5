//! JTTS's speed on random features: training sequences/s, or captions/s of beam 3; the peer is run by `jtts.py`.
//! Usage: cargo bench --bench jtts -- train IDS.json SKIP STEPS
//!        cargo bench --bench jtts -- beam IDS.json
//! IDS.json: {"vocabulary": V, "attributes": A, "channels": C, "images": [[captions of ids with start and end], ...]}.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use rsic::data::batch::{Batch, PackedCaptions};
use rsic::decode::{BeamOptions, beam_search};
use rsic::models::jtts::{Config, Jtts};
use rsic::models::{Captioner, Inputs, Losses, State};
use rsic::train::Optimizer;
use rsic::train::{OptimizerConfig, OptimizerKind};
use rsic::util::rng::Rng;
use std::time::Instant;
use tch::{Device, Kind, Tensor, nn};

const IMAGES: usize = 10;
const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let [_, what, path, rest @ ..] = arguments.as_slice() else { return };
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let images: Vec<Vec<Vec<i64>>> = serde_json::from_value(data["images"].clone()).unwrap();
    let number = |key: &str| data[key].as_i64().unwrap();
    rsic::runtime::keep_memory();
    rsic::runtime::set_threads(None).unwrap();
    rsic::runtime::seed(&[0]);
    let inputs = Inputs {
        features: vec![number("channels")],
        vocabulary: number("vocabulary"),
        attributes: number("attributes"),
    };
    let store = nn::VarStore::new(Device::Cpu);
    let model = Jtts::new(&store.root(), &Config::default(), &inputs);
    match what.as_str() {
        "train" => train(&model, &store, &images, &inputs, rest[0].parse().unwrap(), rest[1].parse().unwrap()),
        _ => beam(&model, &inputs),
    }
}

/// Sequences/s of `steps` steps, after `skip` that are not counted.
fn train(model: &Jtts, store: &nn::VarStore, images: &[Vec<Vec<i64>>], inputs: &Inputs, skip: usize, steps: usize) {
    let bank = Tensor::randn([images.len() as i64, inputs.features[0], 7, 7], CPU).relu();
    let config = OptimizerConfig { kind: OptimizerKind::Radam, lr: 5e-4, ..OptimizerConfig::default() };
    let mut optimizer = Optimizer::new(store.variables().into_iter().collect(), &config, &[]).unwrap();
    let mut rng = Rng::new(&[0]);
    let mut start = Instant::now();
    for step in 0..skip + steps {
        if step == skip {
            start = Instant::now();
        }
        let chosen: Vec<usize> = (0..IMAGES).map(|_| rng.below(images.len())).collect();
        let captions: Vec<(i64, &[i64])> =
            (0..).zip(&chosen).flat_map(|(row, &i)| images[i].iter().map(move |c| (row, c.as_slice()))).collect();
        let packed = PackedCaptions::new(&captions.iter().map(|(_, c)| *c).collect::<Vec<_>>(), Device::Cpu);
        let rows: Vec<i64> = packed.order.iter().map(|&i| captions[i].0).collect();
        let places: Vec<i64> = chosen.iter().map(|&i| i as i64).collect();
        let batch = Batch {
            captions: packed,
            image_rows: Tensor::from_slice(&rows),
            features: vec![bank.index_select(0, &Tensor::from_slice(&places))],
            attributes: Some(Tensor::rand([IMAGES as i64, inputs.attributes], CPU).lt(0.1).to_kind(Kind::Float)),
            augmented: None,
            nouns: None,
        };
        let losses = Captioner::losses(model, &batch, true);
        let loss = losses.total().double_value(&[]);
        assert!(loss.is_finite());
        optimizer.zero_grad();
        losses.backward(1.0);
        optimizer.step();
    }
    println!("{:.2}", (steps * IMAGES * 5) as f64 / start.elapsed().as_secs_f64());
}

/// The model without a state between steps: every step says the whole beginning of the caption anew.
struct Replayed<'a>(&'a Jtts);

impl Captioner for Replayed<'_> {
    fn losses(&self, batch: &Batch, train: bool) -> Losses {
        Captioner::losses(self.0, batch, train)
    }
    fn start(&self, features: &[Tensor]) -> State {
        let images = features[0].size()[0];
        State::new(vec![features[0].shallow_clone(), Tensor::zeros([images, 0], (Kind::Int64, Device::Cpu))])
    }
    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        let [features, so_far] = state.tensors.as_slice() else { unreachable!() };
        let so_far = Tensor::cat(&[so_far, &tokens.unsqueeze(1)], 1);
        let mut own = self.0.start(&[features.shallow_clone()]);
        let mut logits = Tensor::new();
        for time in 0..so_far.size()[1] {
            logits = self.0.step(&so_far.select(1, time), &mut own);
        }
        state.tensors[1] = so_far;
        logits
    }
}

/// Captions/s of 210 images in batches of 64, and one by one without a state on the first few of them, and the ratio;
/// both of 12 words, about what captions of UCM have.
fn beam(model: &Jtts, inputs: &Inputs) {
    let features = Tensor::randn([210, inputs.features[0], 7, 7], CPU).relu();
    let options = BeamOptions { width: 3, max_length: 12, ..BeamOptions::default() };
    let ours = || {
        let start = Instant::now();
        let batches = [(0, 64), (64, 64), (128, 64), (192, 18)];
        let found = batches.map(|(at, rows)| beam_search(model, &[features.narrow(0, at, rows)], &options));
        (210.0 / start.elapsed().as_secs_f64(), found[0][..FEW].to_vec())
    };
    let plain = || {
        let start = Instant::now();
        let found = (0..FEW as i64).flat_map(|i| beam_search(&Replayed(model), &[features.narrow(0, i, 1)], &options));
        let found: Vec<_> = found.collect();
        (FEW as f64 / start.elapsed().as_secs_f64(), found)
    };
    const FEW: usize = 6;
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let ((fast, captions), (slow, same)) = (ours(), plain());
        let words = |all: &[Vec<rsic::decode::Hypothesis>]| all.iter().map(|h| h[0].tokens.clone()).collect::<Vec<_>>();
        let equal = words(&captions) == words(&same);
        println!("{fast:.1} captions/s; one by one without a state {slow:.3}; ratio {:.1}; equal {equal}", fast / slow);
        ratios.push(fast / slow);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.1}", ratios[1]);
}
