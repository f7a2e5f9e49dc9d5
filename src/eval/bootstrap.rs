//! Confidence intervals and paired tests by resampling images (Koehn, EMNLP 2004).
//!
//! Each resample draws as many images as there are, with replacement, and makes corpus scores anew from their segments.
//! CIDEr's weights stay those of the whole set: they belong to the references, not to the draw.

use super::references::{References, Segment};
use super::{MetricSet, Scores};
use rayon::prelude::*;
use rsic_util::rng::Rng;
use serde::Serialize;

/// The middle 95 % of a metric's resampled values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interval {
    pub metric: String,
    pub low: f64,
    pub high: f64,
}

/// A metric's difference between two systems over the same draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub metric: String,
    /// First minus second, on the whole set.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
    /// Two-sided: twice the smaller share of resamples on either side of zero, one more counted on each, at most 1.
    pub p: f64,
}

/// 95 % intervals from `resamples` draws.
pub fn intervals(
    references: &References,
    segments: &[Segment],
    metrics: MetricSet,
    resamples: usize,
    seed: u64,
) -> Vec<Interval> {
    let draws = resampled(references, segments, metrics, resamples, seed);
    by_metric(&draws)
        .map(|(metric, mut values)| {
            let (low, high) = middle(&mut values);
            Interval { metric, low, high }
        })
        .collect()
}

/// Compares two systems, image by image the same draws.
pub fn compare(
    references: &References,
    first: &[Segment],
    second: &[Segment],
    metrics: MetricSet,
    resamples: usize,
    seed: u64,
) -> Vec<Difference> {
    let subtract = |a: Scores, b: &Scores| -> Scores {
        Scores(a.0.into_iter().zip(&b.0).map(|((name, a), (_, b))| (name, a - b)).collect())
    };
    let whole = subtract(references.corpus(first, metrics), &references.corpus(second, metrics));
    let ours = resampled(references, first, metrics, resamples, seed);
    let theirs = resampled(references, second, metrics, resamples, seed);
    let draws: Vec<Scores> = ours.into_iter().zip(&theirs).map(|(a, b)| subtract(a, b)).collect();
    by_metric(&draws)
        .map(|(metric, mut values)| {
            let share = |test: fn(f64) -> bool| values.iter().filter(|&&value| test(value)).count() as f64;
            let tail = share(|value| value <= 0.0).min(share(|value| value >= 0.0));
            let p = (2.0 * (tail + 1.0) / (values.len() + 1) as f64).min(1.0);
            let (low, high) = middle(&mut values);
            Difference { difference: whole.get(&metric).unwrap_or(f64::NAN), metric, low, high, p }
        })
        .collect()
}

fn resampled(
    references: &References,
    segments: &[Segment],
    metrics: MetricSet,
    resamples: usize,
    seed: u64,
) -> Vec<Scores> {
    (0..resamples)
        .into_par_iter()
        .map(|draw| {
            // A stream for each draw: the numbers do not depend on which thread makes it.
            let mut rng = Rng::new(&[seed, draw as u64]);
            let drawn = (0..segments.len()).filter_map(|_| rng.pick(segments));
            references.corpus(drawn, metrics)
        })
        .collect()
}

fn by_metric(draws: &[Scores]) -> impl Iterator<Item = (String, Vec<f64>)> {
    let names: Vec<String> = draws.first().map_or(Vec::new(), |scores| scores.names().map(str::to_owned).collect());
    names.into_iter().map(|name| {
        let values = draws.iter().filter_map(|scores| scores.get(&name)).collect();
        (name, values)
    })
}

/// The 2.5th and 97.5th percentiles, between neighbours where they fall between.
fn middle(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let percentile = |share: f64| {
        let place = share * values.len().saturating_sub(1) as f64;
        let at = |place: f64| values.get(place as usize).copied().unwrap_or(f64::NAN);
        at(place.floor()) + (at(place.ceil()) - at(place.floor())) * place.fract()
    };
    (percentile(0.025), percentile(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> (References, Vec<Segment>, Vec<Segment>) {
        let groups: Vec<Vec<String>> = (0..40).map(|i| vec![format!("a red house number {i} near a road")]).collect();
        let references = References::new(&groups).with_resources(None);
        let good: Vec<String> = (0..40).map(|i| format!("a red house number {i}")).collect();
        let poor: Vec<String> = (0..40).map(|_| "a green field".to_owned()).collect();
        let segments = |captions: &[String]| references.segments(captions, MetricSet::ALL).unwrap();
        let (good, poor) = (segments(&good), segments(&poor));
        (references, good, poor)
    }

    #[test]
    fn an_interval_holds_the_score_and_is_the_same_every_time() {
        let (references, good, _) = setting();
        let run = || intervals(&references, &good, MetricSet::ALL, 200, 1);
        let scores = references.corpus(&good, MetricSet::ALL);
        for interval in run() {
            let value = scores.get(&interval.metric).unwrap();
            assert!(interval.low <= value + 1e-12 && value <= interval.high + 1e-12, "{interval:?} {value}");
        }
        assert_eq!(run(), run());
    }

    #[test]
    fn a_clear_difference_is_significant_and_a_system_equals_itself() {
        let (references, good, poor) = setting();
        for difference in compare(&references, &good, &poor, MetricSet::SM, 200, 1) {
            assert!(difference.difference > 0.0 && difference.p < 0.01, "{difference:?}");
        }
        assert!(compare(&references, &good, &good, MetricSet::SM, 200, 1).iter().all(|same| same.p == 1.0));
    }
}
