//! S2CPNet under the `author_code` preset on random pictures: seconds a training step of 8, and images captioned a
//! second with a beam of 3, at sizes and lengths of `s2cpnet_published.py`, its peer, which is run in between where it
//! is given. Usage: cargo bench --bench s2cpnet -- [steps] [images] [PYTHON PROGRAM_FOLDER]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use rsic::data::batch::{Batch, NounBatch, PackedCaptions};
use rsic::decode::{BeamOptions, beam_search};
use rsic::models::{Captioner, Inputs, Start, assemble};
use rsic::train::Optimizer;
use rsic::util::rng::Rng;
use std::time::Instant;
use tch::{Device, Kind, Tensor, nn};

const EXPERIMENT: &str = "name: bench
data: {root: none, vocabulary: {max_length: 25}}
encoders: [{name: resnet50, weights: random, tune: {stages: [layer2, layer3, layer4], norms: train}}]
model: {s2cpnet: {preset: PRESET}}
";
const VOCABULARY: i64 = 400;

/// Random pictures of images and masks, bytes.
fn pictures(count: usize) -> Vec<Tensor> {
    let picture = || Tensor::randint(256, [count as i64, 224, 224, 3], (Kind::Uint8, Device::Cpu));
    vec![picture(), picture()]
}

fn sequences(rng: &mut Rng, count: usize, words: usize) -> PackedCaptions {
    let mut sequence = || -> Vec<i64> {
        let word = |rng: &mut Rng| rng.range(4, VOCABULARY - 1);
        std::iter::once(1).chain((0..words).map(|_| word(rng))).chain([2]).collect()
    };
    let rows: Vec<Vec<i64>> = (0..count).map(|_| sequence()).collect();
    PackedCaptions::new(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), Device::Cpu)
}

fn batch(rng: &mut Rng, images: usize, captions: usize) -> Batch {
    let rows: Vec<i64> = (0..images * captions).map(|row| (row / captions) as i64).collect();
    let rows = Tensor::from_slice(&rows);
    Batch {
        captions: sequences(rng, images * captions, 10),
        image_rows: rows.shallow_clone(),
        features: pictures(images),
        attributes: None,
        augmented: None,
        nouns: Some(NounBatch { words: sequences(rng, images * captions, 3), image_rows: rows }),
    }
}

/// Median seconds of a training step.
fn time_steps(preset: &str, images: usize, captions: usize, steps: usize) -> (f64, Box<dyn Captioner>, nn::VarStore) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.yaml");
    std::fs::write(&file, EXPERIMENT.replace("PRESET", preset)).unwrap();
    let experiment = rsic::experiment::load(&file, &[]).unwrap().experiment;
    let store = nn::VarStore::new(Device::Cpu);
    let inputs = Inputs { features: vec![2048], vocabulary: VOCABULARY, attributes: 0 };
    let model = assemble(&experiment.model, &experiment.encoders, &store, &inputs, Start::Files).unwrap();
    let variables = store.variables().into_iter().collect();
    let mut optimizer = Optimizer::new(variables, &experiment.train.optimizer, &[]).unwrap();
    let mut rng = Rng::new(&[0]);
    let batch = batch(&mut rng, images, captions);
    let mut seconds = Vec::new();
    for _ in 0..=steps {
        let start = Instant::now();
        let losses = model.losses(&batch, true);
        optimizer.zero_grad();
        losses.backward(1.0);
        optimizer.clip_value(Some(5.0));
        optimizer.step();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.remove(0); // the first allocates
    seconds.sort_by(f64::total_cmp);
    (seconds[seconds.len() / 2], model, store)
}

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let Some(steps) = arguments.get(1).and_then(|a| a.parse().ok()) else { return };
    let images: usize = arguments.get(2).map_or(4, |a| a.parse().unwrap());
    rsic::runtime::keep_memory();
    rsic::runtime::set_threads(None).unwrap();
    rsic::runtime::seed(&[0]);
    let (seconds, model, _store) = time_steps("author_code", 8, 1, steps);
    println!("author_code  {seconds:.2} s a step of 8 captions of 8 images");
    if let [_, _, _, python, program, ..] = arguments.as_slice() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/s2cpnet_published.py");
        let [steps, images] = [steps, images].map(|number: usize| number.to_string());
        let mut peer = std::process::Command::new(python);
        assert!(peer.args([script, program, &steps, &images]).status().unwrap().success());
    }
    let options = BeamOptions { width: 3, max_length: 26, suppress_unk: false, ..BeamOptions::default() };
    let start = Instant::now();
    tch::no_grad(|| {
        for _ in (0..images).step_by(4) {
            let prepared = model.prepare(&pictures(images.min(4)));
            let words = beam_search(&*model, &prepared, &options);
            let nouns =
                model.nouns().map(|nouns| beam_search(&*nouns, &prepared, &BeamOptions { max_length: 13, ..options }));
            assert!(words.len() == images.min(4) && nouns.is_some());
        }
    });
    println!("author_code  {:.3} images captioned a second", images as f64 / start.elapsed().as_secs_f64());
    drop(model);
    let (again, ..) = time_steps("author_code", 8, 1, steps);
    println!("author_code  {again:.2} s a step of 8 captions of 8 images, once more");
    let (shared, ..) = time_steps("author_code", 8, 5, steps);
    println!("author_code  {shared:.2} s a step of 40 captions of 8 images (train.examples: images)");
    let (paper, ..) = time_steps("paper", 8, 1, steps);
    println!("paper        {paper:.2} s a step of 8 captions of 8 images");
}
