//! CSSA's two stages and its search on random features, told what to time by `cssa_pytorch.py`, which times plain
//! PyTorch in between. Reads lines `stage1 STEPS`, `stage2 STEPS`, `beam IMAGES` and answers each with a rate: pairs,
//! captions, captions a second.
//! Usage: cargo bench --bench cssa -- CAPTIONS.json
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use rsic::data::batch::{Batch, PackedCaptions};
use rsic::decode::{BeamOptions, beam_search};
use rsic::models::cssa::Config;
use rsic::models::{Captioner, Inputs, Losses, ModelSettings};
use rsic::train::Optimizer;
use rsic::train::OptimizerConfig;
use rsic::util::rng::Rng;
use std::io::BufRead;
use std::time::Instant;
use tch::{Device, Kind, Tensor, nn};

struct Bench {
    model: Box<dyn Captioner>,
    optimizer: Optimizer,
    captions: Vec<Vec<i64>>,
    channels: i64,
    rng: Rng,
}

impl Bench {
    fn grid(&self, images: usize) -> Vec<Tensor> {
        vec![Tensor::randn([images as i64, self.channels, 7, 7], (Kind::Float, Device::Cpu))]
    }

    /// A batch of pairs, image `i` with caption `i`.
    fn pairs(&mut self, count: usize) -> Batch {
        let chosen: Vec<usize> = (0..count).map(|_| self.rng.below(self.captions.len())).collect();
        let captions =
            PackedCaptions::new(&chosen.iter().map(|&i| self.captions[i].as_slice()).collect::<Vec<_>>(), Device::Cpu);
        let rows: Vec<i64> = captions.order.iter().map(|&i| i as i64).collect();
        let image_rows = Tensor::from_slice(&rows);
        Batch { captions, image_rows, features: self.grid(count), attributes: None, augmented: None, nouns: None }
    }

    fn train(&mut self, batch: &Batch, losses: impl Fn(&dyn Captioner, &Batch) -> Losses) {
        let losses = losses(&*self.model, batch);
        assert!(losses.total().double_value(&[]).is_finite());
        self.optimizer.zero_grad();
        losses.backward(1.0);
        self.optimizer.step();
    }

    fn rate(&mut self, what: &str, count: usize) -> f64 {
        let start = Instant::now();
        match what {
            "stage1" => {
                for _ in 0..count {
                    let augmented = Some(Box::new(self.pairs(64)));
                    let batch = Batch { augmented, ..self.pairs(64) };
                    self.train(&batch, |model, batch| model.first_stage().unwrap().losses(batch, true));
                }
                (64 * count) as f64 / start.elapsed().as_secs_f64()
            }
            "stage2" => {
                for _ in 0..count {
                    let batch = self.pairs(10);
                    self.train(&batch, |model, batch| model.losses(batch, true));
                }
                (10 * count) as f64 / start.elapsed().as_secs_f64()
            }
            _ => {
                let features = self.grid(count);
                let options = BeamOptions { width: 3, max_length: 12, ..BeamOptions::default() };
                let start = Instant::now();
                for first in (0..count).step_by(64) {
                    let length = 64.min(count - first) as i64;
                    let part: Vec<Tensor> = features.iter().map(|map| map.narrow(0, first as i64, length)).collect();
                    assert_eq!(beam_search(&*self.model, &part, &options).len() as i64, length);
                }
                count as f64 / start.elapsed().as_secs_f64()
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let Some(path) = arguments.get(1) else { return };
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    rsic::runtime::keep_memory();
    rsic::runtime::set_threads(None).unwrap();
    rsic::runtime::seed(&[0]);
    let store = nn::VarStore::new(Device::Cpu);
    let channels = data["features"].as_i64().unwrap();
    let inputs = Inputs { features: vec![channels], vocabulary: data["vocabulary"].as_i64().unwrap(), attributes: 0 };
    let model = Config::default().build(&store.root(), &inputs);
    let variables = store.variables().into_iter().collect();
    let optimizer = Optimizer::new(variables, &OptimizerConfig::default(), &[]).unwrap();
    let captions = serde_json::from_value(data["captions"].clone()).unwrap();
    let mut bench = Bench { model, optimizer, captions, channels, rng: Rng::new(&[0]) };
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (what, count) = line.split_once(' ').unwrap();
        println!("{:.3}", bench.rate(what, count.parse().unwrap()));
    }
}
