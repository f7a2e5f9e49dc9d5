//! Which examples make which step of an epoch.

use crate::util::rng::Rng;

/// Stream of random numbers.
const BUCKETS: u64 = 4;

/// The examples of each step: every example once, in an order that depends on seed and epoch alone; the last ones may
/// be fewer than `per_step`.
///
/// With `bucket`, so many steps at a time share their examples out by `length`, so that those of a step are of about
/// the same length, and the steps are then mixed again.
pub(super) fn steps(
    (seed, stream, epoch): (u64, u64, usize),
    examples: usize,
    per_step: usize,
    bucket: Option<usize>,
    length: impl Fn(usize) -> usize,
) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..examples).collect();
    Rng::new(&[seed, stream, epoch as u64]).shuffle(&mut order);
    let per_step = per_step.max(1);
    if let Some(bucket) = bucket {
        // Stable: examples of one length keep their drawn order.
        order.chunks_mut(per_step * bucket.max(1)).for_each(|shared| shared.sort_by_key(|&example| length(example)));
    }
    let mut steps: Vec<Vec<usize>> = order.chunks(per_step).map(<[usize]>::to_vec).collect();
    if bucket.is_some() {
        Rng::new(&[seed, BUCKETS, epoch as u64]).shuffle(&mut steps);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(example: usize) -> usize {
        example * 7 % 20
    }

    #[test]
    fn every_example_comes_once_an_epoch_with_and_without_buckets() {
        for bucket in [None, Some(1), Some(3), Some(100)] {
            let steps = |epoch| steps((1, 1, epoch), 103, 10, bucket, length);
            let mut all = steps(0).concat();
            all.sort_unstable();
            assert_eq!(all, (0..103).collect::<Vec<_>>());
            assert_eq!(steps(0).len(), 11);
            assert_eq!(steps(0), steps(0));
            assert_ne!(steps(0), steps(1));
        }
    }

    #[test]
    fn buckets_bring_like_lengths_together() {
        let spread = |bucket| -> usize {
            let steps = steps((1, 1, 0), 200, 10, bucket, length);
            let of_step = |step: &Vec<usize>| {
                let lengths = step.iter().map(|&example| length(example));
                lengths.clone().max().unwrap_or(0) - lengths.min().unwrap_or(0)
            };
            steps.iter().map(of_step).sum()
        };
        assert!(spread(Some(10)) * 4 < spread(None), "{} {}", spread(Some(10)), spread(None));
    }
}
