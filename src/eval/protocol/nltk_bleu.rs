//! NLTK's `corpus_bleu` with uniform weights, and the smoothing methods of Chen and Cherry (WMT 2014) that it applies
//! to a corpus.

use crate::bleu::BleuStats;
use crate::ngrams::MAX_N;
use anyhow::{Result, bail};
use std::str::FromStr;

/// `SmoothingFunction().methodN`.
///
/// Methods 5 to 7 are not offered: given a corpus, NLTK computes their further counts from its last sentence alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Smoothing {
    /// None: a precision of zero becomes the smallest positive number.
    #[default]
    Method0,
    /// 0.1 in place of a count of zero.
    Method1,
    /// One more match and one more n-gram, from bigrams on.
    Method2,
    /// 1/2, 1/4, ... in place of counts of zero.
    Method3,
    /// As method 3, by the length of the hypotheses: ln(length) / (5 x 2^k).
    Method4,
}

impl Smoothing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Method0 => "method0",
            Self::Method1 => "method1",
            Self::Method2 => "method2",
            Self::Method3 => "method3",
            Self::Method4 => "method4",
        }
    }
}

impl FromStr for Smoothing {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = [Self::Method0, Self::Method1, Self::Method2, Self::Method3, Self::Method4];
        match all.into_iter().find(|method| method.name() == name) {
            Some(method) => Ok(method),
            None => bail!("unknown smoothing '{name}'; valid: method0 to method4, as NLTK names them"),
        }
    }
}

/// BLEU-1 to BLEU-4 of a corpus, from its segments' counts.
pub(super) fn corpus_bleu<'s>(segments: impl IntoIterator<Item = &'s BleuStats>, smoothing: Smoothing) -> [f64; MAX_N] {
    let mut total = BleuStats::default();
    for segment in segments {
        // A segment without n-grams of a length counts one that is wrong.
        total.add(&BleuStats { guess: segment.guess.map(|count| count.max(1)), ..*segment });
    }
    if total.correct[0] == 0 {
        return [0.0; MAX_N];
    }
    let (length, reference) = (total.length as f64, total.reference_length as f64);
    let brevity = if length > reference { 1.0 } else { (1.0 - reference / length).exp() };
    let precisions = smoothed(&total, smoothing);
    std::array::from_fn(|n| {
        let logs = precisions.iter().take(n + 1).map(|precision| precision.ln() / (n + 1) as f64);
        brevity * logs.sum::<f64>().exp()
    })
}

fn smoothed(total: &BleuStats, smoothing: Smoothing) -> [f64; MAX_N] {
    let mut zeros = 0;
    std::array::from_fn(|n| {
        let (correct, guess) = (total.correct[n] as f64, total.guess[n] as f64);
        if smoothing == Smoothing::Method2 && n > 0 {
            return (correct + 1.0) / (guess + 1.0);
        }
        if correct > 0.0 {
            return correct / guess;
        }
        zeros += 1;
        let halved = 0.5f64.powi(zeros);
        match smoothing {
            Smoothing::Method1 => 0.1 / guess,
            Smoothing::Method3 => halved / guess,
            Smoothing::Method4 if total.length > 1 => halved / 5.0 * (total.length as f64).ln() / guess,
            _ => f64::MIN_POSITIVE,
        }
    })
}
