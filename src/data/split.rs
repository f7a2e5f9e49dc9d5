//! The rule by which images are split where a caption file names no splits.

use crate::data::{Split, SplitRule};
use crate::util::rng::Rng;

/// The splits of images whose file names none: the distinct names are sorted, shuffled by `rule.seed` and cut into the
/// first `rule.train`, the next `rule.val` and the rest (counts rounded to the nearest), so that neither the order of
/// the file nor the number of captions matters. The result is in the order of `names`.
pub(super) fn assign(names: &[&str], rule: &SplitRule) -> Vec<Split> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&i| names.get(i).copied());
    Rng::new(&[rule.seed]).shuffle(&mut order);
    let count = |part: f64| (names.len() as f64 * part.clamp(0.0, 1.0)).round() as usize;
    let (train, val) = (count(rule.train), count(rule.val));
    let mut splits = vec![Split::Test; names.len()];
    for (rank, i) in order.into_iter().enumerate() {
        let split = match rank {
            rank if rank < train => Split::Train,
            rank if rank < train.saturating_add(val) => Split::Val,
            _ => Split::Test,
        };
        if let Some(slot) = splits.get_mut(i) {
            *slot = split;
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_splits_depend_on_names_and_seed_but_not_on_file_order() {
        let names: Vec<String> = (0..100).map(|i| format!("{i}.png")).collect();
        let forward: Vec<&str> = names.iter().map(String::as_str).collect();
        let backward: Vec<&str> = forward.iter().rev().copied().collect();
        let rule = SplitRule::default();
        let splits = assign(&forward, &rule);
        let mut reversed = assign(&backward, &rule);
        reversed.reverse();
        assert_eq!(splits, reversed);
        let count = |split| splits.iter().filter(|&&s| s == split).count();
        assert_eq!((count(Split::Train), count(Split::Val), count(Split::Test)), (80, 10, 10));
        assert_ne!(splits, assign(&forward, &SplitRule { seed: 2, ..rule }));
    }
}
