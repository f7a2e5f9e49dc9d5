//! Comparison-based beam search (FE-LWS; Hoxha et al. 2020): of the captions that beam search found, the one most like
//! the captions of similar training images.

use crate::decode::{ComparisonConfig, ComparisonPool};
use crate::eval::{MetricSet, References, Scores};
use anyhow::{Context, Result};

/// A caption in the running, with its log-probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub caption: String,
    pub log_prob: f64,
}

/// Scores closer than this are equal: the epsilons of BLEU, which keep its quotients defined, let perfect candidates of
/// several lengths differ by 1e-10.
const EQUAL: f64 = 1e-8;

/// Which candidate of each image wins: the greatest mean of BLEU-2, METEOR and ROUGE-L against the captions of the
/// image's neighbours (indices into `references`); where scores are equal, the likelier one.
pub fn choose(
    candidates: &[Vec<Candidate>],
    neighbours: &[Vec<usize>],
    references: &References,
    config: &ComparisonConfig,
) -> Result<Vec<usize>> {
    let mut items = Vec::new();
    for (candidates, neighbours) in candidates.iter().zip(neighbours) {
        for candidate in candidates {
            match config.pool {
                ComparisonPool::Union if neighbours.is_empty() => {}
                ComparisonPool::Union => items.push((candidate.caption.clone(), neighbours.clone())),
                ComparisonPool::PerImage => {
                    items.extend(neighbours.iter().map(|&image| (candidate.caption.clone(), vec![image])));
                }
            }
        }
    }
    let scores = references.score_sentences(&items, MetricSet::SENTENCE)?;
    let mut likeness = scores.iter().map(comparison_score);
    let mut chosen = Vec::with_capacity(candidates.len());
    for (candidates, neighbours) in candidates.iter().zip(neighbours) {
        let scores_each = if config.pool == ComparisonPool::Union { neighbours.len().min(1) } else { neighbours.len() };
        let mut ranked = Vec::with_capacity(candidates.len());
        for (index, candidate) in candidates.iter().enumerate() {
            let sum = likeness.by_ref().take(scores_each).sum::<Result<f64>>()?;
            ranked.push((sum / scores_each.max(1) as f64, candidate.log_prob, index));
        }
        let greatest = ranked.iter().map(|ranked| ranked.0).fold(f64::NEG_INFINITY, f64::max);
        let equal = ranked.into_iter().filter(|(score, ..)| greatest - score <= EQUAL);
        let likeliest = equal.max_by(|a, b| a.1.total_cmp(&b.1).then(b.2.cmp(&a.2)));
        chosen.push(likeliest.context("an image has no candidate caption")?.2);
    }
    Ok(chosen)
}

/// The arithmetic mean of sentence BLEU-2, METEOR and ROUGE-L.
fn comparison_score(scores: &Scores) -> Result<f64> {
    let get = |wanted: &str| {
        let found = scores.0.iter().find(|(name, _)| name.split(' ').next() == Some(wanted));
        found.map(|(_, value)| *value).with_context(|| format!("there is no sentence score {wanted}"))
    };
    Ok((get("BLEU-2")? + get("METEOR")? + get("ROUGE_L")?) / 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_that_reads_like_the_neighbours_wins_and_ties_go_to_the_likelier() {
        let group = |captions: &[&str]| captions.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        let references = References::new(&[
            group(&["many planes are parked near a terminal", "several planes at an airport"]),
            group(&["a river runs through a forest"]),
            group(&["planes are parked in an airport"]),
        ])
        .with_resources(None);
        let candidate = |caption: &str, log_prob| Candidate { caption: caption.into(), log_prob };
        let candidates = [
            vec![candidate("a forest with a river", -1.0), candidate("planes are parked near a terminal", -3.0)],
            vec![candidate("xyz", -2.0), candidate("zyx", -1.0)],
        ];
        for pool in [ComparisonPool::PerImage, ComparisonPool::Union] {
            let config = ComparisonConfig { pool, ..ComparisonConfig::default() };
            let chosen = choose(&candidates, &[vec![0, 2], vec![1]], &references, &config).unwrap();
            assert_eq!(chosen, [1, 1]);
        }
    }

    /// Both are captions of the neighbour word by word; BLEU's epsilons alone tell them apart.
    #[test]
    fn perfect_candidates_of_unequal_length_are_equal_and_the_likelier_one_wins() {
        let (short, long) = ("a river runs here", "a wide river runs through the green forest here");
        let references = References::new(&[vec![short.to_owned(), long.to_owned()]]).with_resources(None);
        let score = |caption: &str| {
            comparison_score(&references.score_sentence(caption, &[0], MetricSet::SENTENCE).unwrap()).unwrap()
        };
        let apart = (score(short) - score(long)).abs();
        assert!(apart > 0.0 && apart < EQUAL, "{apart:e}");
        let candidate = |caption: &str, log_prob| Candidate { caption: caption.into(), log_prob };
        for (of_short, of_long, wins) in [(-1.0, -2.0, 0), (-2.0, -1.0, 1)] {
            let candidates = [vec![candidate(short, of_short), candidate(long, of_long)]];
            let chosen = choose(&candidates, &[vec![0]], &references, &ComparisonConfig::default()).unwrap();
            assert_eq!(chosen, [wins]);
        }
    }

    #[test]
    fn without_neighbours_the_likeliest_candidate_wins() {
        let references = References::new(&[vec!["a b c d".to_owned()]]).with_resources(None);
        let candidates = ["x", "a b c d"].into_iter().zip([-1.0, -2.0]);
        let candidates = [candidates.map(|(c, log_prob)| Candidate { caption: c.into(), log_prob }).collect()];
        for pool in [ComparisonPool::PerImage, ComparisonPool::Union] {
            let config = ComparisonConfig { pool, ..ComparisonConfig::default() };
            assert_eq!(choose(&candidates, &[Vec::new()], &references, &config).unwrap(), [0]);
        }
    }

    /// Hand-computed: one neighbour with one caption of four words, the candidate equal to it. BLEU-2 and ROUGE-L are
    /// 1; METEOR of a perfect single-chunk match is 1.
    #[test]
    fn a_perfect_candidate_scores_one() {
        let references = References::new(&[vec!["a b c d".to_owned()]]).with_resources(None);
        let scores = references.score_sentence("a b c d", &[0], MetricSet::SENTENCE).unwrap();
        assert!((comparison_score(&scores).unwrap() - 1.0).abs() < 1e-6);
    }
}
