//! CIDEr as coco-caption computes it, which is CIDEr-D (Vedantam et al., CVPR 2015, section 5): counts clipped at the
//! reference's, a Gaussian penalty on the difference in length, and a factor of 10. No stemming. The original CIDEr
//! (section 4, as the authors' program has it) is beside it: the same without clipping and penalty.
//!
//! An n-gram is weighted by how few images have it among their references, so a score depends on the set of images it
//! was computed with, and is 0 where there is only one.

use super::ngrams::{Counts, HypothesisCounts, MAX_N, NgramIndex, shared};

const SIGMA: f64 = 6.0;
const SCALE: f64 = 10.0;

/// Which of the two CIDErs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    D,
    Original,
}

/// Document frequencies of the references' n-grams, as logarithms, and the norms of the references.
#[derive(Debug)]
pub(crate) struct CiderWeights {
    /// ln N: the weight of an n-gram that no reference has.
    log_images: f64,
    /// Per length and n-gram number: ln N - ln df.
    weights: [Vec<f64>; MAX_N],
    /// Per caption and length.
    norms: Vec<[f64; MAX_N]>,
}

impl CiderWeights {
    /// `groups` gives the places of each image's captions in `captions`.
    pub(crate) fn new(index: &NgramIndex, captions: &[Counts], groups: &[Vec<usize>]) -> Self {
        let log_images = (groups.len() as f64).ln();
        let weights = std::array::from_fn(|n| {
            let mut frequency = vec![0u32; index.len(n + 1)];
            let mut last_seen = vec![usize::MAX; index.len(n + 1)];
            for (image, group) in groups.iter().enumerate() {
                for &(number, _) in group.iter().flat_map(|&caption| captions[caption].of(n + 1)) {
                    let number = number as usize;
                    if last_seen[number] != image {
                        last_seen[number] = image;
                        frequency[number] += 1;
                    }
                }
            }
            frequency.iter().map(|&df| log_images - f64::from(df.max(1)).ln()).collect()
        });
        let mut made = Self { log_images, weights, norms: Vec::new() };
        made.norms = captions.iter().map(|counts| made.norm(counts, None)).collect();
        made
    }

    /// CIDEr of one caption against the references at `group`.
    pub(crate) fn score(
        &self,
        hypothesis: &HypothesisCounts,
        captions: &[Counts],
        group: &[usize],
        variant: Variant,
    ) -> f64 {
        let norms = self.norm(&hypothesis.known, Some(&hypothesis.unknown));
        let bigrams = |len: usize| len.saturating_sub(1) as f64;
        let references = group.len() as f64;
        let mut sums = [0.0; MAX_N];
        for &caption in group {
            let (counts, reference_norms) = (&captions[caption], &self.norms[caption]);
            let difference = bigrams(hypothesis.known.len) - bigrams(counts.len);
            let penalty = match variant {
                Variant::D => std::f64::consts::E.powf(-(difference * difference) / (2.0 * SIGMA * SIGMA)),
                Variant::Original => 1.0,
            };
            for n in 0..MAX_N {
                let mut value = 0.0;
                shared(hypothesis.known.of(n + 1), counts.of(n + 1), |number, ours, theirs| {
                    let weight = self.weights[n][number as usize];
                    let (ours, theirs) = (f64::from(ours) * weight, f64::from(theirs) * weight);
                    value += if variant == Variant::D { ours.min(theirs) } else { ours } * theirs;
                });
                if norms[n] != 0.0 && reference_norms[n] != 0.0 {
                    value /= norms[n] * reference_norms[n];
                }
                sums[n] += value * penalty;
            }
        }
        if references == 0.0 {
            return 0.0;
        }
        sums.iter().sum::<f64>() / MAX_N as f64 / references * SCALE
    }

    fn norm(&self, counts: &Counts, unknown: Option<&[Vec<u32>; MAX_N]>) -> [f64; MAX_N] {
        std::array::from_fn(|n| {
            let known =
                counts.of(n + 1).iter().map(|&(number, tf)| (f64::from(tf) * self.weights[n][number as usize]).powi(2));
            let unknown = unknown.into_iter().flat_map(|unknown| &unknown[n]);
            let square: f64 = known.chain(unknown.map(|&tf| (f64::from(tf) * self.log_images).powi(2))).sum();
            square.sqrt()
        })
    }
}
