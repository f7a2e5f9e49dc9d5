//! Learning rates as functions of what a checkpoint holds, so that a continued run needs no further state.

use crate::train::{CosineRestartsConfig, NoamConfig, PlateauConfig, ScheduleConfig, StepConfig, TrainConfig};

/// The learning rate of optimiser step `step` (from 1 in the run) of `of`, after `epochs` whole ones: first the
/// warm-up, then as the schedule says.
pub fn of_step(config: &TrainConfig, (step, of): (u64, u64), epochs: usize, scores: &[f64]) -> f64 {
    let (base, warmup) = (config.optimizer.lr, config.warmup_steps as u64);
    match step <= warmup {
        true => base * step as f64 / warmup as f64,
        false => rate(&config.schedule, base, (step - warmup, of.saturating_sub(warmup)), epochs, scores),
    }
}

/// The learning rate of optimiser step `step` (from 1) of `of`, after `epochs` whole ones. `scores` are those of the
/// epochs so far by the schedule's metric (plateau only).
pub fn rate(schedule: &ScheduleConfig, base: f64, (step, of): (u64, u64), epochs: usize, scores: &[f64]) -> f64 {
    match schedule {
        ScheduleConfig::Constant => base,
        ScheduleConfig::Cosine => {
            let part = ((step - 1) as f64 / of.max(1) as f64).min(1.0);
            base * 0.5 * (1.0 + (std::f64::consts::PI * part).cos())
        }
        ScheduleConfig::CosineRestarts(CosineRestartsConfig { period, growth }) => {
            let (mut done, mut period) = (step.saturating_sub(1) as f64, (*period).max(1) as f64);
            while done >= period {
                done -= period;
                period *= growth.max(1.0);
            }
            base * 0.5 * (1.0 + (std::f64::consts::PI * done / period).cos())
        }
        ScheduleConfig::Noam(NoamConfig { warmup, d_model, factor, .. }) => {
            let (step, warmup) = (step.max(1) as f64, *warmup as f64);
            factor * (*d_model as f64).powf(-0.5) * step.powf(-0.5).min(step * warmup.powf(-1.5))
        }
        ScheduleConfig::Step(StepConfig { every, factor }) => base * power(*factor, epochs / (*every).max(1)),
        ScheduleConfig::Plateau(plateau) => base * power(plateau.factor, decays(plateau, scores)),
    }
}

/// The score by which a plateau is told, `None` for the other schedules; `default` is that of early stopping.
pub fn metric<'a>(schedule: &'a ScheduleConfig, default: &'a str) -> Option<&'a str> {
    match schedule {
        ScheduleConfig::Plateau(plateau) => Some(plateau.metric.as_deref().unwrap_or(default)),
        _ => None,
    }
}

/// Decays before the next epoch. An equal score is no better.
fn decays(plateau: &PlateauConfig, scores: &[f64]) -> usize {
    let every = plateau.every.or(plateau.patience.map(|patience| patience + 1)).unwrap_or(usize::MAX).max(1);
    let (mut best, mut since, mut decays) = (f64::NEG_INFINITY, 0, 0);
    for &score in scores {
        if score > best {
            (best, since) = (score, 0);
        } else {
            since += 1;
            decays += usize::from(since % every == 0);
        }
    }
    decays
}

fn power(factor: f64, times: usize) -> f64 {
    factor.powi(i32::try_from(times).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} is not {expected}");
    }

    #[test]
    fn noam_rises_for_the_warm_up_and_falls_with_the_root_of_the_step() {
        let noam = |factor| ScheduleConfig::Noam(NoamConfig { warmup: 20_000, d_model: 512, factor, continued: false });
        let at = |step| rate(&noam(1.0), 1.0, (step, 0), 0, &[]);
        close(at(1), 512f64.powf(-0.5) * 20_000f64.powf(-1.5));
        close(at(1500), 1500.0 * at(1));
        close(at(20_000), 512f64.powf(-0.5) * 20_000f64.powf(-0.5));
        close(at(80_000), at(20_000) / 2.0);
        close(rate(&noam(2.0), 1.0, (7, 0), 3, &[]), 2.0 * at(7));
    }

    #[test]
    fn steps_decay_after_whole_spans_of_epochs() {
        let step = ScheduleConfig::Step(StepConfig { every: 5, factor: 0.9 });
        for (epochs, times) in [(0, 0), (4, 0), (5, 1), (9, 1), (10, 2), (29, 5)] {
            close(rate(&step, 5e-4, (1, 0), epochs, &[]), 5e-4 * 0.9f64.powi(times));
        }
        assert_eq!(rate(&ScheduleConfig::Constant, 5e-4, (9, 0), 9, &[]), 5e-4);
    }

    /// The loop that S2CPNet describes, epoch by epoch, against the function of the history.
    #[test]
    fn a_plateau_decays_at_every_fifth_epoch_without_a_better_score() {
        let scores =
            [0.3, 0.2, 0.3, 0.1, 0.2, 0.2, 0.2, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5, 0.1];
        let plateau =
            |every, patience| ScheduleConfig::Plateau(PlateauConfig { metric: None, factor: 0.2, every, patience });
        let (mut lr, mut best, mut since) = (1e-4, f64::NEG_INFINITY, 0);
        for (epoch, &score) in scores.iter().enumerate() {
            if since > 0 && since % 5 == 0 {
                lr *= 0.2;
            }
            close(rate(&plateau(Some(5), None), 1e-4, (1, 0), epoch, &scores[..epoch]), lr);
            since = if score > best { 0 } else { since + 1 };
            best = score.max(best);
        }
        close(lr, 1e-4 * 0.2f64.powi(3));
    }

    /// PyTorch 2.11's ReduceLROnPlateau(mode='max', factor=0.5, patience=1, threshold=0) on the same scores.
    #[test]
    fn patience_counts_anew_after_a_decay() {
        let scores = [0.3, 0.2, 0.3, 0.1, 0.2, 0.4, 0.1, 0.1, 0.1];
        let expected = [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125];
        let plateau = PlateauConfig { metric: None, factor: 0.5, every: None, patience: Some(1) };
        let plateau = ScheduleConfig::Plateau(plateau);
        let found: Vec<f64> = (1..=9).map(|n| rate(&plateau, 1.0, (1, 0), n, &scores[..n])).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_cosine_starts_anew_after_ever_longer_periods() {
        let restarts = ScheduleConfig::CosineRestarts(CosineRestartsConfig { period: 4, growth: 2.0 });
        let at = |step| rate(&restarts, 0.1, (step, 100), 0, &[]);
        let root = 0.5f64.sqrt();
        for (step, expected) in [(1, 0.1), (2, 0.05 * (1.0 + root)), (3, 0.05), (4, 0.05 * (1.0 - root)), (5, 0.1)] {
            close(at(step), expected);
        }
        for (step, expected) in [(9, 0.05), (12, at(5 + 7)), (13, 0.1), (21, 0.05)] {
            close(at(step), expected);
        }
    }

    #[test]
    fn the_rate_rises_and_falls_along_a_cosine() {
        let mut train = TrainConfig { warmup_steps: 4, schedule: ScheduleConfig::Cosine, ..TrainConfig::default() };
        train.optimizer.lr = 0.01;
        let rates: Vec<f64> = [1, 4, 5, 13, 21].iter().map(|&step| of_step(&train, (step, 20), 0, &[])).collect();
        let expected = [0.0025, 0.01, 0.01, 0.005, 0.0];
        assert!(rates.iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 1e-12), "{rates:?}");
        train.schedule = ScheduleConfig::Constant;
        assert_eq!(of_step(&train, (20, 20), 0, &[]), 0.01);
    }
}
