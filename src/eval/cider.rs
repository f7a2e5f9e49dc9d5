//! CIDEr as coco-caption computes it, which is CIDEr-D (Vedantam et al., CVPR 2015, section 5): counts clipped at the
//! reference's, a Gaussian penalty on the difference in length, and a factor of 10. No stemming. The original CIDEr
//! (section 4, as the authors' program has it) is beside it: the same without clipping and penalty.
//!
//! An n-gram is weighted by how few images have it among their references, so a score depends on the set of images it
//! was computed with, and is 0 where there is only one.

use super::ngrams::{Counts, HypothesisCounts, MAX_N, NgramIndex, shared};
use rayon::prelude::*;

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
        let references = group.len() as f64;
        let mut sums = [0.0; MAX_N];
        for &caption in group {
            let (counts, reference_norms) = (&captions[caption], &self.norms[caption]);
            let difference = bigrams(hypothesis.known.len) as f64 - bigrams(counts.len) as f64;
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

    /// The caption with the greatest mean CIDEr-D over all images, the first of equal ones.
    ///
    /// All pairs of captions would take minutes; here each n-gram leads to the captions that have it.
    pub(crate) fn consensus(&self, captions: &[Counts], groups: &[Vec<usize>]) -> Option<usize> {
        let mut shares = vec![0.0; captions.len()];
        for (group, &caption) in groups.iter().flat_map(|group| group.iter().map(move |caption| (group, caption))) {
            shares[caption] += 1.0 / group.len() as f64;
        }
        let postings = self.postings(captions);
        let longest = captions.iter().map(|counts| counts.len).max().unwrap_or(0);
        let penalties: Vec<f64> = (0..=longest)
            .map(|difference| std::f64::consts::E.powf(-((difference * difference) as f64) / (2.0 * SIGMA * SIGMA)))
            .collect();
        let worth = |(place, counts): (usize, &Counts)| {
            let mut sum = 0.0;
            for (n, having) in postings.iter().enumerate() {
                for &(number, tf) in counts.of(n + 1) {
                    let weight = self.weights[n][number as usize];
                    for &(caption, theirs) in &having[number as usize] {
                        let reference = caption as usize;
                        let norms = self.norms[place][n] * self.norms[reference][n];
                        if norms == 0.0 {
                            continue;
                        }
                        let (ours, theirs) = (f64::from(tf) * weight, f64::from(theirs) * weight);
                        let penalty = penalties[bigrams(counts.len).abs_diff(bigrams(captions[reference].len))];
                        sum += ours.min(theirs) * theirs / norms * penalty * shares[reference];
                    }
                }
            }
            sum
        };
        let sums: Vec<f64> = captions.par_iter().enumerate().map(worth).collect();
        let better = |best: Option<usize>, (place, sum): (usize, &f64)| match best {
            Some(best) if sums[best] >= *sum => Some(best),
            _ => Some(place),
        };
        sums.iter().enumerate().fold(None, better)
    }

    /// By length and n-gram number: the captions that have it, and how often. N-grams without weight have none.
    fn postings(&self, captions: &[Counts]) -> [Vec<Vec<(u32, u32)>>; MAX_N] {
        std::array::from_fn(|n| {
            let mut postings = vec![Vec::new(); self.weights[n].len()];
            for (place, counts) in captions.iter().enumerate() {
                for &(number, tf) in
                    counts.of(n + 1).iter().filter(|(number, _)| self.weights[n][*number as usize] != 0.0)
                {
                    postings[number as usize].push((place as u32, tf));
                }
            }
            postings
        })
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

fn bigrams(len: usize) -> usize {
    len.saturating_sub(1)
}
