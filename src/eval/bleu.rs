//! BLEU-1 to BLEU-4 as coco-caption computes them (Papineni et al., ACL 2002, with two small constants).
//!
//! The constants keep a zero count from giving a zero score: BLEU-4 of a one-word caption is tiny, not 0. The length
//! of the reference is the one closest to the hypothesis, the shorter of two equally close.

use super::ngrams::{Counts, HypothesisCounts, MAX_N, shared};

const TINY: f64 = 1e-15;
const SMALL: f64 = 1e-9;

/// What BLEU needs of one segment; sums of it give the corpus score.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BleuStats {
    pub guess: [u64; MAX_N],
    pub correct: [u64; MAX_N],
    pub length: u64,
    pub reference_length: u64,
}

impl BleuStats {
    pub(crate) fn new(hypothesis: &HypothesisCounts, references: &[&Counts]) -> Self {
        let length = hypothesis.known.len;
        let closest = references.iter().map(|reference| (reference.len.abs_diff(length), reference.len)).min();
        let mut stats = Self {
            length: length as u64,
            reference_length: closest.map_or(0, |(_, length)| length as u64),
            ..Self::default()
        };
        let mut clipped = Vec::new();
        for n in 1..=MAX_N {
            stats.guess[n - 1] = (length + 1).saturating_sub(n) as u64;
            let counts = hypothesis.known.of(n);
            clipped.clear();
            clipped.resize(counts.len(), 0u32);
            for reference in references {
                best_counts(counts, reference.of(n), &mut clipped);
            }
            stats.correct[n - 1] = clipped.iter().map(|&count| u64::from(count)).sum();
        }
        stats
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for n in 0..MAX_N {
            self.guess[n] += other.guess[n];
            self.correct[n] += other.correct[n];
        }
        self.length += other.length;
        self.reference_length += other.reference_length;
    }

    /// BLEU-1 to BLEU-4.
    pub(crate) fn scores(&self) -> [f64; MAX_N] {
        let ratio = (self.length as f64 + TINY) / (self.reference_length as f64 + SMALL);
        let brevity = if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 };
        let mut product = 1.0;
        std::array::from_fn(|n| {
            product *= (self.correct[n] as f64 + TINY) / (self.guess[n] as f64 + SMALL);
            product.powf(1.0 / (n + 1) as f64) * brevity
        })
    }
}

/// Raises each clipped count to what this reference allows.
fn best_counts(hypothesis: &[(u32, u32)], reference: &[(u32, u32)], clipped: &mut [u32]) {
    let mut at = 0;
    shared(hypothesis, reference, |number, ours, theirs| {
        while hypothesis.get(at).is_some_and(|(other, _)| *other < number) {
            at += 1;
        }
        if let Some(best) = clipped.get_mut(at) {
            *best = (*best).max(ours.min(theirs));
        }
    });
}
