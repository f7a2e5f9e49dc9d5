//! How scoring grows: NWPU-like captions of 3,000, 30,000 and 100,000 images with five references each, given one by
//! one to [`Scorer`]. Seconds and peak memory should grow as the images do.
//!
//! `cargo bench --bench score_growth`; with a number, that many images alone.

use rsic::eval::{MetricSet, Scorer};
use rsic::util::rng::Rng;
use std::io::Write;
use std::time::Instant;

const SIZES: [usize; 3] = [3_000, 30_000, 100_000];
const PLACES: [&str; 12] = [
    "airplane",
    "bridge",
    "church",
    "farmland",
    "forest",
    "harbor",
    "island",
    "lake",
    "railway",
    "river",
    "stadium",
    "parking lot",
];
const MANY: [&str; 6] = ["some", "many", "several", "two", "rows of", "a lot of"];
const KINDS: [&str; 8] =
    ["green trees", "white cars", "grey buildings", "red houses", "roads", "boats", "bare lands", "brown fields"];
const SIDES: [&str; 6] = ["on both sides of", "next to", "surrounded by", "near", "beside", "on the left of"];

fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    for &images in if asked.is_empty() { SIZES.as_slice() } else { asked.as_slice() } {
        let mut rng = Rng::new(&[images as u64]);
        let started = Instant::now();
        let mut scorer = Scorer::new(MetricSet::SM).with_resources(None);
        for image in 0..images {
            let references: Vec<String> = (0..5).map(|_| caption(&mut rng)).collect();
            scorer.add(&image.to_string(), &caption(&mut rng), &references)?;
        }
        let taken = started.elapsed().as_secs_f64();
        let scored = scorer.finish()?;
        let all = started.elapsed().as_secs_f64();
        let cider = scored.corpus.get("CIDEr").unwrap_or_default();
        writeln!(
            out,
            "{images:>7} images: taken in {taken:.2} s, scored in {:.2} s, {:.1} us an image, CIDEr {cider:.4}",
            all - taken,
            1e6 * (all - taken) / images as f64
        )?;
    }
    Ok(())
}

/// A caption such as NWPU-Captions has, of ten to twenty words.
fn caption(rng: &mut Rng) -> String {
    let mut pick = |words: &'static [&'static str]| words[rng.below(words.len())];
    let (place, side, many, kind) = (pick(&PLACES), pick(&SIDES), pick(&MANY), pick(&KINDS));
    let (second, other) = (pick(&MANY), pick(&KINDS));
    format!("There are {many} {kind} {side} the {place} and {second} {other} can be seen {} the {kind} .", pick(&SIDES))
}
