//! A line an epoch.

use super::Sink;
use crate::train::{TrainConfig, TrainState};

/// The log, which shows it on the console.
pub(super) struct Console;

impl Sink for Console {
    /// The line of the epoch just done: loss, score with the best so far, speed, and the least time that is left.
    fn announce(&mut self, state: &TrainState, config: &TrainConfig) {
        let (Some(record), Some(best)) = (state.history.last(), &state.best) else { return };
        let metric = &config.early_stop.metric;
        let score = crate::train::run::score(&record.validation, metric, "train.early_stop.metric").unwrap_or(f64::NAN);
        let epochs =
            (config.early_stop.patience.saturating_add(best.epoch)).min(config.epochs).saturating_sub(state.epoch);
        let (speed, unit) = record.speed();
        let decimals = usize::from(speed < 100.0 && unit == "images");
        let left = epochs as f64 * (record.seconds + record.validation_seconds);
        tracing::info!(
            epoch = state.epoch,
            loss = record.train_loss,
            score,
            "epoch {}/{}  loss {:.3}  {metric}(val) {score:.4} (best {:.4} @{})  {speed:.decimals$} {unit}/s  {} MiB  \
             at least {} left",
            state.epoch,
            config.epochs,
            record.train_loss,
            best.score,
            best.epoch,
            record.memory.process,
            duration(left)
        );
    }
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}
