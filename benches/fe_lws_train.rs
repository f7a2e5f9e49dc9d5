//! Captions/s of FE-LWS LWS-3 training on random features; the peer is `fe_lws_pytorch.py` (same input, same output).
//! Usage: cargo bench --bench fe_lws_train -- CAPTIONS.json [repetitions] [steps]
#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use rsic::data::batch::{Batch, PackedCaptions};
use rsic::models::fe_lws::{Config, FeLws};
use rsic::models::{Captioner, Inputs};
use rsic::train::Optimizer;
use rsic::train::OptimizerConfig;
use rsic::util::rng::Rng;
use tch::{Device, Kind, Tensor, nn};

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let Some(path) = arguments.get(1) else { return };
    let number = |i: usize, default: usize| arguments.get(i).map_or(default, |a| a.parse().unwrap());
    let (repetitions, steps) = (number(2, 5), number(3, 20));
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let captions: Vec<Vec<i64>> = serde_json::from_value(data["captions"].clone()).unwrap();
    rsic::runtime::keep_memory();
    rsic::runtime::set_threads(None).unwrap();
    rsic::runtime::seed(&[0]);
    let features =
        Tensor::randn([captions.len() as i64, data["features"].as_i64().unwrap()], (Kind::Float, Device::Cpu));
    let store = nn::VarStore::new(Device::Cpu);
    let inputs =
        Inputs { features: vec![features.size()[1]], vocabulary: data["vocabulary"].as_i64().unwrap(), attributes: 0 };
    let model = FeLws::new(&store.root(), &Config::default(), &inputs);
    let variables = store.variables().into_iter().collect();
    let mut adam = Optimizer::new(variables, &OptimizerConfig::default(), &[]).unwrap();
    let mut rng = Rng::new(&[0]);
    let mut step = || {
        let chosen: Vec<usize> = (0..64).map(|_| rng.below(captions.len())).collect();
        let packed =
            PackedCaptions::new(&chosen.iter().map(|&i| captions[i].as_slice()).collect::<Vec<_>>(), Device::Cpu);
        let rows: Vec<i64> = packed.order.iter().map(|&i| chosen[i] as i64).collect();
        let batch = Batch {
            attributes: None,
            augmented: None,
            features: vec![features.index_select(0, &Tensor::from_slice(&rows))],
            image_rows: Tensor::arange(rows.len() as i64, (Kind::Int64, Device::Cpu)),
            captions: packed,
            nouns: None,
        };
        let losses = model.losses(&batch, true);
        let loss = losses.total();
        adam.zero_grad();
        losses.backward(1.0);
        adam.step();
        loss.double_value(&[])
    };
    (0..3).for_each(|_| _ = step());
    for _ in 0..repetitions {
        let start = std::time::Instant::now();
        let mut loss = 0.0;
        (0..steps).for_each(|_| loss = step());
        println!("{:.1}", 64.0 * steps as f64 / start.elapsed().as_secs_f64());
        eprintln!("loss {loss:.3}");
    }
}
