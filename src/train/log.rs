//! What a run tells of its epochs: `metrics.jsonl`, TensorBoard events, a line on the console.

use super::state::{EpochRecord, StepRecord, TrainState};
use super::tensorboard::{Scalars, events};
use crate::train::TrainConfig;
use crate::util::fs::write_atomic;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Below the run folder; TensorBoard knows such files by the first words of the name.
const EPOCH_EVENTS: &str = "tensorboard/events.out.tfevents.0.rsic";
const STEP_EVENTS: &str = "tensorboard/events.out.tfevents.1.rsic";

/// Brings the run folder's files of epochs up to the history: all of it, so that a continued run holds no epoch twice.
pub fn write_history(folder: &Path, history: &[EpochRecord]) -> Result<()> {
    write_atomic(&folder.join("metrics.jsonl"), &lines(history)?)?;
    let scalars: Vec<Scalars> = history.iter().map(of_epoch).collect();
    extend(&folder.join(EPOCH_EVENTS), &events(&scalars))
}

/// Brings the run folder's files of steps up to the curve.
pub fn write_curve(folder: &Path, curve: &[StepRecord]) -> Result<()> {
    extend(&folder.join("steps.jsonl"), &lines(curve)?)?;
    let scalars: Vec<Scalars> = curve.iter().map(of_steps).collect();
    extend(&folder.join(STEP_EVENTS), &events(&scalars))
}

/// Records as JSON, one a line.
pub fn lines(records: &[impl Serialize]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Makes a file hold `content`, by appending where it holds the beginning: a reader that follows the file sees it grow.
fn extend(path: &Path, content: &[u8]) -> Result<()> {
    let found = fs::read(path).unwrap_or_default();
    match content.strip_prefix(found.as_slice()) {
        Some(rest) if path.is_file() => OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(rest))
            .with_context(|| format!("cannot write '{}'", path.display())),
        _ => write_atomic(path, content),
    }
}

fn of_epoch(record: &EpochRecord) -> Scalars {
    let mut values = vec![
        ("train/loss".to_owned(), record.train_loss),
        ("train/learning_rate".to_owned(), record.lr),
        ("train/captions_per_second".to_owned(), record.captions_per_second),
        ("train/memory_mib".to_owned(), record.memory.process as f64),
    ];
    if let Some(cuda) = record.memory.cuda_peak {
        values.push(("train/cuda_peak_mib".to_owned(), cuda as f64));
    }
    let scores = record.validation.0.iter().map(|(name, score)| (format!("validation/{name}"), *score));
    values.extend(scores);
    Scalars { wall_time: record.time, step: record.epoch as i64, values }
}

fn of_steps(record: &StepRecord) -> Scalars {
    let values = vec![("step/loss".to_owned(), record.loss), ("step/learning_rate".to_owned(), record.lr)];
    Scalars { wall_time: record.time, step: record.step as i64, values }
}

/// The line of the epoch just done: loss, score with the best so far, speed, and the least time that is left.
pub fn announce(state: &TrainState, config: &TrainConfig) {
    let (Some(record), Some(best)) = (state.history.last(), &state.best) else { return };
    let metric = &config.early_stop.metric;
    let score = super::run::score(&record.validation, metric, "train.early_stop.metric").unwrap_or(f64::NAN);
    let epochs = (config.early_stop.patience + best.epoch).min(config.epochs).saturating_sub(state.epoch);
    let left = epochs as f64 * (record.seconds + record.validation_seconds);
    tracing::info!(
        epoch = state.epoch,
        loss = record.train_loss,
        score,
        "epoch {}/{}  loss {:.3}  {metric}(val) {score:.4} (best {:.4} @{})  {:.0} captions/s  {} MiB  at least {} \
        left",
        state.epoch,
        config.epochs,
        record.train_loss,
        best.score,
        best.epoch,
        record.captions_per_second,
        record.memory.process,
        duration(left)
    );
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_grows_where_it_can_and_is_replaced_where_it_must() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let state = || (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino());
        extend(&path, b"one").unwrap();
        let (_, file) = state();
        extend(&path, b"one, two").unwrap();
        assert_eq!(state(), (b"one, two".to_vec(), file));
        extend(&path, b"one, two").unwrap();
        assert_eq!(state(), (b"one, two".to_vec(), file));
        extend(&path, b"other").unwrap();
        assert_eq!(state().0, b"other");
        assert_ne!(state().1, file);
    }
}
