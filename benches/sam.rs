//! Segment Anything's automatic masks, timed: answers each image path on standard input with a line of JSON. `sam.py`
//! asks it and the published package in turns.
//! Usage: cargo bench --bench sam -- WEIGHTS POINTS_PER_SIDE ABOVE THREADS
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use anyhow::Result;
use image::RgbImage;
use rsic::data::image::decode_file;
use rsic::models::sam::{Candidates, Frame, GeneratorRules, Predictor, Sam, SamPredictor, generate};
use std::io::BufRead;
use std::path::Path;
use std::time::Instant;
use tch::Device;

/// Counts the seconds that looking at an image takes.
struct Timed<'a>(SamPredictor<'a>, f64);

impl Predictor for Timed<'_> {
    fn look(&mut self, image: &RgbImage) -> Result<Frame> {
        let start = Instant::now();
        let frame = self.0.look(image);
        self.1 += start.elapsed().as_secs_f64();
        frame
    }

    fn predict(&mut self, points: &[[f64; 2]], above: Option<f32>) -> Result<Candidates> {
        self.0.predict(points, above)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let [_, weights, points, above, threads] = arguments.as_slice() else { return };
    rsic::runtime::set_threads(Some(threads.parse().unwrap())).unwrap();
    let sam = Sam::load(Path::new(weights), Device::Cpu, false).unwrap();
    let rules = GeneratorRules {
        points_per_side: points.parse().unwrap(),
        pred_iou_thresh: above.parse().unwrap(),
        stability_score_thresh: 0.0,
        ..GeneratorRules::default()
    };
    for path in std::io::stdin().lock().lines() {
        let image = decode_file(Path::new(&path.unwrap())).unwrap();
        let start = Instant::now();
        let mut predictor = Timed(sam.predictor(), 0.0);
        let found = generate(&mut predictor, &image, &rules).unwrap();
        let (whole, encoder) = (start.elapsed().as_secs_f64(), predictor.1);
        println!("{}", serde_json::json!({"encoder": encoder, "rest": whole - encoder, "masks": found.len()}));
    }
}
