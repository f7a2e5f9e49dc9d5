//! Times scoring inside the process, without LibTorch: `cargo run --release --example measure -- HYP REF [REPEATS]`.
//!
//! Prints one JSON object: seconds for reading, for preparing and scoring once (cold), for the same again with METEOR's
//! resources in memory (warm), for METEOR alone, for new captions against references that are prepared already, and the
//! peak of resident memory in kilobytes. With 0 repeats it scores once and prints the scores: a whole cold process.

use anyhow::{Context, Result};
use rsic_fuzz::eval::readers;
use rsic_fuzz::eval::{MetricSet, References};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let hypotheses = PathBuf::from(arguments.next().context("give the hypotheses")?);
    let references = PathBuf::from(arguments.next().context("give the references")?);
    let repeats: usize = arguments.next().and_then(|count| count.to_str()?.parse().ok()).unwrap_or(5);
    let start = Instant::now();
    let captions = readers::read_hypotheses(&hypotheses)?;
    let references = readers::read_references(&[references])?;
    let groups: Vec<Vec<String>> =
        captions.items().iter().map(|item| references.get(&item.id).unwrap_or_default().to_vec()).collect();
    let captions: Vec<String> = captions.items().iter().filter_map(|item| item.captions.first().cloned()).collect();
    let read = start.elapsed().as_secs_f64();

    // SPICE is a Java program of its own in the reference, and is timed by itself.
    let all = || References::new(&groups).score(&captions, MetricSet::SM);
    if repeats == 0 {
        let evaluation = all()?;
        return Ok(writeln!(std::io::stdout(), "{}", serde_json::json!({"corpus": evaluation.corpus}))?);
    }
    let meteor_only = MetricSet { meteor: true, ..MetricSet::NONE };
    let cold = timed(1, || References::new(&groups).score(&captions, meteor_only))?;
    let first = timed(1, all)?;
    let warm = timed(repeats, all)?;
    let meteor = timed(repeats, || References::new(&groups).score(&captions, meteor_only))?;
    let prepared = References::new(&groups);
    let evaluation = prepared.score(&captions, MetricSet::SM)?;
    let again = timed(repeats, || prepared.score(&captions, MetricSet::SM))?;
    let report = serde_json::json!({
        "images": captions.len(), "read": read, "meteor_cold": cold, "all_first": first, "all_warm": warm,
        "meteor_warm": meteor, "prepared": again, "peak_kb": peak_kb(), "corpus": evaluation.corpus,
    });
    Ok(writeln!(std::io::stdout(), "{report}")?)
}

/// Median seconds.
fn timed<T>(repeats: usize, mut run: impl FnMut() -> Result<T>) -> Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..repeats.max(1) {
        let start = Instant::now();
        let result = run()?;
        seconds.push(start.elapsed().as_secs_f64());
        drop(result);
    }
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().context("nothing was timed")
}

fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
