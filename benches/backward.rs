//! What the backward passes of rsic's own are worth: training steps with them and with LibTorch's graph in their place,
//! in turns, on random features and captions of 8 to 16 words. Prints the median seconds of both, and of the ratios of
//! the pairs the median and the quartiles.
//! Usage: cargo bench --bench backward -- fe_lws|jtts PAIRS
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use rsic::data::batch::{Batch, PackedCaptions};
use rsic::models::losses::Backward;
use rsic::models::{Inputs, Losses, fe_lws, jtts};
use rsic::train::{Optimizer, OptimizerConfig, OptimizerKind};
use rsic::util::rng::Rng;
use std::time::Instant;
use tch::{Device, Kind, Tensor, nn};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);
/// About UCM-Captions'.
const VOCABULARY: i64 = 300;
const ATTRIBUTES: i64 = 72;

/// Captions of as many images, a number each.
fn batch(rng: &mut Rng, images: i64, each: i64, features: &[i64]) -> Batch {
    let mut caption = || -> Vec<i64> {
        let words = rng.range(8, 16);
        std::iter::once(1).chain((0..words).map(|_| rng.range(4, VOCABULARY - 1))).chain([2]).collect()
    };
    let captions: Vec<Vec<i64>> = (0..images * each).map(|_| caption()).collect();
    let captions = PackedCaptions::new(&captions.iter().map(Vec::as_slice).collect::<Vec<_>>(), Device::Cpu);
    let rows: Vec<i64> = captions.order.iter().map(|&i| i as i64 / each).collect();
    Batch {
        captions,
        image_rows: Tensor::from_slice(&rows),
        features: vec![Tensor::randn([&[images], features].concat(), CPU).relu()],
        attributes: Some(Tensor::rand([images, ATTRIBUTES], CPU).lt(0.1).to_kind(Kind::Float)),
        augmented: None,
        nouns: None,
    }
}

/// The value at a fraction of the way through the sorted ones.
fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * fraction).round() as usize]
}

fn compare(
    pairs: usize,
    optimizer: &mut Optimizer,
    mut batch: impl FnMut() -> Batch,
    losses: impl Fn(Backward, &Batch) -> Losses,
) {
    let mut step = |backward: Backward, batch: &Batch| {
        let start = Instant::now();
        let losses = losses(backward, batch);
        assert!(losses.total().double_value(&[]).is_finite());
        optimizer.zero_grad();
        losses.backward(1.0);
        optimizer.step();
        start.elapsed().as_secs_f64()
    };
    let [mut own, mut graph, mut ratios] = [const { Vec::new() }; 3];
    for pair in 0..=pairs {
        let batch = batch();
        // By turns first: what runs second finds the batch in the caches.
        let order = [Backward::Own, Backward::LibTorch];
        let [first, second] = if pair % 2 == 0 { order } else { [order[1], order[0]] };
        let times = [step(first, &batch), step(second, &batch)];
        let [ours, theirs] = if pair % 2 == 0 { times } else { [times[1], times[0]] };
        // The first pair allocates.
        if pair > 0 {
            own.push(ours);
            graph.push(theirs);
            ratios.push(theirs / ours);
        }
    }
    let [own, graph] = [own, graph].map(|mut seconds| quantile(&mut seconds, 0.5));
    let [low, median, high] = [0.25, 0.5, 0.75].map(|fraction| quantile(&mut ratios, fraction));
    println!(
        "own {own:.4} s, LibTorch's {graph:.4} s a step; ratio {median:.2} ({low:.2} to {high:.2}), {pairs} pairs"
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let [_, model, pairs] = arguments.as_slice() else { return };
    let pairs = pairs.parse().unwrap();
    rsic::runtime::keep_memory();
    rsic::runtime::set_threads(None).unwrap();
    rsic::runtime::seed(&[0]);
    let store = nn::VarStore::new(Device::Cpu);
    let mut rng = Rng::new(&[0]);
    let inputs = Inputs { features: vec![2048], vocabulary: VOCABULARY, attributes: ATTRIBUTES };
    let optimizer = |kind| {
        let config = OptimizerConfig { kind, ..OptimizerConfig::default() };
        Optimizer::new(store.variables().into_iter().collect(), &config, &[]).unwrap()
    };
    if model == "fe_lws" {
        let model = fe_lws::FeLws::new(&store.root(), &fe_lws::Config::default(), &inputs);
        let losses = |backward, batch: &Batch| model.losses_by(backward, batch, true);
        compare(pairs, &mut optimizer(OptimizerKind::Adam), || batch(&mut rng, 64, 1, &[2048]), losses);
    } else {
        let model = jtts::Jtts::new(&store.root(), &jtts::Config::default(), &inputs);
        let losses = |backward, batch: &Batch| model.losses_by(backward, batch, true);
        compare(pairs, &mut optimizer(OptimizerKind::Radam), || batch(&mut rng, 10, 5, &[2048, 7, 7]), losses);
    }
}
