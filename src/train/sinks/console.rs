//! A line an epoch.

use super::Sink;
use crate::train::{TrainConfig, TrainState};

/// The log, which shows it on the console.
pub(super) struct Console;

impl Sink for Console {
    /// The line of the epoch just done: loss, score with the best so far, speed, and the time that may be left.
    fn announce(&mut self, state: &TrainState, config: &TrainConfig) {
        let (Some(record), Some(best)) = (state.history.last(), &state.best) else { return };
        let metric = &config.early_stop.metric;
        let score = crate::train::run::score(&record.validation, metric, "train.early_stop.metric").unwrap_or(f64::NAN);
        let (speed, unit) = record.speed();
        let decimals = usize::from(speed < 100.0 && unit == "images");
        tracing::info!(
            epoch = state.epoch,
            loss = record.train_loss,
            score,
            "epoch {}/{}  loss {:.3}  {metric}(val) {score:.4} (best {:.4} @{})  {speed:.decimals$} {unit}/s  {} MiB  \
             {}",
            state.epoch,
            config.epochs,
            record.train_loss,
            best.score,
            best.epoch,
            record.memory.process,
            left(state, best.epoch, config)
        );
    }
}

/// The time to the last epoch at the median pace of those before, and to the epoch at which training stops should no
/// score be better.
fn left(state: &TrainState, best: usize, config: &TrainConfig) -> String {
    let pace = median(state.history.iter().map(|record| record.seconds + record.validation_seconds).collect());
    let until = |epoch: usize| duration(epoch.saturating_sub(state.epoch) as f64 * pace);
    let stop = config.early_stop.patience.saturating_add(best);
    match stop < config.epochs {
        true => format!("about {} left ({} if no score is better)", until(config.epochs), until(stop)),
        false => format!("about {} left", until(config.epochs)),
    }
}

/// The middle one of some numbers, the lower one of two; 0 of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
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
    use crate::train::{EarlyStopConfig, EpochRecord};

    #[test]
    fn the_time_left_is_told_at_the_median_pace() {
        let config = TrainConfig {
            epochs: 10,
            early_stop: EarlyStopConfig { patience: 3, ..EarlyStopConfig::default() },
            ..TrainConfig::default()
        };
        let mut state = TrainState::default();
        let mut told = Vec::new();
        for (seconds, best) in [(30.0, 1), (10.0, 2), (12.0, 2), (90.0, 4), (11.0, 4), (10.0, 4)] {
            state.epoch += 1;
            state.history.push(EpochRecord { seconds, validation_seconds: 2.0, ..EpochRecord::default() });
            told.push(left(&state, best, &config));
        }
        assert_eq!(
            told,
            [
                "about 4m48s left (1m36s if no score is better)",
                "about 1m36s left (36s if no score is better)",
                "about 1m38s left (28s if no score is better)",
                "about 1m24s left (42s if no score is better)",
                "about 1m10s left (28s if no score is better)",
                "about 52s left (13s if no score is better)",
            ]
        );
        assert_eq!(left(&state, 8, &config), "about 52s left", "the last epoch comes first");
    }
}
