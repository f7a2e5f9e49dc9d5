//! ROUGE-1 and ROUGE-L as the rouge-score package computes them: the F-measure (beta 1) of one reference at a time.

use crate::rouge::longest_common_subsequence;
use rustc_hash::FxHashMap;

/// How several references make one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// `score_multi`: the best reference.
    Best,
    Mean,
}

/// ROUGE-1 and ROUGE-L of one caption; 0 where there is no reference.
pub(super) fn rouge(hypothesis: &[String], references: &[Vec<String>], over: Over) -> [f64; 2] {
    let mut numbers = FxHashMap::default();
    let mut numbered = |words: &[String]| -> Vec<u32> {
        let number = |word: &String| {
            let next = numbers.len() as u32;
            *numbers.entry(word.clone()).or_insert(next)
        };
        words.iter().map(number).collect()
    };
    let hypothesis = numbered(hypothesis);
    let mut row = Vec::new();
    let mut scores = [0.0f64; 2];
    for reference in references {
        let reference = numbered(reference);
        let lengths = (hypothesis.len(), reference.len());
        let common =
            [overlap(&hypothesis, &reference), longest_common_subsequence(&hypothesis, &reference, &mut row) as usize];
        for (score, common) in scores.iter_mut().zip(common) {
            let value = f_measure(common, lengths);
            *score = match over {
                Over::Best => score.max(value),
                Over::Mean => *score + value / references.len() as f64,
            };
        }
    }
    scores
}

/// Words in common, each as often as both have it.
fn overlap(a: &[u32], b: &[u32]) -> usize {
    let mut counts: FxHashMap<u32, usize> = FxHashMap::default();
    b.iter().for_each(|&word| *counts.entry(word).or_default() += 1);
    let mut take = |word: &&u32| counts.get_mut(*word).filter(|left| **left > 0).map(|left| *left -= 1).is_some();
    a.iter().filter(|word| take(word)).count()
}

fn f_measure(common: usize, (hypothesis, reference): (usize, usize)) -> f64 {
    if common == 0 {
        return 0.0;
    }
    let (precision, recall) = (common as f64 / hypothesis as f64, common as f64 / reference as f64);
    2.0 * precision * recall / (precision + recall)
}
